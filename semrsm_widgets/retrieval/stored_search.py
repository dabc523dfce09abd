"""Search in a store: images in the order of an upper bound that needs no tokens, until no bound reaches the k-th."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)

from semrsm_widgets.common import message
from semrsm_widgets.matching import Fallbacks
from semrsm_widgets.rsm import MatchedGram
from semrsm_widgets.storage import Sketch, kept_sketch, piece_of
from semrsm_widgets.tokens import BLOCK_BYTES

from .candidates import upper_of
from .spreads import sketch_of, upper_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.common import Meter
    from semrsm_widgets.matching import Matcher
    from semrsm_widgets.rsm import Kernel
    from semrsm_widgets.tokens import StoredTensor

    from .candidates import Candidates

FIRST_READ = 32
"""Images read before anything is known of the k-th value; later a quarter of what was read."""
SAMPLED_SHARE, PAYING_SHARE = 1 / 16, 1 / 2
"""Once this share of the images was looked at, those with the best bounds, it is seen whether bounds pay: where they
leave more than the other share undecided, the rest is read in the order of the store, in large blocks. To look piece by
piece costs up to twice as much for each image."""


def look_by_bounds(
    left: Candidates, values: StoredTensor, wanted: NDArray[np.int64] | None, coarse: Matcher, meter: Meter
) -> None:
    """Look at the images of a store that may be among the nearest, best bound first, reading no piece of it twice.

    Args:
        left: the candidates, without any yet.
        values: (M, T, D) tokens in the store.
        wanted: (C,) the images that are in question; None: all.
        coarse: gives intervals of the similarities.
        meter: is told (images decided, images in all).
    """
    count, size, channels = values.shape
    if left.queries.shape[2] != channels:
        todo = "Channels of different layers or models have no inner product: take both from the same layer."
        expected = f"tokens with the D of query, {left.queries.shape[2]}"
        raise ValueError(message("database", expected, str((count, size, channels)), todo))
    high = similarity_bounds(left.queries, values, left.kernel)
    is_open = np.zeros(high.shape, bool)
    is_open[:, slice(None) if wanted is None else wanted] = True
    asked = int(is_open.any(0).sum())
    pieces = piece_of(values)
    most = max(1, BLOCK_BYTES // max(1, size * channels * values.dtype.itemsize))
    sampled, is_paying = max(FIRST_READ, int(SAMPLED_SHARE * asked)), True
    while True:
        is_open &= high >= left.least()[:, None]
        undecided = np.flatnonzero(is_open.any(0))
        meter(asked - len(undecided), asked)
        if not len(undecided):
            return
        if is_paying and left.images_read >= sampled:
            is_paying, sampled = len(undecided) <= PAYING_SHARE * asked, asked
        if is_paying:
            at_once = min(most, max(FIRST_READ, left.images_read // 4))
            images = _next_images(np.where(is_open, high, -np.inf).max(0), undecided, pieces, at_once)
        else:
            images = undecided[pieces[undecided] <= pieces[undecided[min(most, len(undecided)) - 1]]]
        _look(left, values[images], images, is_open[:, images], high[:, images], coarse)
        is_open[:, images] = False


def _look(
    left: Candidates,
    tokens: torch.Tensor,
    images: NDArray[np.int64],
    is_open: NDArray[np.bool_],
    high: NDArray[np.float64],
    coarse: Matcher,
) -> None:
    """Match images that were read with each query for which they are open; queries of the same images together."""
    left.images_read += len(images)
    for mask in np.unique(is_open, axis=0):
        if mask.any():
            queries, some = np.flatnonzero((is_open == mask).all(1)), torch.from_numpy(mask)
            left.match(queries, tokens[some], images[mask], coarse, high[np.ix_(queries, mask)])
    left.hold(tokens, images)


def _next_images(
    best: NDArray[np.float64], images: NDArray[np.int64], pieces: NDArray[np.int64], at_once: int
) -> NDArray[np.int64]:
    """Return which images to read next, in their order: all of some that lie in the pieces with the best bounds."""
    order = images[np.argsort(-best[images], kind="stable")]
    _, firsts = np.unique(pieces[order], return_index=True)
    by_bound = pieces[order[np.sort(firsts)]]  # pieces, that with the best bound first
    counts = np.bincount(pieces[images], minlength=int(pieces.max()) + 1)[by_bound]
    taken = by_bound[: int(np.searchsorted(counts.cumsum(), at_once)) + 1]
    return images[np.isin(pieces[images], taken)]


def similarity_bounds(queries: torch.Tensor, values: StoredTensor, kernel: Kernel) -> NDArray[np.float64]:
    """Return (Q, M) upper bounds of the similarities of queries (Q, S, D) and tokens (M, T, D) in a store."""
    database = kept_sketch(values, sketch_of)
    size, other = queries.shape[1], values.shape[1]
    filled = max(size, other)
    of_queries = sketch_of(F.pad(queries, (0, 0, 0, filled - size)) if filled > size else queries)
    upper = upper_products(of_queries, database, filled, other)
    return upper_of(_gram_of(of_queries, database, upper, (size, other)), kernel)


def _gram_of(queries: Sketch, database: Sketch, upper: NDArray[np.float64], sizes: tuple[int, int]) -> MatchedGram:
    """Return what a kernel needs to give upper bounds; the queries' means are over their own tokens again."""
    means = queries.means * (max(sizes) / sizes[0])
    return MatchedGram(
        products=upper,
        upper_bound=upper,
        pooled_products=means @ database.means.T,
        x_sq_norms=queries.sq_norms,
        y_sq_norms=database.sq_norms,
        x_pooled_sq_norms=np.square(means).sum(1),
        y_pooled_sq_norms=np.square(database.means).sum(1),
        sizes=sizes,
        symmetric=False,
        matcher="means and spreads",
        fallbacks=Fallbacks(),
    )
