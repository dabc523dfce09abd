"""The smallest eigenvalue of an RSM: below 0, it is no Gram matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, interruptibly, large_heard

from .statistic import check_rsm

SMALL = 1000
"""Images up to which all eigenvalues are computed, in the cube of their number."""
TOLERANCE = 1e-6
"""How far the smallest eigenvalue of more images may be off, as a part of the largest; mostly it is much less."""
_MOST_STEPS = 320
_LOOK_EVERY = 20


def smallest_eigenvalue(K: Any) -> float:
    """Return the smallest eigenvalue of an RSM, relative to its largest in magnitude; below 0, it is no Gram matrix.

    CKA is derived for positive semi-definite matrices, which optimal assignment kernels need not be. It is still a
    cosine between centred matrices then, but no kernel alignment: say so.

    Of more than 1,000 images it is found by Lanczos' method, to 1e-6.

    Args:
        K: (N, N) symmetric RSM.

    References:
        Vert, arXiv:0801.4061; Lanczos, J. Res. Nat. Bur. Standards 45 (1950).

    Example:
        >>> smallest_eigenvalue(np.array([[1.0, 0.5], [0.5, 1.0]]))
        0.333...
    """
    with Meter("Finding the eigenvalues"):
        return relative_smallest(large_heard(lambda: check_rsm("K", K, least=1), "semrsm-comparison", K))


def relative_smallest(matrix: Matrix) -> float:
    """Return the smallest eigenvalue of a symmetric matrix, relative to its largest in magnitude."""
    ends = _lanczos(matrix) if len(matrix) > SMALL else None
    if ends is None:
        values = interruptibly(lambda: np.linalg.eigvalsh(matrix), "semrsm-eigenvalues")
        ends = float(values[0]), float(values[-1])
    peak = max(abs(ends[0]), abs(ends[1]))
    return ends[0] / peak if peak > 0 else 0.0


def _lanczos(matrix: Matrix) -> tuple[float, float] | None:
    """Return the smallest and the largest eigenvalue, in products with some vectors; None where these do not suffice.

    The residual of a Ritz pair bounds how far its value is from an eigenvalue. New vectors are made orthogonal to all
    old ones, twice: else eigenvalues that were found come again.
    """
    peak = max(float(matrix.max()), -float(matrix.min()))
    exponent = int(np.frexp(peak)[1])
    if not 0 < peak < np.inf or abs(exponent) > 500:  # squares of its entries are no numbers
        return None
    basis = np.zeros((_MOST_STEPS, len(matrix)))
    own, beside = np.zeros(_MOST_STEPS), np.zeros(_MOST_STEPS)
    vector = np.random.default_rng(0).normal(size=len(matrix))
    vector /= np.linalg.norm(vector)
    for k in range(_MOST_STEPS):
        basis[k] = vector
        vector = matrix @ vector
        own[k] = vector @ basis[k]
        for _ in range(2):
            vector -= (basis[: k + 1] @ vector) @ basis[: k + 1]
        beside[k] = np.linalg.norm(vector)
        is_whole = beside[k] <= np.finfo(np.float64).eps * peak * len(matrix)
        if (k + 1) % _LOOK_EVERY == 0 or is_whole:
            values, vectors = np.linalg.eigh(np.diag(own[: k + 1]) + np.diag(beside[:k], 1) + np.diag(beside[:k], -1))
            residuals = beside[k] * np.abs(vectors[-1, [0, -1]])
            if is_whole or residuals.max() <= TOLERANCE * np.abs(values[[0, -1]]).max():
                return float(values[0]), float(values[-1])
        vector /= beside[k]
    return None
