"""How long the layers of an Analysis take: for the shares of a bar, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from semrsm_widgets.rsm import NULL_PAIRS
from semrsm_widgets.tokens import Tokens

KEPT_LAYERS = "The layers that are done are kept in the Analysis: the next call goes on from there."
"""What an interrupt leaves of a call that computes one layer after another."""
_SECONDS_PER_ENTRY = 4e-9  # of an affinity, roughly
_SECONDS_PER_LAYER = 0.02


class Matched(Protocol):
    """What the costs need to know of an Analysis."""

    @property
    def tokens(self) -> Mapping[str, Tokens]:
        """Layer name -> Tokens."""
        ...

    def __len__(self) -> int: ...

    def has(self, layer: str) -> bool:
        """Return whether the matched Gram of a layer is there already."""
        ...


def layer_costs(analysis: Matched, layers: Iterable[str]) -> list[float]:
    """Return roughly how many seconds each of some layers takes: for the shares of a bar, and nothing else."""
    pairs = NULL_PAIRS + len(analysis) * (len(analysis) - 1) // 2
    entries = [0 if analysis.has(name) else analysis.tokens[name].values.shape[1] ** 2 for name in layers]
    return [_SECONDS_PER_LAYER + _SECONDS_PER_ENTRY * pairs * each for each in entries]


def gram_share(analysis: Matched) -> float:
    """Return which share of the pairs of a layer are those of its Gram; the others are unrelated ones."""
    pairs = len(analysis) * (len(analysis) - 1) // 2
    return pairs / (pairs + NULL_PAIRS)
