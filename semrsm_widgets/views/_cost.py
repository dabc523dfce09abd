"""What a computation would cost, and getting the matcher compiled: what views must know before they start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semrsm_widgets.matching import Auction, engine, warm_up
from semrsm_widgets.rsm import estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.views._worker import Job


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Pairs to match, peak memory in bytes and time in seconds on this machine."""

    pairs: int
    memory: int
    seconds: float


def matching_cost(analysis: Analysis, layers: Iterable[str]) -> Cost:
    """Return what matching the given layers will cost, from a short sample of each."""
    parts = [estimate(analysis.tokens[layer], analysis.matcher) for layer in layers]
    return Cost(
        pairs=sum(part.pairs for part in parts),
        memory=max((part.memory for part in parts), default=0),
        seconds=sum(part.seconds for part in parts),
    )


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
