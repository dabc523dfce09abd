"""How differently a model answers to two images: the Jensen-Shannon divergence of its class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, ProgressOption, in_words_of, message, read_numbers

from .statistic import check_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUM_TOLERANCE = 1e-3
"""How far a row of half-precision probabilities may be from 1; one of bfloat16 as far as its rounding."""
NEGATIVE_TOLERANCE = 1e-6
"""How far below 0 a probability may be, as a difference of others is by rounding."""
_BLOCK = 2**16
"""Numbers that are mixed together: they stay in the processor's cache."""
_LEAST = 1e-300
"""Taken for 0 where a logarithm is wanted; times 0 it is 0."""


def check_probabilities(value: Any, n: int) -> Matrix:
    """Return a read-only float64 copy of class probabilities (n, classes).

    Raises:
        TypeError: not numbers.
        ValueError: NaN, a wrong number of rows, a negative entry, or a row that does not sum to 1.
    """
    array, rounding = read_numbers("probabilities", value)
    matrix = check_matrix("probabilities", array)
    todo = "They come from predict(model, images); from logits: torch.softmax(logits, 1)."
    if len(matrix) != n:
        raise ValueError(message("probabilities", f"of shape ({n}, classes), a row an image", str(matrix.shape), todo))
    if matrix.min() < -max(NEGATIVE_TOLERANCE, rounding):
        raise ValueError(message("probabilities", "not negative", f"{matrix.min():.9g}", todo))
    matrix = np.maximum(matrix, 0)
    sums = matrix.sum(1, keepdims=True)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst, 0] - 1) > max(SUM_TOLERANCE, rounding):
        raise ValueError(message("probabilities", "rows that sum to 1", f"{sums[worst, 0]:.9g} in row {worst}", todo))
    matrix.flags.writeable = False
    return matrix


def js_divergence(P: Any, *, progress: ProgressOption = None) -> Matrix:
    """Return the Jensen-Shannon divergences (N, N) of the rows of P, in nats: 0 for equal rows, at most ln 2.

    H((p + q) / 2) - (H(p) + H(q)) / 2, with the entropy H. (SciPy's `jensenshannon` is its square root.)

    Args:
        P: (N, classes) probabilities.
        progress: as for `jackknife`, with (images done, images in all).

    Raises:
        ValueError: see `check_probabilities`.

    References:
        Lin, IEEE Transactions on Information Theory 37 (1991), eq. 3.10; Wald et al., arXiv:2410.23107, Table 1.

    Example:
        >>> js_divergence([[1.0, 0.0], [0.0, 1.0]])
        array([[0.        , 0.69314718],
               [0.69314718, 0.        ]])
    """
    array, _ = read_numbers("P", P)
    with in_words_of({"`probabilities`": "`P`"}):
        rows = check_probabilities(P, len(array) if array.ndim else 0)
    divergence = Divergence(rows)
    n = len(rows)
    result: Matrix = np.zeros((n, n))
    step = max(1, _BLOCK // rows.size)
    with Meter("Comparing the predictions", progress, unit="images") as meter:
        meter.costs = [float(n - done) for done in range(n)]  # the later a row, the fewer are left to compare it with
        for first in range(0, n, step):
            meter(first, n)
            here = slice(first, min(first + step, n))
            result[here, first:] = divergence.of(here, slice(first, n))
            result[here.stop :, here] = result[here, here.stop :].T
        meter(n, n)
    return result


class Divergence:
    """The divergences of the rows of class probabilities (N, classes), of any of them with any."""

    def __init__(self, probabilities: Matrix) -> None:
        self._rows = probabilities / probabilities.sum(1, keepdims=True)  # half precision is off by a thousandth
        self._entropy = -_log_products(self._rows)

    def of(self, some: slice, others: slice) -> Matrix:
        """Return (n, m): not below 0, and 0 of a row with itself."""
        first, second = self._rows[some], self._rows[others]
        found: Matrix = np.empty((len(first), len(second)))
        step = max(1, _BLOCK // max(1, first.size))
        for start in range(0, len(second), step):
            part = slice(start, start + step)
            mixed = (first[:, None] + second[None, part]) / 2
            found[:, part] = -_log_products(mixed)
        found -= np.add.outer(self._entropy[some], self._entropy[others]) / 2
        np.maximum(found, 0, out=found)
        same = np.arange(some.start, some.stop)[:, None] == np.arange(others.start, others.stop)
        found[same] = 0
        return found


def _log_products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums over the last axis of v log v, 0 where v is 0."""
    logs = np.log(np.maximum(values, _LEAST))
    logs *= values
    sums: NDArray[np.float64] = logs.sum(-1)
    return sums
