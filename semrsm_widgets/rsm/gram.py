"""`MatchedGram`: the matched products of two sets of images, and the kernels that are free once it is there.

A permutation changes no norm, so the matched product M_ij = Σ_s <x_s, y_P(s)> is all that a kernel needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.common import Matrix, check_number, message
from semrsm_widgets.matching import Fallbacks

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class MatchedGram:
    """The matched products of N images with M, and what else kernels need.

    Attributes:
        products: (N, M) float64: M_ij, the value of the assignment of x_i and y_j.
        upper_bound: (N, M) float64: no matching is worth more; inf where the matcher gives no certificate.
        pooled_products: (N, M) float64: <x̄_i, ȳ_j>, the inner products of the mean tokens.
        x_sq_norms: (N,) float64: ‖X_i‖², over all tokens, matched or not.
        y_sq_norms: (M,) float64.
        x_pooled_sq_norms: (N,) float64: ‖x̄_i‖².
        y_pooled_sq_norms: (M,) float64.
        sizes: (S, T), the tokens of each image on either side.
        symmetric: whether the set was compared with itself; the diagonal is then exactly the squared norms.
        matcher: the repr of the matcher.
        fallbacks: how many pairs needed a second solver.
    """

    products: Matrix
    upper_bound: Matrix
    pooled_products: Matrix
    x_sq_norms: NDArray[np.float64]
    y_sq_norms: NDArray[np.float64]
    x_pooled_sq_norms: NDArray[np.float64]
    y_pooled_sq_norms: NDArray[np.float64]
    sizes: tuple[int, int]
    symmetric: bool
    matcher: str
    fallbacks: Fallbacks = field(default_factory=Fallbacks)
    width_from: MatchedGram | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        (n, m), (s, t) = self.shape, self.sizes
        pairs = f"{n} x {m} pairs of images" + (" of one set" if self.symmetric else "")
        return f"MatchedGram({pairs}, {s} x {t} tokens, {self.matcher})"

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        n, m = self.products.shape
        return n, m

    @property
    def norms(self) -> Matrix:
        """(N, M) products of the Frobenius norms, ‖X_i‖‖Y_j‖."""
        return np.multiply.outer(np.sqrt(self.x_sq_norms), np.sqrt(self.y_sq_norms))

    @property
    def gap(self) -> Matrix:
        """(N, M) certified error of a cosine entry: (upper_bound - products) / (‖X‖‖Y‖); 0 for an all-zero image."""
        norms = self.norms
        return np.divide(self.upper_bound - self.products, norms, out=np.zeros(self.shape), where=norms > 0)

    @property
    def any_matching(self) -> Matrix:
        """(N, M) the mean product of all one-to-one matchings: min(S, T) <x̄, ȳ>.

        It is the part that the mean tokens explain, and not the pooled cosine.
        """
        return min(self.sizes) * self.pooled_products

    @property
    def best_matching_adds(self) -> Matrix:
        """(N, M) what the best matching adds to `any_matching`; never negative at the optimum."""
        return self.products - self.any_matching

    def at_upper_bound(self) -> MatchedGram:
        """Return the gram with every product at its upper bound: any kernel of it gives the upper side of its entries.

        `cosine(gram)` to `cosine(gram.at_upper_bound())` is the certified interval of the true optimum's cosine, and so
        for the other kernels; the default width of `rbf` stays that of the values.
        """
        return replace(self, products=self.upper_bound, width_from=self.width_from or self)

    def centred(self) -> MatchedGram:
        """Return the gram of the mean-free tokens, reached by the same permutations: no second matching.

        Raises:
            ValueError: S and T differ.
        """
        size, other = self.sizes
        if size != other:
            todo = "Compare layers of one size: extract(..., max_grid=...)."
            raise ValueError(message("gram", "of equal S and T to be centred", f"S = {size} and T = {other}", todo))
        x_sq = np.maximum(self.x_sq_norms - size * self.x_pooled_sq_norms, 0)
        y_sq = np.maximum(self.y_sq_norms - size * self.y_pooled_sq_norms, 0)
        products, upper = self.products - self.any_matching, self.upper_bound - self.any_matching
        if self.symmetric:
            np.fill_diagonal(products, x_sq)
            np.fill_diagonal(upper, x_sq)
        return replace(
            self,
            products=products,
            upper_bound=upper,
            pooled_products=np.zeros(self.shape),
            x_sq_norms=x_sq,
            y_sq_norms=y_sq,
            x_pooled_sq_norms=np.zeros(len(x_sq)),
            y_pooled_sq_norms=np.zeros(len(y_sq)),
            width_from=None,
        )

    def select(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> MatchedGram:
        """Return the gram of some images on either side (None: all of them), in that order; nothing is matched.

        Its `fallbacks` stay those of the whole gram, as nobody counted them pair by pair.
        """
        n, m = self.shape
        i = np.arange(n) if rows is None else np.asarray(rows, dtype=np.intp)
        j = np.arange(m) if columns is None else np.asarray(columns, dtype=np.intp)
        both = np.ix_(i, j)
        return replace(
            self,
            products=self.products[both],
            upper_bound=self.upper_bound[both],
            pooled_products=self.pooled_products[both],
            x_sq_norms=self.x_sq_norms[i],
            y_sq_norms=self.y_sq_norms[j],
            x_pooled_sq_norms=self.x_pooled_sq_norms[i],
            y_pooled_sq_norms=self.y_pooled_sq_norms[j],
            symmetric=self.symmetric and np.array_equal(i, j),
            width_from=None if self.width_from is None else self.width_from.select(rows, columns),
        )

    def pooled(self) -> MatchedGram:
        """Return the gram of the mean tokens alone: one token per image, nothing to match."""
        return replace(
            self,
            products=self.pooled_products,
            upper_bound=self.pooled_products,
            x_sq_norms=self.x_pooled_sq_norms,
            y_sq_norms=self.y_pooled_sq_norms,
            sizes=(1, 1),
            matcher="pooled",
            fallbacks=Fallbacks(),
            width_from=None,
        )

    def scaled(self, factor: float) -> MatchedGram:
        """Return the gram of tokens multiplied by sqrt(factor).

        `gram.pooled().scaled(S)` brings the pooled gram to the level of S tokens for the inner product and RBF.
        """
        factor = check_number("factor", factor, above=0)
        return replace(
            self,
            products=self.products * factor,
            upper_bound=self.upper_bound * factor,
            pooled_products=self.pooled_products * factor,
            x_sq_norms=self.x_sq_norms * factor,
            y_sq_norms=self.y_sq_norms * factor,
            x_pooled_sq_norms=self.x_pooled_sq_norms * factor,
            y_pooled_sq_norms=self.y_pooled_sq_norms * factor,
            width_from=None if self.width_from is None else self.width_from.scaled(factor),
        )


def mirrored(upper_triangle: Matrix, diagonal: NDArray[np.float64]) -> Matrix:
    """Return a symmetric matrix of its upper triangle and its diagonal."""
    triangle: Matrix = np.triu(upper_triangle, 1)
    full: Matrix = triangle + triangle.T
    np.fill_diagonal(full, diagonal)
    return full
