"""`MatchedGram`: the matched products of two sets of images, and the kernels that are free once it is there.

A permutation changes no norm, so the matched product M_ij = Σ_s <x_s, y_P(s)> is all that a kernel needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.common import Matrix, check_number, message
from semrsm_widgets.matching import Fallbacks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kernel = Callable[["MatchedGram"], Matrix]


class UndefinedKernelError(ValueError):
    """A kernel has no value for these images: the RBF's default width is 0 where most of them are alike."""


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
    def pooled_part(self) -> Matrix:
        """(N, M) the part of each product that the mean tokens explain: min(S, T) <x̄, ȳ>.

        It is the mean value of all one-to-one matchings, and not the pooled cosine.
        """
        return min(self.sizes) * self.pooled_products

    @property
    def matched_part(self) -> Matrix:
        """(N, M) what the matching adds to the pooled part; never negative at the optimum."""
        return self.products - self.pooled_part

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
        products, upper = self.products - self.pooled_part, self.upper_bound - self.pooled_part
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


def inner_product(gram: MatchedGram) -> Matrix:
    """Return the matched inner products themselves, (N, M) float64."""
    return gram.products.copy()


def cosine(gram: MatchedGram) -> Matrix:
    """Return the matched cosine similarities M_ij / (‖X_i‖‖Y_j‖), (N, M) float64; 0 for an all-zero image.

    Example:
        >>> cosine(matched_gram(np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [1.0, 0.0]]])))
        array([[1., 1.],
               [1., 1.]])
    """
    norms = gram.norms
    values = np.divide(gram.products, norms, out=np.zeros(gram.shape), where=norms > 0)
    if gram.symmetric:
        np.fill_diagonal(values, gram.x_sq_norms > 0)
    return np.clip(values, -1, 1)


def rbf(gram: MatchedGram, sigma: float | None = None) -> Matrix:
    """Return exp(-d² / 2σ²) with d² = ‖X‖² + ‖Y‖² - 2 M_ij clipped at 0, (N, M) float64; exactly 1 on the diagonal.

    Args:
        gram: matched products.
        sigma: σ, in the unit of the tokens' norms; None takes `rbf_sigma(gram)`.

    Raises:
        ValueError: σ is not positive.
        UndefinedKernelError: σ is to be derived and cannot be: see `rbf_sigma`. It is a ValueError, too.
    """
    width = rbf_sigma(gram) if sigma is None else check_number("sigma", sigma, above=0)
    similarity: Matrix = np.exp(-_sq_distances(gram) / (2 * width**2))
    return similarity


def rbf_sigma(gram: MatchedGram) -> float:
    """Return the default RBF width: the square root of the median squared distance between different images.

    For x against itself the diagonal is left out; for x against y every entry counts.

    Raises:
        UndefinedKernelError: fewer than two images, or more than half of the pairs have no distance.
    """
    gram = gram.width_from or gram
    distances = _sq_distances(gram)
    if gram.symmetric:
        distances = distances[np.triu_indices(len(distances), 1)]
    if distances.size == 0:
        raise UndefinedKernelError(
            message("gram", "of at least two images to derive the RBF width", str(gram.shape), "Pass sigma=...")
        )
    width = float(np.sqrt(np.median(distances)))
    if not width > 0:
        todo = "Most images have the same tokens. Pass sigma=..., or use cosine."
        raise UndefinedKernelError(
            message("gram", "of images that differ, to derive the RBF width", "a median distance of 0", todo)
        )
    return width


def _sq_distances(gram: MatchedGram) -> Matrix:
    distances: Matrix = np.maximum(np.add.outer(gram.x_sq_norms, gram.y_sq_norms) - 2 * gram.products, 0)
    if gram.symmetric:
        np.fill_diagonal(distances, 0)
    return distances
