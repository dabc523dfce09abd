"""Certificates against SciPy in float64: many pairs of real and adversarial kinds, by every door, on 1 and 2 threads.

    python benchmarks/certificates.py [--pairs 100000] [--seed 0] [--lists] [--large 0] [--channels]

For each pair of token sets SciPy's optimum of their float64 affinity is compared with the answer. A certificate is
violated where the optimum lies above the upper bound, where the value is further from it than the gap, or where value
and bound are further apart than the gap. The optimum itself is a float64 sum: it is allowed what that rounds.

With `--large`, so many pairs of 700 to 784 tokens of photographs come first; each takes SciPy a tenth of a second.
With `--channels` tokens have from 1 to 300,000 channels, in half, single and double precision, each kind with each
number of channels and each gap; the pairs are then a few for each of these.

Printed are the pairs of each kind, the violations, and the worst of three margins in units of ‖X‖‖Y‖: how far the bound
lies above the optimum at least, and the largest errors, true and certified, as parts of the gap.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _features import LAYERS, features, machine
from scipy.optimize import linear_sum_assignment

import semrsm_widgets as srsm
from semrsm_widgets.matching import auction, own_products
from semrsm_widgets.matching import threads as pool_threads

BATCH = 64
"""Images of a side: their pairs, all with all or each with its partner, are matched in one call."""
GAPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)

CHANNELS = (1, 2, 3, 7, 31, 64, 257, 320, 768, 1601, 2048, 5000, 50_000, 148_000, 300_000)
PRECISIONS = (np.float16, np.float32, np.float64)
FINEST_GAP = 1e-7

Rng = np.random.Generator
Tokens = np.ndarray


@dataclass
class Tally:
    """What was seen of one kind."""

    pairs: int = 0
    violated: int = 0
    least_above: float = np.inf
    true_error: float = 0.0
    certified: float = 0.0


def shape(rng: Rng) -> tuple[int, int, int]:
    """Return S, T and D: small ones are as likely as they are quick."""
    size = int(rng.choice([1, 2, 3, 5, 8, 16, 17, 31, 33, 49]))
    other = size if rng.random() < 0.6 else int(rng.choice([1, 2, 4, 9, 15, 32, 49]))
    return size, other, int(rng.choice([1, 2, 7, 16, 31, 64, 257, 320, 800]))


def normal(rng: Rng, count: int, size: int, depth: int) -> Tokens:
    return rng.normal(size=(count, size, depth))


def one_hot(places: np.ndarray, depth: int) -> Tokens:
    tokens = np.zeros((*places.shape, depth))
    np.put_along_axis(tokens, places[..., None], 1.0, -1)
    return tokens


KINDS: dict[str, Callable[[Rng, int, int, int], Tokens]] = {
    "normal": normal,
    "relu": lambda *a: np.maximum(normal(*a), 0),
    "mostly zero": lambda rng, *a: normal(rng, *a) * (rng.random((*a[:2], 1)) < 0.1),
    "duplicates": lambda rng, n, s, d: normal(rng, n, max(1, s // 4), d)[:, rng.integers(max(1, s // 4), size=s)],
    "constant": lambda rng, n, s, d: np.full((n, s, d), 0.1),
    "stagnant": lambda rng, n, s, d: np.full(
        (n, s, d), np.sqrt(1 + (2.0**-1 - 2.0**-12) * 2.0 ** (rng.integers(1, 12) - 23.0))
    ),
    "one sign": lambda rng, *a: 1 + rng.random(a) * 1e-3,
    "rank one": lambda rng, n, s, d: rng.normal(size=(n, s, 1)) * rng.normal(size=(1, 1, d)),
    "integers": lambda rng, *a: rng.integers(-3, 4, size=a).astype(float),
    "one-hot": lambda rng, n, s, d: one_hot(rng.integers(d, size=(n, s)), d),
    "scales of tokens": lambda rng, *a: normal(rng, *a) * 10.0 ** rng.uniform(-3, 3, size=(*a[:2], 1)),
    "scales of images": lambda rng, *a: normal(rng, *a) * 10.0 ** rng.uniform(-15, 15, size=(a[0], 1, 1)),
    "one giant token": lambda rng, *a: normal(rng, *a) * np.where(np.arange(a[1]) == 0, 1e4, 1)[:, None],
    "smooth": lambda rng, n, s, d: (
        np.cos(np.linspace(0, 3, s)[:, None] * np.arange(1, d + 1)) + 0.01 * normal(rng, n, s, d)
    ),
    "half precision": lambda *a: normal(*a).astype(np.float16),
}


def real(rng: Rng, least: int = 8, most: int = 49) -> tuple[Tokens, Tokens]:
    """Return tokens of photographs, `least` to `most` of each image's, with all channels."""
    values = features([LAYERS[most]])[LAYERS[most]].numpy()
    some = [np.sort(rng.choice(most, int(rng.integers(least, most + 1)), replace=False)) for _ in range(2)]
    images = rng.permutation(len(values))
    left = values[images[: len(images) // 2]][:, some[0]]
    right = values[images][:, some[1]]
    return np.resize(left, (BATCH, *left.shape[1:])), np.resize(right, (BATCH, *right.shape[1:]))


def batches(seed: int, large: int) -> Iterator[tuple[str, Tokens, Tokens, float]]:
    """Yield (kind, x, y, gap) without an end, one kind after another, after `large` pairs of many tokens."""
    rng = np.random.default_rng(seed)
    for turn in range(-(-large // BATCH)):
        yield "real, 700 to 784", *real(rng, 700, 784), GAPS[turn % len(GAPS)]
    while True:
        for kind, make in {"real": None, **KINDS}.items():
            if make is None:
                x, y = real(rng)
            else:
                size, other, depth = shape(rng)
                x, y = make(rng, BATCH, size, depth), make(rng, BATCH, other, depth)
            if x.dtype != np.float16:
                x, y = (side.astype(np.float32) for side in (x, y))
            yield kind, x, y, float(rng.choice(GAPS))


def real_numbers(count: int, size: int, depth: int, rng: Rng) -> Tokens:
    """Return tokens whose numbers are those of photographs' features, one after another."""
    values = features([LAYERS[49]])[LAYERS[49]].numpy().ravel()
    return np.resize(values[int(rng.integers(len(values))) :], (count, size, depth))


def wide_batches(seed: int) -> Iterator[tuple[str, Tokens, Tokens, float]]:
    """Yield (kind, x, y, gap) for every kind, number of channels, precision and gap; then none."""
    rng = np.random.default_rng(seed)
    for depth in CHANNELS:
        for kind, make in {"real": None, **KINDS}.items():
            count, most = (8, 12) if depth < 2000 else (4, 6) if depth < 10_000 else (2, 3)
            sizes = [int(rng.integers(1, most + 1)) for _ in range(2)]
            x, y = (
                real_numbers(count, size, depth, rng) if make is None else make(rng, count, size, depth)
                for size in sizes
            )
            for precision in PRECISIONS:
                most_held = float(np.finfo(precision).max) / 2
                left, right = (
                    np.clip(side.astype(np.float64), -most_held, most_held).astype(precision) for side in (x, y)
                )
                for gap in (*GAPS, FINEST_GAP):
                    yield f"{kind}, {np.dtype(precision).name}", left, right, gap


def answers(
    x: Tokens, y: Tokens, gap: float, threads: int, direct: bool
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Return values, bounds and which pairs they are of: each with its partner, or some images with some."""
    matcher = srsm.Auction(gap=gap, threads=threads)
    if direct:
        found = matcher(x, y)
        return found.value, found.upper_bound, [(k, k) for k in range(len(x))]
    rows, columns = min(8, len(x)), min(8, len(y))
    gram = srsm.matched_gram(x[:rows], y[:columns], matcher=matcher)
    pairs = [(i, j) for i in range(rows) for j in range(columns)]
    return gram.products.ravel(), gram.upper_bound.ravel(), pairs


def check(
    tally: Tally, x: Tokens, y: Tokens, gap: float, found: tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]
) -> None:
    """Compare answers with SciPy's optimum."""
    x, y = (side.astype(np.float64) for side in (x, y))
    for value, bound, (i, j) in zip(*found, strict=True):
        affinity = x[i] @ y[j].T
        rows, columns = linear_sum_assignment(affinity, maximize=True)
        best = affinity[rows, columns].sum()
        norm = float(np.sqrt(np.square(x[i]).sum()) * np.sqrt(np.square(y[j]).sum()))
        slack = (x.shape[2] + len(rows)) * 2.0**-53 * norm
        tally.pairs += 1
        if not (
            best <= bound + slack and abs(value - best) <= gap * norm + slack and bound - value <= gap * norm + slack
        ):
            tally.violated += 1
        if norm > 0:
            tally.least_above = min(tally.least_above, (bound - best) / norm)
            tally.true_error = max(tally.true_error, abs(value - best) / norm / gap)
            tally.certified = max(tally.certified, (bound - value) / norm / gap)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--channels", action="store_true", help="1 to 300,000 channels, in three precisions")
    parser.add_argument("--lists", action="store_true", help="rows keep candidate lists, as they do from 700 tokens on")
    parser.add_argument("--large", type=int, default=0, help="pairs of 700 to 784 tokens, before all others")
    given = parser.parse_args()
    if given.lists:
        auction.LISTS_FROM = 1
    warnings.filterwarnings("ignore", ".*all zero")
    own_products.BRIEF = pool_threads.BRIEF = 0.0  # small sets, too, are shared by the threads here
    started = time.perf_counter()
    tallies: dict[tuple[str, int], Tally] = {}
    done = {1: 0, 2: 0}
    several = 0 if given.channels else -(-given.large // BATCH)
    kinds = len(GAPS) + 1 if given.channels else len(KINDS) + 1
    made = wide_batches(given.seed) if given.channels else batches(given.seed, given.large)
    for turn, (kind, x, y, gap) in enumerate(made):
        each = turn if turn < several else (turn - several) // kinds  # every kind by every door
        threads, direct = 1 + each % 2, each % 4 < 2
        tally = tallies.setdefault((kind, threads), Tally())
        before = tally.pairs
        check(tally, x, y, gap, answers(x, y, gap, threads, direct))
        done[threads] += tally.pairs - before
        if sum(done.values()) >= given.pairs and not given.channels:
            break
    print(
        f"{'kind':28}{'threads':>8}{'pairs':>9}{'violated':>10}"
        f"{'bound - optimum':>18}{'true/gap':>10}{'certified/gap':>15}"
    )
    for (kind, threads), tally in sorted(tallies.items()):
        print(
            f"{kind:28}{threads:8}{tally.pairs:9}{tally.violated:10}{tally.least_above:18.1e}"
            f"{tally.true_error:10.3f}{tally.certified:15.3f}"
        )
    violated = sum(tally.violated for tally in tallies.values())
    print(
        f"\n{sum(done.values())} pairs ({done[1]} on one thread, {done[2]} on two), {violated} violated, "
        f"{time.perf_counter() - started:.0f} s\n{json.dumps(machine())}"
    )
    return int(violated > 0)


if __name__ == "__main__":
    sys.exit(main())
