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
_MOST_RESTARTS = 100


def smallest_eigenvalue(K: Any) -> float:
    """Return the smallest eigenvalue of an RSM, relative to its largest in magnitude; below 0, it is no Gram matrix.

    CKA is derived for positive semi-definite matrices, which optimal assignment kernels need not be. It is still a
    cosine between centred matrices then, but no kernel alignment: say so.

    Of more than 1,000 images it is found by Lanczos' method (ARPACK's, by SciPy), to 1e-6.

    Args:
        K: (N, N) symmetric RSM.

    References:
        Vert, arXiv:0801.4061; Lehoucq, Sorensen & Yang, ARPACK Users' Guide, SIAM (1998).

    Example:
        >>> smallest_eigenvalue(np.array([[1.0, 0.5], [0.5, 1.0]]))
        0.333...
    """
    with Meter("Finding the eigenvalues"):
        return relative_smallest(large_heard(lambda: check_rsm("K", K, least=1), K))


def relative_smallest(matrix: Matrix) -> float:
    """Return the smallest eigenvalue of a symmetric matrix, relative to its largest in magnitude."""
    found = _ends(matrix) if len(matrix) > SMALL else None
    if found is None:
        values = interruptibly(lambda: np.linalg.eigvalsh(matrix), "semrsm-eigenvalues")
        found = float(values[0]), max(abs(float(values[0])), abs(float(values[-1])))
    smallest, peak = found
    return smallest / peak if peak > 0 else 0.0


def _ends(matrix: Matrix) -> tuple[float, float] | None:
    """Return the smallest eigenvalue and the largest magnitude of one, by Lanczos' method; None where it has no end."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh  # here: most sessions never need it

    n, largest = len(matrix), max(float(matrix.max()), -float(matrix.min()))
    if not 0 < largest < np.inf or abs(int(np.frexp(largest)[1])) > 500:  # squares of its entries are no numbers
        return None
    how = {
        "k": 1,
        "v0": np.random.default_rng(0).normal(size=n),
        "maxiter": _MOST_RESTARTS,
        "return_eigenvectors": False,
    }
    try:
        peak = abs(float(eigsh(matrix, which="LM", tol=TOLERANCE, **how)[0]))
        # Its error is a part of the eigenvalue that is asked for: turned about, the smallest one is the largest.
        turned = LinearOperator((n, n), matvec=lambda v: 2 * peak * v - matrix @ v, dtype=np.float64)
        return 2 * peak - float(eigsh(turned, which="LA", tol=TOLERANCE / 3, **how)[0]), peak
    except ArpackError:
        return None
