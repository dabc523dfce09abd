"""Exact search that solves few pairs to the end: coarse certified intervals decide which images are out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import Meter, ProgressOption, check_int, in_words_of, message, read_numbers
from semrsm_widgets.matching import Auction, as_tensor, check_matcher, product_rounding, undecided
from semrsm_widgets.rsm import Kernel, MatchedGram, check_kernel, cosine, matched_gram, rbf
from semrsm_widgets.tokens import Tokens, in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher

COARSE = Auction(gap=0.01)
"""Leaves .16 to .18 of 31 candidates undecided for the 5 nearest (docs/matching.md); finer costs more for little."""
FINE = Auction(gap=1e-7)
REFINED_AT_ONCE = 8
_COARSE_SHARE = 0.6
"""Of the time that a search takes, roughly."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchResult:
    """The nearest images of Q queries.

    Attributes:
        indices: (Q, k) int64, positions in the database, nearest first.
        values: (Q, k) float64, their similarities.
        upper: (Q, k) float64, certified upper bounds of the similarities; inf where the matcher gives none.
        certified: (Q,) bool: whether it is proven that no other image belongs among the k. It fails only where images
            are nearer to each other than the matcher's gap, or where the matcher gives no certificate.
        pairs: how many pairs were looked at coarsely.
        refined: how many of them were solved to the end.
    """

    indices: NDArray[np.int64]
    values: NDArray[np.float64]
    upper: NDArray[np.float64]
    certified: NDArray[np.bool]
    pairs: int
    refined: int

    def __repr__(self) -> str:
        queries, k = self.indices.shape
        proven = f"{int(self.certified.sum())} of {queries} certified"
        return f"SearchResult({k} nearest of {queries} queries, {proven}; {self.refined} of {self.pairs} pairs refined)"


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

    Args:
        query: tokens (S, D) of an image or of a part of it (a region: `tokens.values[i][[30, 31, 44, 45]]`), or
            (Q, S, D) of Q of them; `Tokens`, a tensor or an array. S may differ from the database's T.
        database: tokens (M, T, D); or, when they do not fit in memory, tokens in a store (`open_tokens`) or an iterable
            of blocks of tokens. Of these, only the tokens of images that are still undecided are held.
        k: how many images.
        matcher: solves a pair to the end; None means `Auction(gap=1e-7)`.
        kernel: `cosine`, `inner_product`, or any kernel that grows with the matched product; the RBF with a fixed σ.
        candidates: (C,) or (Q, C) positions in the database; only these are looked at, such as the nearest by an index
            of your own. (Q, C) needs a database in memory.
        coarse: gives the intervals; a matcher without certificates would leave nothing out.
        progress: as for `matched_gram`, with (images looked at, images in all or 0 for a stream); where the queries
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
    left = _Candidates(queries=queries, k=k, kernel=kernel, held={})
    with Meter("Searching", progress, unit="images") as meter:
        seen = 0
        for block in _blocks(database):
            total = 0 if _is_stream(database) else len(database)
            meter(seen, total)
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
        found = left.refined(FINE if matcher is None else matcher)
        if not _is_stream(database):
            meter(seen, seen)
    return found


@dataclass(eq=False, kw_only=True)
class _Candidates:
    """The images that may still be among the k nearest of each query."""

    queries: torch.Tensor
    k: int
    kernel: Kernel
    held: dict[int, torch.Tensor]
    pairs: int = 0
    index: list[NDArray[np.int64]] = field(default_factory=list)
    low: list[NDArray[np.float64]] = field(default_factory=list)
    high: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.index = [np.zeros(0, np.int64) for _ in self.queries]
        self.low, self.high = ([np.zeros(0) for _ in self.queries] for _ in range(2))

    def look(self, block: torch.Tensor, first: int, wanted: NDArray[np.int64] | None, coarse: Matcher) -> None:
        """Look at those images of a block, of which the first stands at a position, that are wanted."""
        chosen = np.arange(len(block))
        if wanted is not None:
            chosen = wanted[(wanted >= first) & (wanted < first + len(block))] - first
        if len(chosen):
            self.add(block[torch.from_numpy(chosen)], first + chosen, coarse)

    def add(self, tokens: torch.Tensor, positions: NDArray[np.int64], coarse: Matcher) -> None:
        """Look at more images, and forget those that are out."""
        with in_words_of({"`x`": "`query`", "`y`": "`database`"}):
            gram = matched_gram(self.queries, tokens, matcher=coarse)
        size, channels = self.queries.shape[1:]
        low, high = _interval(gram, self.kernel, product_rounding(coarse, channels, max(size, tokens.shape[1])))
        self.pairs += low.size
        for q in range(len(self.queries)):
            index = np.concatenate([self.index[q], positions])
            lows, highs = np.concatenate([self.low[q], low[q]]), np.concatenate([self.high[q], high[q]])
            stay = undecided(lows, highs, self.k)
            self.index[q], self.low[q], self.high[q] = index[stay], lows[stay], highs[stay]
        needed = set(np.concatenate(self.index).tolist())
        self.held = {i: one for i, one in self.held.items() if i in needed}
        for row, i in enumerate(positions.tolist()):
            if i in needed:
                self.held[i] = tokens[row].clone()  # a view would keep the whole block

    def refined(self, matcher: Matcher) -> SearchResult:
        """Return the k nearest of every query, solved to the end."""
        found = []
        with Meter("Refining", unit="queries") as meter:
            for q in range(len(self.queries)):
                meter(q, len(self.queries))
                found.append(self._refine(q, matcher))
            meter(len(self.queries), len(self.queries))
        return SearchResult(
            indices=np.array([each[0] for each in found]),
            values=np.array([each[1] for each in found]),
            upper=np.array([each[2] for each in found]),
            certified=np.array([each[3] for each in found]),
            pairs=self.pairs,
            refined=sum(each[4] for each in found),
        )

    def _refine(self, q: int, matcher: Matcher) -> tuple[NDArray[np.int64], Any, Any, bool, int]:
        """Return (indices, values, upper bounds, certified, refined pairs) of one query."""
        order = np.argsort(-self.high[q], kind="stable")
        index, high = self.index[q][order], self.high[q][order]
        values = np.zeros(0)
        while len(values) < len(index):
            done = len(values)
            if done >= self.k and high[done] < np.partition(values, -self.k)[-self.k]:
                break
            some = slice(done, done + (self.k if done == 0 else REFINED_AT_ONCE))
            stacked = torch.stack([self.held[i] for i in index[some].tolist()])
            gram = matched_gram(self.queries[q : q + 1], stacked, matcher=matcher)
            values = np.concatenate([values, self.kernel(gram)[0]])
            high[some] = np.minimum(high[some], _upper(gram, self.kernel)[0])
        best = np.lexsort((index[: len(values)], -values))[: self.k]
        others = np.delete(high, best)
        certified = bool(len(others) == 0 or others.max() <= values[best[-1]])
        return index[best], values[best], np.maximum(high[best], values[best]), certified, len(values)


def _interval(gram: MatchedGram, kernel: Kernel, rounding: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the certified intervals of the similarities, widened by the rounding of the products."""
    slack = rounding * gram.norms
    low, high = replace(gram, products=gram.products - slack), replace(gram, upper_bound=gram.upper_bound + slack)
    return kernel(low), _upper(high, kernel)


def _upper(gram: MatchedGram, kernel: Kernel) -> NDArray[np.float64]:
    """Return the upper bounds of the similarities; inf without a certificate, whatever the kernel makes of that."""
    return np.where(np.isfinite(gram.upper_bound), kernel(gram.at_upper_bound()), np.inf)


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
    )
