"""What a computation would cost, and getting the matcher compiled: what views must know before they start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semrsm_widgets.matching import Auction, engine, warm_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.views._worker import Job


# Five times what the auction takes for an entry of an affinity on two cores: below this nothing is worth a sample.
_SECONDS_PER_ENTRY = 20e-9


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Pairs to match, peak memory in bytes and time in seconds on this machine."""

    pairs: int
    memory: int
    seconds: float


def long_cost(analysis: Analysis, layers: Sequence[str], patience: float) -> Cost | None:
    """Return what matching the given layers will cost if that is more than `patience` seconds, else None.

    Sampling every layer takes a while itself, so it is left out where even a slow machine would be done in time.
    """
    pairs = len(analysis) * (len(analysis) - 1) // 2
    entries = sum(pairs * analysis.tokens[layer].values.shape[1] ** 2 for layer in layers)
    if isinstance(analysis.matcher, Auction) and entries * _SECONDS_PER_ENTRY < patience:
        return None
    parts = [analysis.estimate(layer) for layer in layers]
    cost = Cost(
        pairs=sum(part.pairs for part in parts),
        memory=max((part.memory for part in parts), default=0),
        seconds=sum(part.seconds for part in parts),
    )
    return cost if cost.seconds > patience else None


def describe_cost(cost: Cost) -> str:
    """Return the cost in words."""
    memory = f"{cost.memory / 2**30:.1f} GB" if cost.memory >= 2**30 else f"{cost.memory / 2**20:.0f} MB"
    return f"{cost.pairs:,} pairs to match, up to {memory} of memory, about {describe_seconds(cost.seconds)}."


def describe_seconds(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def is_compiled(matcher: Any) -> bool:
    """Return whether a matcher can start at once; those without a kernel to compile always can."""
    return not isinstance(matcher, Auction) or engine().seconds is not None


def compile_matcher(matcher: Any, job: Job) -> None:
    """Compile a matcher that needs it, and say so: it takes seconds, once per machine."""
    if not is_compiled(matcher):
        job.step("Compiling the matcher (a few seconds, only the first time)")
        warm_up()
