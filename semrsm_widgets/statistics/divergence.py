"""How differently a model answers to two images: the Jensen-Shannon divergence of its class probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr

from semrsm_widgets.common import Matrix, Meter, ProgressOption, in_words_of, message, read_numbers

from .statistic import check_matrix

SUM_TOLERANCE = 1e-3
"""How far a row of half-precision probabilities may be from 1; one of bfloat16 as far as its rounding."""
NEGATIVE_TOLERANCE = 1e-6
"""How far below 0 a probability may be, as a difference of others is by rounding."""
_BLOCK = 2**22


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
    rows = rows / rows.sum(1, keepdims=True)  # half precision is off by a thousandth
    n, classes = rows.shape
    entropy = entr(rows).sum(1)
    result: Matrix = np.zeros((n, n))
    step = max(1, _BLOCK // (n * classes))
    with Meter("Comparing the predictions", progress, unit="images") as meter:
        for first in range(0, n, step):
            meter(first, n)
            here = slice(first, first + step)
            mixed = entr((rows[here, None] + rows[None]) / 2).sum(2)
            result[here] = mixed - np.add.outer(entropy[here], entropy) / 2
        meter(n, n)
    result = np.maximum((result + result.T) / 2, 0)
    np.fill_diagonal(result, 0)
    return result
