"""The images that may still be among the nearest of a query: what is known of them, and what of it settles the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import Meter, in_words_of
from semrsm_widgets.matching import product_rounding, undecided
from semrsm_widgets.rsm import Kernel, MatchedGram, matched_gram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher

REFINED_AT_ONCE = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchResult:
    """The nearest images of Q queries.

    Attributes:
        indices: (Q, k) int64, positions in the database, nearest first.
        values: (Q, k) float64, their similarities.
        upper: (Q, k) float64, certified upper bounds of the similarities; inf where the matcher gives none.
        certified: (Q,) bool: whether it is proven that no other image belongs among the k. It fails only where images
            are nearer to each other than the matcher's gap, or where the matcher gives no certificate.
        pairs: how many pairs there were.
        refined: how many of them were solved to the end.
        matched: how many were matched at all; the others were out by what a store keeps of each image.
        images_read: how many images' tokens were read.
    """

    indices: NDArray[np.int64]
    values: NDArray[np.float64]
    upper: NDArray[np.float64]
    certified: NDArray[np.bool_]
    pairs: int
    refined: int
    matched: int
    images_read: int

    def __repr__(self) -> str:
        queries, k = self.indices.shape
        proven = f"{int(self.certified.sum())} of {queries} certified"
        looked = f", {self.matched} matched" if self.matched < self.pairs else ""
        refined = f"{self.refined} of {self.pairs} pairs refined{looked}"
        return f"SearchResult({k} nearest of {queries} queries, {proven}; {refined})"


@dataclass(eq=False, kw_only=True)
class Candidates:
    """The images that may still be among the k nearest of each query."""

    queries: torch.Tensor
    k: int
    kernel: Kernel
    held: dict[int, torch.Tensor] = field(default_factory=dict)
    matched: int = 0
    images_read: int = 0
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
        """Look at more images for all queries, and forget those that are out."""
        self.images_read += len(tokens)
        self.match(np.arange(len(self.queries)), tokens, positions, coarse)
        self.hold(tokens, positions)

    def match(
        self,
        chosen: NDArray[np.int64],
        tokens: torch.Tensor,
        positions: NDArray[np.int64],
        coarse: Matcher,
        known: NDArray[np.float64] | None = None,
    ) -> None:
        """Match more images coarsely with some queries; `known` are upper bounds of the similarities."""
        with in_words_of({"`x`": "`query`", "`y`": "`database`"}):
            gram = matched_gram(self.queries[torch.from_numpy(chosen)], tokens, matcher=coarse)
        size, channels = self.queries.shape[1:]
        low, high = interval(gram, self.kernel, product_rounding(coarse, channels, max(size, tokens.shape[1])))
        if known is not None:
            high = np.maximum(low, np.minimum(high, known))
        self.matched += low.size
        for row, q in enumerate(chosen.tolist()):
            index = np.concatenate([self.index[q], positions])
            lows, highs = np.concatenate([self.low[q], low[row]]), np.concatenate([self.high[q], high[row]])
            stay = undecided(lows, highs, self.k)
            self.index[q], self.low[q], self.high[q] = index[stay], lows[stay], highs[stay]

    def least(self) -> NDArray[np.float64]:
        """Return (Q,) which similarity an image must reach to be among the k nearest; -inf while fewer are known."""
        known = [np.partition(low, -self.k)[-self.k] if len(low) >= self.k else -np.inf for low in self.low]
        return np.array(known)

    def hold(self, tokens: torch.Tensor, positions: NDArray[np.int64]) -> None:
        """Keep the tokens of those images that may still be among the nearest, and forget those of others."""
        needed = set(np.concatenate(self.index).tolist())
        self.held = {i: one for i, one in self.held.items() if i in needed}
        for row, i in enumerate(positions.tolist()):
            if i in needed:
                self.held[i] = tokens[row].clone()  # a view would keep the whole block

    def refined(self, matcher: Matcher, pairs: int) -> SearchResult:
        """Return the k nearest of every query, solved to the end, of so many pairs."""
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
            pairs=pairs,
            refined=sum(each[4] for each in found),
            matched=self.matched,
            images_read=self.images_read,
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
            high[some] = np.minimum(high[some], upper_of(gram, self.kernel)[0])
        best = np.lexsort((index[: len(values)], -values))[: self.k]
        others = np.delete(high, best)
        certified = bool(len(others) == 0 or others.max() <= values[best[-1]])
        return index[best], values[best], np.maximum(high[best], values[best]), certified, len(values)


def interval(gram: MatchedGram, kernel: Kernel, rounding: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the certified intervals of the similarities, widened by the rounding of the products."""
    slack = rounding * gram.norms
    low, high = replace(gram, products=gram.products - slack), replace(gram, upper_bound=gram.upper_bound + slack)
    return kernel(low), upper_of(high, kernel)


def upper_of(gram: MatchedGram, kernel: Kernel) -> NDArray[np.float64]:
    """Return the upper bounds of the similarities; inf without a certificate, whatever the kernel makes of that."""
    return np.where(np.isfinite(gram.upper_bound), kernel(gram.at_upper_bound()), np.inf)
