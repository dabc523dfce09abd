"""What matching will cost on this machine, from a short sample."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np

from semrsm_widgets.common import LONG, Meter, check_int, describe_seconds, interruptibly
from semrsm_widgets.matching import (
    AffinityMatcher,
    Auction,
    Matcher,
    PairJob,
    TokenSet,
    block_shape,
    check_matcher,
    match_job,
)

POOLED_GRID = 16
"""Patches a side to which larger grids are pooled where that is quick, as `explore` does."""
_MOST_SECONDS_PER_ENTRY = 20e-9
"""Of an affinity: five times what the auction takes on two cores."""
_MOST_SECONDS_OF_OTHERS = 2e-6
_BYTES_WHILE_MATCHING, _BYTES_AT_THE_END = 24, 72
"""For each entry of a Gram: products and bounds; with the pooled products, and what is mirrored of each."""
SAMPLE_SECONDS = 0.4
SAMPLE_TOKENS = 256
"""How long `estimate` measures, and below how many tokens a sample's time says little about a larger one's."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What matching a set of images with itself will cost on this machine.

    Attributes:
        pairs: pairs of images to match.
        memory: bytes held besides the tokens; above the budget, `matched_gram` refuses.
        seconds: time for all pairs, extrapolated from a short sample, compilation excluded.
    """

    pairs: int
    memory: int
    seconds: float


def estimate(tokens: Any, matcher: Matcher | None = None, *, memory: int = 2**30) -> Estimate:
    """Return the pairs, memory and time that `matched_gram(tokens)` will take, from a sample of about half a second.

    What `extract` takes says `estimate_extraction`.

    Args:
        tokens: N images' tokens, as for `matched_gram`.
        matcher: None means `Auction()`.
        memory: the budget in bytes.

    Raises:
        TypeError: tokens that are not floating-point numbers.
        ValueError: a wrong shape, NaN or infinity.
    """
    matcher = Auction() if matcher is None else check_matcher(matcher)
    memory = check_int("memory", memory, minimum=1)
    left = TokenSet.read("tokens", tokens)
    job = PairJob(x=left, y=left, symmetric=True, memory=memory)
    need = min(2**26, memory // 2)
    if isinstance(matcher, AffinityMatcher):
        need = block_shape(matcher, job)[2]
    means = 8 * len(left) * left.values.shape[2]
    need = max(need + _BYTES_WHILE_MATCHING * len(left) ** 2, means + _BYTES_AT_THE_END * len(left) ** 2)
    return Estimate(pairs=job.pairs, memory=need, seconds=_sampled_seconds(matcher, left) * job.pairs)


def announce(meter: Meter, matcher: Matcher, x: Any, y: Any = None) -> None:
    """Tell a meter how long matching x with y (or with itself) will take, where that is long and somebody sees it.

    Only then a sample is taken, which lasts about half a second.
    """
    if not meter.wants_estimate or not isinstance(matcher, AffinityMatcher):
        return
    n, size = _shape(x)
    m, other = (n, size) if y is None else _shape(y)
    pairs = n * (n - 1) // 2 if y is None else n * m
    rate = _MOST_SECONDS_PER_ENTRY if isinstance(matcher, Auction) else _MOST_SECONDS_OF_OTHERS
    if pairs * size * other * rate < LONG:
        return
    make_ready(matcher, max(size, other))
    sample = x if y is None or n >= m else y
    tokens = sample if isinstance(sample, TokenSet) else TokenSet.read("tokens", sample)
    seconds = _sampled_seconds(matcher, tokens) * pairs * min(size, other) / tokens.size
    words = f"{pairs:,} pairs of {max(size, other):,} tokens: about {describe_seconds(seconds)}"
    pooled = POOLED_GRID**2
    if min(size, other) >= 2 * pooled:
        less = _time_per_pair(matcher, tokens, min(6, len(tokens)), tokens.size // pooled) * pairs
        words += f"; max_grid={POOLED_GRID} takes {describe_seconds(max(1.0, less))}"
    meter.expect(seconds, words)


def make_ready(matcher: Matcher, tokens: int) -> None:
    """Compile a matcher that needs it for images of so many tokens; a meter says so.

    The compiler's callbacks would swallow Ctrl-C. After one it goes on, for the next call.
    """
    if not isinstance(matcher, Auction) or matcher.is_ready(tokens):
        return
    with Meter("Compiling the matcher (only the first time)"):
        interruptibly(lambda: matcher.prepare(tokens), "semrsm-compile")


def _shape(tokens: Any) -> tuple[int, int]:
    """Return N and S of tokens that were read already."""
    n, size, *_ = getattr(tokens, "values", tokens).shape
    return int(n), int(size)


def _sampled_seconds(matcher: Matcher, tokens: TokenSet) -> float:
    """Return seconds per pair: measured on a few images, with fewer tokens first where images have many."""
    if len(tokens) < 2:
        return 0.0
    _time_per_pair(matcher, tokens, 2, max(1, tokens.size // 4))  # compiles
    few = min(3, len(tokens)) if getattr(matcher, "workers", 1) > 1 else 2  # three pairs keep more than one thread busy
    strides = [2**k for k in range(8) if tokens.size // 2**k >= SAMPLE_TOKENS] or [1]
    measured: list[tuple[int, float]] = []
    for stride in reversed(strides):
        measured.append((stride, _time_per_pair(matcher, tokens, few, stride)))
        if measured[-1][1] > SAMPLE_SECONDS / 4:
            break
    stride, seconds = measured[-1]
    if stride > 1:
        slower = seconds / measured[-2][1] if len(measured) > 1 else 0.0
        return float(seconds * min(max(slower, 4.0), 8.0) ** log2(stride))  # between S² and S³
    for count in (6, 16):
        if count <= len(tokens) and seconds * count * (count - 1) / 2 < SAMPLE_SECONDS:
            seconds = _time_per_pair(matcher, tokens, count, 1)
    return seconds


def _time_per_pair(matcher: Matcher, tokens: TokenSet, count: int, stride: int) -> float:
    """Return the seconds per pair of matching `count` evenly spread images, taking every stride-th token."""
    images = np.linspace(0, len(tokens) - 1, count).astype(np.int64)
    some = TokenSet.read("tokens", tokens.values[images][:, ::stride])
    job = PairJob(x=some, y=some, symmetric=True, memory=2**40)
    best = float("inf")
    for _ in range(2):  # the first product of a shape prepares its kernels
        started = time.perf_counter()
        match_job(matcher, job)
        best = min(best, time.perf_counter() - started)
        if best > SAMPLE_SECONDS / 4:
            break
    return best / job.pairs
