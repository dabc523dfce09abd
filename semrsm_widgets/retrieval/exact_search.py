"""Exact search that solves few pairs to the end: coarse certified intervals decide which images are out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import Meter, ProgressOption, check_int, message, read_numbers
from semrsm_widgets.matching import Auction, as_tensor, check_matcher
from semrsm_widgets.rsm import Kernel, check_kernel, cosine, rbf
from semrsm_widgets.tokens import StoredTensor, Tokens, in_blocks

from .candidates import Candidates, SearchResult
from .stored_search import look_by_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher

COARSE = Auction(gap=0.01)
"""Leaves .16 to .18 of 31 candidates undecided for the 5 nearest (docs/matching.md); finer costs more for little."""
FINE = Auction(gap=1e-7)
_COARSE_SHARE = 0.6
"""Of the time that a search takes, roughly."""


def search(
    query: Any,
    database: Any,
    k: int = 5,
    *,
    matcher: Matcher | None = None,
    kernel: Kernel = cosine,
    candidates: Any = None,
    coarse: Matcher = COARSE,
    progress: ProgressOption = None,
) -> SearchResult:
    """Return the k images of a database that are most similar to a query, as matching every pair to the end would.

    Every pair is matched coarsely, which gives an interval around its similarity. An image is out when k others are
    certainly better; the rest are solved to the end, best first, until no interval reaches the k-th value.

    Of a database in a store, images are looked at in the order of an upper bound that their mean tokens and spreads
    give (`retrieval/spreads.py`), until no bound reaches the k-th value: the tokens of all others are never read. The
    first search reads all tokens once, and leaves the means and spreads in the store, where that may be written.

    Args:
        query: tokens (S, D) of an image or of a part of it (a region: `tokens.values[i][[30, 31, 44, 45]]`), or
            (Q, S, D) of Q of them; `Tokens`, a tensor or an array. S may differ from the database's T.
        database: tokens (M, T, D); or, when they do not fit in memory, tokens in a store (`open_tokens`) or an iterable
            of blocks of tokens. Of these, only the tokens of images that are still undecided are held, and of a store
            those of images that means and spreads rule out are not read.
        k: how many images.
        matcher: solves a pair to the end; None means `Auction(gap=1e-7)`.
        kernel: `cosine`, `inner_product`, or any kernel that grows with the matched product; the RBF with a fixed σ.
        candidates: (C,) or (Q, C) positions in the database; only these are looked at, such as the nearest by an index
            of your own. (Q, C) needs a database in memory.
        coarse: gives the intervals; a matcher without certificates would leave nothing out.
        progress: as for `matched_gram`, with (images decided, images in all or 0 for a stream); where the queries
            have candidates of their own, with (queries done, queries in all).

    Raises:
        ValueError: wrong shapes, different D, NaN, or fewer than k images (or candidates).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> database = rng.normal(size=(50, 9, 16))
        >>> search(database[7][::-1].copy(), database, k=1).indices
        array([[7]])
    """
    queries = _queries(query)
    k = check_int("k", k, minimum=1)
    check_kernel(kernel)
    check_matcher(coarse, "coarse")
    if matcher is not None:
        check_matcher(matcher)
    if kernel is rbf:
        raise ValueError(message("kernel", "one that is the same for all blocks", "rbf", "partial(rbf, sigma=...)."))
    wanted = None if candidates is None else _candidates(candidates, len(queries))
    if wanted is not None and wanted.ndim == 2:
        if _is_stream(database):
            raise ValueError(
                message("candidates", "(C,) for a database that streams", str(wanted.shape), "Search query by query.")
            )
        parts = []
        with Meter("Searching", progress, unit="queries") as meter:
            for q, some in enumerate(wanted):
                meter(q, len(wanted))
                one = queries[q]
                parts.append(search(one, database, k, matcher=matcher, kernel=kernel, candidates=some, coarse=coarse))
            meter(len(wanted), len(wanted))
        return _joined(parts)
    left = Candidates(queries=queries, k=k, kernel=kernel)
    with Meter("Searching", progress, unit="images") as meter:
        stored = database.values if isinstance(database, Tokens) else database
        seen = len(stored) if isinstance(stored, StoredTensor) else 0
        for block in () if isinstance(stored, StoredTensor) else _blocks(database):
            total = 0 if _is_stream(database) else len(database)
            meter(seen, total, len(block))
            with meter.part(_COARSE_SHARE):
                left.look(block, seen, wanted, coarse)
            seen += len(block)
            if not total:
                meter(seen, total)
        most = seen if wanted is None else len(wanted)
        if wanted is not None and wanted.max(initial=-1) >= seen:
            raise ValueError(message("candidates", f"positions below {seen}", str(wanted.max())))
        if most < k:
            raise ValueError(message("k", f"at most {most}, the images to choose from", str(k)))
        if isinstance(stored, StoredTensor):
            look_by_bounds(left, stored, wanted, coarse, meter)
        found = left.refined(FINE if matcher is None else matcher, pairs=len(queries) * most)
        if not _is_stream(database):
            meter(seen, seen)
    return found


def _queries(query: Any) -> torch.Tensor:
    """Return (Q, S, D) queries."""
    values = query.values if isinstance(query, Tokens) else query
    if not isinstance(values, torch.Tensor):
        values = read_numbers("query", values)[0]
    elif values.layout != torch.strided:
        values = values.to_dense()
    if values.ndim not in (2, 3):
        raise ValueError(message("query", "tokens (S, D) or (Q, S, D)", str(tuple(values.shape))))
    return as_tensor("query", values[None] if values.ndim == 2 else values)


def _candidates(value: Any, queries: int) -> NDArray[np.int64]:
    """Return positions (C,) or (Q, C), each once."""
    array, _ = read_numbers("candidates", value)
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or (array.ndim == 2 and len(array) != queries):
        expected = f"integer positions (C,) or ({queries}, C)"
        raise ValueError(message("candidates", expected, f"{array.dtype} of shape {array.shape}"))
    if array.size and array.min() < 0:
        raise ValueError(message("candidates", "positions from 0", str(array.min())))
    if any(len(np.unique(row)) < len(row) for row in np.atleast_2d(array)):
        raise ValueError(message("candidates", "each once", "one that comes twice", "np.unique removes them."))
    return array.astype(np.int64)


def _is_stream(database: Any) -> bool:
    return not isinstance(database, Tokens | torch.Tensor | np.ndarray)


def _blocks(database: Any) -> Iterator[torch.Tensor]:
    """Yield the database's tokens (m, T, D), one block after another."""
    if not _is_stream(database):
        database = [database]
    if not isinstance(database, Iterable):
        todo = "For one that does not fit in memory: a generator that yields Tokens."
        raise TypeError(message("database", "tokens (M, T, D) or an iterable of such blocks", database, todo))
    for block in database:
        for _, part in in_blocks(as_tensor("database", block.values if isinstance(block, Tokens) else block)):
            yield part


def _joined(parts: list[SearchResult]) -> SearchResult:
    return SearchResult(
        indices=np.concatenate([part.indices for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
        certified=np.concatenate([part.certified for part in parts]),
        pairs=sum(part.pairs for part in parts),
        refined=sum(part.refined for part in parts),
        matched=sum(part.matched for part in parts),
        images_read=sum(part.images_read for part in parts),
    )
