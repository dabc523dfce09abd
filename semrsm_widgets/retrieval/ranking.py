"""Which images are near: the columns of a similarity in order, and how often each is near to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, ProgressOption, check_flag, check_int, large_heard
from semrsm_widgets.statistics import check_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ranking = np.ndarray[tuple[int, int], np.dtype[np.int64]]
_ENTRIES = 2**20
"""Similarities that are ranked between two looks at what interrupts it."""


def nearest(K: Any, k: int | None = None, *, queries: bool = False, progress: ProgressOption = None) -> Ranking:
    """Return the k most similar images of each row, nearest first; ties in the order of the images.

    Args:
        K: (N, M) similarities; larger is more similar.
        k: how many; None for all.
        queries: whether the rows are other images than the columns. A square K is else taken as a set with itself,
            and no image is its own neighbour.
        progress: as for `matched_gram`, with (rows done, rows in all).

    Returns:
        (N, k) int64 column indices.

    Raises:
        ValueError: NaN, or k is larger than the number of other images.

    Example:
        >>> nearest([[1.0, 0.2, 0.9], [0.2, 1.0, 0.1], [0.9, 0.1, 1.0]], k=1)
        array([[2],
               [0],
               [0]])
    """
    return _ranked(K, k, queries=queries, progress=progress)[0]


def _ranked(K: Any, k: int | None, *, queries: bool, progress: ProgressOption) -> tuple[Ranking, int]:
    """Return what `nearest` does, and how many columns K has."""
    with Meter("Ranking the images", progress, unit="rows") as meter:
        matrix = large_heard(lambda: check_matrix("K", K), K)
        own = _own(matrix, queries)
        (n, m), most = matrix.shape, matrix.shape[1] - own
        k = most if k is None else check_int("k", k, minimum=1, maximum=most, todo="There are no more other images.")
        if own:
            np.fill_diagonal(matrix, -np.inf)  # check_matrix gave a copy
        order: Ranking = np.empty((n, k), np.int64)
        step = max(1, _ENTRIES // m)
        for first in range(0, n, step):
            meter(first, n)
            rows = slice(first, first + step)
            order[rows] = np.argsort(-matrix[rows], axis=1, kind="stable")[:, :k]
        meter(n, n)
    return order, m


def hub_counts(K: Any, k: int, *, queries: bool = False, progress: ProgressOption = None) -> NDArray[np.int64]:
    """Return (M,) how often each image is among the k nearest of the others; k on average.

    A hub is an image that is near to very many: the linear kernel makes hubs of images with large norms, the RBF of
    those with small ones.

    Args:
        K: (N, M) similarities.
        k: how many neighbours count.
        queries: whether the rows are other images than the columns; see `nearest`.
        progress: as for `nearest`.

    References:
        Radovanović et al., JMLR 11 (2010), section 3 (k-occurrences).

    Example:
        >>> hub_counts([[1.0, 0.2, 0.9], [0.2, 1.0, 0.1], [0.9, 0.1, 1.0]], k=1)
        array([2, 0, 1])
    """
    order, count = _ranked(K, k, queries=queries, progress=progress)
    return np.bincount(order.ravel(), minlength=count)


def _own(matrix: Matrix, queries: bool) -> bool:
    """Return whether the rows are the columns' own images."""
    return not check_flag("queries", queries) and matrix.shape[0] == matrix.shape[1]
