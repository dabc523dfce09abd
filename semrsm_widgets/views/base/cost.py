"""What a computation would cost, and getting the matcher compiled: what views must know before they start."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import describe_seconds
from semrsm_widgets.matching import Auction
from semrsm_widgets.rsm import NULL_PAIRS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semrsm_widgets.analysis import Analysis

    from .worker import Job


# Five times what the auction takes for an entry of an affinity on two cores: below this nothing is worth a sample.
_SECONDS_PER_ENTRY = 20e-9


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Pairs to match, peak memory in bytes and time in seconds on this machine."""

    pairs: int
    memory: int
    seconds: float


def long_cost(analysis: Analysis, layers: Sequence[str], patience: float, *, null_alone: bool = False) -> Cost | None:
    """Return what the RSMs and nulls of some layers will cost if that is more than `patience` seconds, else None.

    Sampling every layer takes a while itself, so it is left out where even a slow machine would be done in time.

    Args:
        analysis: whose layers.
        layers: which of them are not there yet.
        patience: seconds.
        null_alone: count the pairs of the null only.
    """
    pairs = NULL_PAIRS + (0 if null_alone else len(analysis) * (len(analysis) - 1) // 2)
    entries = sum(pairs * analysis.tokens[layer].values.shape[1] ** 2 for layer in layers)
    if isinstance(analysis.matcher, Auction) and entries * _SECONDS_PER_ENTRY < patience:
        return None
    parts = []
    for layer in layers:
        # One that cannot be sampled cannot be matched either: it says why when its turn comes, and holds up no other.
        with contextlib.suppress(Exception):
            parts.append(analysis.estimate(layer))
    cost = Cost(
        pairs=pairs * len(parts),
        memory=max((part.memory for part in parts), default=0),
        seconds=sum(part.seconds * pairs / max(1, part.pairs) for part in parts),
    )
    return cost if cost.seconds > patience else None


def search_seconds(
    analysis: Analysis, layer: str, pairs: int, *, share: float = 1.0, patience: float = 0.0
) -> float | None:
    """Return the seconds that matching some pairs of a layer will take if they are more than `patience`, else None.

    Args:
        analysis: whose layer.
        layer: which.
        pairs: how many pairs of images.
        share: of the tokens that are matched on one side.
        patience: seconds.
    """
    entries = pairs * share * analysis.tokens[layer].values.shape[1] ** 2
    if isinstance(analysis.matcher, Auction) and entries * _SECONDS_PER_ENTRY < patience:
        return None
    sample = analysis.estimate(layer)
    seconds = share * sample.seconds * pairs / max(1, sample.pairs)
    return seconds if seconds > patience else None


def describe_cost(cost: Cost) -> str:
    """Return the cost in words."""
    memory = f"{cost.memory / 2**30:.1f} GB" if cost.memory >= 2**30 else f"{cost.memory / 2**20:.0f} MB"
    return f"{cost.pairs:,} pairs to match, up to {memory} of memory, about {describe_seconds(cost.seconds)}."


def is_ready(matcher: Any, tokens: int) -> bool:
    """Return whether a matcher can start at once on images of so many tokens; only the auction must be compiled."""
    return not isinstance(matcher, Auction) or matcher.is_ready(tokens)


def make_ready(matcher: Any, tokens: int, job: Job) -> None:
    """Compile a matcher that needs it, and say so: it takes seconds, once per machine."""
    if not is_ready(matcher, tokens):
        job.step("Compiling the matcher (a few seconds, only the first time)")
        matcher.prepare(tokens)


# Longer jobs show what they will cost and wait for Start.
PATIENCE_SECONDS = 30.0
