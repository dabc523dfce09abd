"""Kernels: functions of a matched Gram that give an RSM, and what they are called in results and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, check_number, message
from semrsm_widgets.matching import AffinityMatcher, SetMatcher

from .gram import MatchedGram
from .lazy_gram import LazyGram
from .median import streamed_median

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SQUARE = 1e-290  # below, float64 loses digits
Kernel = Callable[[MatchedGram], Matrix]


_ROUNDING = 2.0**-24
"""Of squared norms: what a product in float32 may be off by."""


class UndefinedKernelError(ValueError):
    """A kernel has no value for these images: the RBF's default width is 0 where most of them are alike."""


def inner_product(gram: MatchedGram) -> Matrix:
    """Return the matched inner products themselves, (N, M) float64."""
    return check_gram(gram).products.copy()


def cosine(gram: MatchedGram) -> Matrix:
    """Return the matched cosine similarities M_ij / (‖X_i‖‖Y_j‖), (N, M) float64; 0 for an all-zero image.

    Example:
        >>> cosine(matched_gram(np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [1.0, 0.0]]])))
        array([[1., 1.],
               [1., 1.]])
    """
    norms = check_gram(gram).norms
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
    distances = _sq_distances(gram)
    square = 2 * width * width
    with np.errstate(over="ignore"):  # to a similarity of 0
        if _LEAST_SQUARE < square < 1 / _LEAST_SQUARE:
            exponents = distances / square
        else:
            exponents = np.square(np.sqrt(distances) / width) / 2
    similarity: Matrix = np.exp(-exponents)
    return similarity


def rbf_sigma(gram: MatchedGram) -> float:
    """Return the default RBF width: the square root of the median squared distance between different images.

    For x against itself the diagonal is left out; for x against y every entry counts. Of a Gram beyond its memory
    (`gram.within(memory)`) some rows are read at a time, in two to five passes, to the same number.

    Raises:
        UndefinedKernelError: fewer than two images, or more than half of the pairs have no distance.
    """
    check_gram(gram)
    gram = gram.width_from or gram
    n, m = gram.shape
    count = n * (n - 1) // 2 if gram.symmetric else n * m
    if count == 0:
        raise UndefinedKernelError(
            message("gram", "of at least two images to derive the RBF width", str(gram.shape), "Pass sigma=...")
        )
    if isinstance(gram, LazyGram) and not gram.fits:
        with Meter("Finding the median distance"):
            median = streamed_median(lambda: _distances_by_rows(gram), count)
    else:
        distances = _sq_distances(gram)
        median = float(np.median(distances[np.triu_indices(n, 1)] if gram.symmetric else distances))
    width = float(np.sqrt(median))
    # float32 products of one and the same image leave a distance that is rounding alone
    scale = float(np.median(gram.x_sq_norms) + np.median(gram.y_sq_norms))
    if not median > _ROUNDING * scale:
        todo = "Most images have the same tokens. Pass sigma=..., or use cosine."
        raise UndefinedKernelError(
            message("gram", "of images that differ, to derive the RBF width", "a median distance of 0", todo)
        )
    return width


def _distances_by_rows(gram: LazyGram) -> Iterator[NDArray[np.float64]]:
    """Yield the squared distances of different images, of some rows at a time, each pair once."""
    for rows in gram.row_blocks():
        if gram.symmetric:  # nothing is read that stands before the diagonal
            columns = range(rows.start, gram.shape[1])
            distances = _sq_distances(gram.select(rows, columns))
            yield distances[np.asarray(columns) > np.asarray(rows)[:, None]]
        else:
            yield _sq_distances(gram.select(rows, None)).ravel()


def _sq_distances(gram: MatchedGram) -> Matrix:
    check_gram(gram)
    distances: Matrix = np.maximum(np.add.outer(gram.x_sq_norms, gram.y_sq_norms) - 2 * gram.products, 0)
    if gram.symmetric:
        np.fill_diagonal(distances, 0)
    return distances


def check_gram(gram: Any) -> MatchedGram:
    """Return the gram, or raise where something else was given to a kernel."""
    if not isinstance(gram, MatchedGram):
        todo = "Make it with matched_gram(tokens); semantic_rsm(tokens, kernel=...) does both."
        raise TypeError(message("gram", "a MatchedGram", gram, todo))
    return gram


def check_kernel(kernel: Any, name: str = "kernel") -> Kernel:
    """Return the kernel, or raise before anything is matched; `name` is what the caller's argument is called."""
    if not callable(kernel) or isinstance(kernel, type | AffinityMatcher | SetMatcher):
        todo = "They are functions: kernel=srsm.rbf."
        raise TypeError(message(name, "cosine, rbf, inner_product or a function of a gram", repr(kernel), todo))
    return kernel  # type: ignore[no-any-return]


def kernel_key(kernel: Kernel) -> tuple[str, float | None] | None:
    """Return what a kernel of this module depends on beside the Gram; None for others, which may depend on anything."""
    if kernel in (cosine, inner_product):
        return kernel_name(kernel), None
    if isinstance(kernel, partial) and kernel.func is rbf and not kernel.args:
        sigma = kernel.keywords.get("sigma")
        return ("rbf", float(sigma)) if sigma is not None else None
    return None


def kernel_name(kernel: Callable[..., Any]) -> str:
    """Return the name of a kernel or statistic, with the options that a `partial` fixed: "rbf(sigma=2)"."""
    function: Any = kernel.func if isinstance(kernel, partial) else kernel
    options = kernel.keywords if isinstance(kernel, partial) else {}
    name: str = getattr(function, "__name__", repr(function))
    shown = ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in options.items()
    )
    return f"{name}({shown})" if shown else name
