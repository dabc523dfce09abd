"""Representational similarity matrices whose entries compare two images' tokens under a matching of positions.

A matched product M_ij = Σ_s <x_s, y_P(s)> is all that a kernel needs, because a permutation changes no norm: match
once per layer (`matched_gram`), then every kernel and its certificate is free. Entries are float64 NumPy arrays.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets._check import check_int, check_number, message
from semrsm_widgets.matching import Auction, Fallbacks, Identity, Matcher
from semrsm_widgets.matching._blocks import (
    AffinityMatcher,
    Job,
    Products,
    Progress,
    SetMatcher,
    block_shape,
    match_batches,
)
from semrsm_widgets.matching._tokens import TokenSet, check_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Kernel = Callable[["MatchedGram"], Matrix]

SAMPLE_SECONDS = 0.4
SAMPLE_TOKENS = 256
"""How long `estimate` measures, and below how many tokens a sample's time says little about a larger one's."""


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


def matched_gram(
    x: Any,
    y: Any = None,
    *,
    matcher: Matcher | None = None,
    memory: int = 2**30,
    progress: Progress | None = None,
) -> MatchedGram:
    """Return the matched products of all images of x with all images of y, or of x with itself.

    Args:
        x: N images' tokens: `Tokens`, a tensor or an array (N, S, D).
        y: M images' tokens (M, T, D); None compares x with itself (pairs i < j are solved and mirrored).
        matcher: None means `Auction()`, certified to 1e-4 of a cosine.
        memory: bytes that may be held besides the tokens.
        progress: called with (pairs done, pairs in all) on this thread between blocks; it may raise to cancel, and what
            it raises is raised here once all threads are quiet.

    Raises:
        TypeError: tokens that are not floating-point numbers.
        ValueError: a wrong shape, NaN or infinity (the image and layer are named), or no room for one pair.

    References:
        Wald et al., arXiv:2410.23107, section 3.

    Example:
        >>> x = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [1.0, 0.0]]])
        >>> matched_gram(x).products
        array([[5., 5.],
               [5., 5.]])
    """
    matcher = Auction() if matcher is None else matcher
    if not callable(matcher) or isinstance(matcher, type):
        raise TypeError(message("matcher", "a matcher, such as Auction() or Exact()", repr(matcher)))
    memory = check_int("memory", memory, minimum=1)
    left = TokenSet.read("x", x)
    right = left if y is None else TokenSet.read("y", y)
    check_pair(left, right)
    _warn_of_zeros(left, right)
    job = Job(x=left, y=right, symmetric=y is None, memory=memory, progress=progress)
    found = _match(matcher, job)
    norms = np.multiply.outer(np.sqrt(left.sq_norms), np.sqrt(right.sq_norms))
    # ‖X‖‖Y‖ bounds every product, too; an uncertified product keeps inf
    upper = np.where(np.isfinite(found.upper_bound), np.clip(found.upper_bound, found.products, norms), np.inf)
    upper = np.maximum(upper, found.products)
    pooled = left.means @ right.means.T
    x_pooled, y_pooled = np.square(left.means).sum(1), np.square(right.means).sum(1)
    products = found.products
    if job.symmetric:
        products, upper = _mirrored(products, left.sq_norms), _mirrored(upper, left.sq_norms)
        pooled = _mirrored(pooled, x_pooled)
    job.tick(job.pairs)
    return MatchedGram(
        products=products,
        upper_bound=upper,
        pooled_products=pooled,
        x_sq_norms=left.sq_norms,
        y_sq_norms=right.sq_norms,
        x_pooled_sq_norms=x_pooled,
        y_pooled_sq_norms=y_pooled,
        sizes=(left.size, right.size),
        symmetric=job.symmetric,
        matcher=repr(matcher),
        fallbacks=found.fallbacks,
    )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What matching a set of images with itself will cost on this machine.

    Attributes:
        pairs: pairs of images to match.
        memory: bytes held besides the tokens; above the budget, `matched_gram` refuses.
        seconds: time for all pairs, extrapolated from a short sample, compilation excluded.
    """

    pairs: int
    memory: int
    seconds: float


def estimate(tokens: Any, matcher: Matcher | None = None, *, memory: int = 2**30) -> Estimate:
    """Return the pairs, memory and time that `matched_gram(tokens)` will take, from a sample of about half a second.

    Args:
        tokens: N images' tokens, as for `matched_gram`.
        matcher: None means `Auction()`.
        memory: the budget in bytes.

    Raises:
        TypeError: tokens that are not floating-point numbers.
        ValueError: a wrong shape, NaN or infinity.
    """
    matcher = Auction() if matcher is None else matcher
    left = TokenSet.read("tokens", tokens)
    job = Job(x=left, y=left, symmetric=True, memory=memory)
    need = min(2**26, memory // 2) + 24 * len(left) ** 2
    if isinstance(matcher, AffinityMatcher):
        need = block_shape(matcher, job)[2] + 24 * len(left) ** 2
    return Estimate(pairs=job.pairs, memory=need, seconds=_sampled_seconds(matcher, left) * job.pairs)


def _sampled_seconds(matcher: Matcher, tokens: TokenSet) -> float:
    """Return seconds per pair: measured on a few images, with fewer tokens first where images have many."""
    if len(tokens) < 2:
        return 0.0
    _time_per_pair(matcher, tokens, 2, max(1, tokens.size // 4))  # compiles
    strides = [2**k for k in range(8) if tokens.size // 2**k >= SAMPLE_TOKENS] or [1]
    measured: list[tuple[int, float]] = []
    for stride in reversed(strides):
        measured.append((stride, _time_per_pair(matcher, tokens, 2, stride)))
        if measured[-1][1] > SAMPLE_SECONDS / 4:
            break
    stride, seconds = measured[-1]
    if stride > 1:
        slower = seconds / measured[-2][1] if len(measured) > 1 else 0.0
        return float(seconds * min(max(slower, 4.0), 12.0) ** log2(stride))  # between S² and the worst growth seen
    for count in (6, 16):
        if count <= len(tokens) and seconds * count * (count - 1) / 2 < SAMPLE_SECONDS:
            seconds = _time_per_pair(matcher, tokens, count, 1)
    return seconds


def _time_per_pair(matcher: Matcher, tokens: TokenSet, count: int, stride: int) -> float:
    """Return the seconds per pair of matching `count` evenly spread images, taking every stride-th token."""
    images = np.linspace(0, len(tokens) - 1, count).astype(np.int64)
    some = TokenSet.read("tokens", tokens.values[images][:, ::stride])
    job = Job(x=some, y=some, symmetric=True, memory=2**40)
    best = float("inf")
    for _ in range(2):  # the first product of a shape prepares its kernels
        started = time.perf_counter()
        _match(matcher, job)
        best = min(best, time.perf_counter() - started)
        if best > SAMPLE_SECONDS / 4:
            break
    return best / job.pairs


def _match(matcher: Matcher, job: Job) -> Products:
    return matcher.match_sets(job) if isinstance(matcher, SetMatcher) else match_batches(matcher, job)


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


def semantic_rsm(x: Any, y: Any = None, *, kernel: Kernel = cosine, matcher: Matcher | None = None) -> Matrix:
    """Return the semantic RSM (N, M): tokens are compared under their best one-to-one assignment, wherever they are.

    Args:
        x: tokens (N, S, D).
        y: tokens (M, T, D), or None for x with itself.
        kernel: `inner_product`, `cosine`, `rbf`, or any function of a `MatchedGram`.
        matcher: None means `Auction()`.

    References:
        Wald et al., arXiv:2410.23107, section 3.

    Example:
        >>> x = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [1.0, 0.0]]])
        >>> semantic_rsm(x)[0, 1], aligned_rsm(x)[0, 1]
        (1.0, 0.0)
    """
    return _checked_kernel(kernel)(matched_gram(x, y, matcher=matcher))


def aligned_rsm(x: Any, y: Any = None, *, kernel: Kernel = cosine) -> Matrix:
    """Return the aligned RSM (N, M): token s is compared with token s, as ordinary RSMs of flattened responses do."""
    return _checked_kernel(kernel)(matched_gram(x, y, matcher=Identity()))


def pooled_rsm(x: Any, y: Any = None, *, kernel: Kernel = cosine) -> Matrix:
    """Return the pooled RSM (N, M): the mean tokens alone are compared."""
    left = TokenSet.read("x", x)
    right = None if y is None else TokenSet.read("y", y)
    means = None if right is None else right.means[:, None]
    return _checked_kernel(kernel)(matched_gram(left.means[:, None], means, matcher=Identity()))


def _checked_kernel(kernel: Any) -> Kernel:
    """Return the kernel, or raise before anything is matched."""
    if not callable(kernel):
        todo = "They are functions: kernel=srsm.rbf."
        raise TypeError(message("kernel", "cosine, rbf, inner_product or a function of a gram", repr(kernel), todo))
    return kernel  # type: ignore[no-any-return]


def _sq_distances(gram: MatchedGram) -> Matrix:
    distances: Matrix = np.maximum(np.add.outer(gram.x_sq_norms, gram.y_sq_norms) - 2 * gram.products, 0)
    if gram.symmetric:
        np.fill_diagonal(distances, 0)
    return distances


def _mirrored(upper_triangle: Matrix, diagonal: NDArray[np.float64]) -> Matrix:
    triangle: Matrix = np.triu(upper_triangle, 1)
    full: Matrix = triangle + triangle.T
    np.fill_diagonal(full, diagonal)
    return full


def _warn_of_zeros(x: TokenSet, y: TokenSet) -> None:
    """Warn once if images are all zero: their cosines are defined as 0."""
    blank = np.flatnonzero(x.sq_norms == 0).tolist()
    others = [] if y is x else np.flatnonzero(y.sq_norms == 0).tolist()
    if blank or others:
        names = [f"x {blank[:5]}"] * bool(blank) + [f"y {others[:5]}"] * bool(others)
        text = f"{len(blank) + len(others)} images are all zero ({', '.join(names)})"
        warnings.warn(f"{text}: their cosines are 0, the diagonal too.", RuntimeWarning, stacklevel=3)
