"""Whole semantic RSMs on real features: against a plain SciPy loop, against their products alone, threads and memory.

    python benchmarks/rsm.py [--sizes 49 196 784 3136] [--passes 3] [--without-memory]

32 images (four crops of each of the eight photographs), default matcher, one thread, CPU time, median of the passes,
which interleave what is compared. The SciPy loop multiplies and matches one pair after another; at large S it gets some
of the pairs and its time is extrapolated, which is said. "Products" are the affinities of all pairs in the fastest of
several forms. Two threads are compared with one by wall time, next to a control (hashing, which shares nothing) that
shows whether two cores were free. Peak memory is that of a process of its own. Results go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: one thread on either side

import numpy as np
import torch
from _features import LAYERS, features, machine
from _products import product_forms, seconds
from scipy.optimize import linear_sum_assignment

import semrsm_widgets as srsm
from semrsm_widgets.matching.affinities import Affinities
from semrsm_widgets.matching.threads import Pool

CORES = os.cpu_count() or 1
RESULTS = Path(__file__).parent / "results"
SCIPY_PAIRS = {49: 496, 196: 124, 784: 12, 3136: 1}
BARS = {49: (5, 2.5), 196: (8, 3), 784: (30, 4), 3136: (0, 7)}
"""At least this many times SciPy, at most this many times the products."""


def scipy_loop(x: np.ndarray, count: int) -> float:
    """Return CPU seconds of `count` evenly spread pairs, one after another, scaled to all of them."""
    i, j = np.triu_indices(len(x), 1)
    some = np.unique(np.linspace(0, len(i) - 1, count).astype(int))

    def run() -> None:
        for a, b in zip(i[some], j[some], strict=True):
            affinity = x[a] @ x[b].T
            rows, columns = linear_sum_assignment(affinity, maximize=True)
            affinity[rows, columns].sum()

    return seconds(run) * len(i) / len(some)


def measure(size: int, passes: int) -> dict[str, Any]:
    """Return the row of one size: one thread, CPU time."""
    values = features([LAYERS[size]])[LAYERS[size]]
    pairs = len(values) * (len(values) - 1) // 2
    matcher = srsm.Auction(threads=1)
    forms = product_forms(values)
    ours, usual, scipy, products = [], [], [], {name: [] for name in forms}
    srsm.matched_gram(values[:2], matcher=matcher)  # compiles
    for form in forms.values():
        form()
    for round_ in range(passes if size < 3136 else 1):
        for name, form in forms.items():
            products[name] += [form(), form()]
        ours.append(seconds(lambda: srsm.cosine(srsm.matched_gram(values, matcher=matcher))))
        usual.append(default_seconds(values))
        if round_ == 0 or size < 784:
            scipy.append(scipy_loop(values.numpy(), SCIPY_PAIRS[size]))
    medians = {name: float(np.median(each)) for name, each in products.items()}
    fastest = min(medians, key=lambda name: medians[name])
    rsm, loop = float(np.median(ours)), float(np.median(scipy))
    return {
        "size": size,
        "layer": LAYERS[size],
        "pairs": pairs,
        "scipy_pairs": SCIPY_PAIRS[size],
        "rsm_seconds": rsm,
        "rsm_seconds_all": ours,
        "default_seconds": float(np.median(usual)),
        "scipy_seconds": loop,
        "default_times_scipy": loop / float(np.median(usual)),
        "times_scipy": loop / rsm,
        "product_form": fastest,
        "product_seconds": medians[fastest] * pairs,
        "product_forms_ms": {name: 1e3 * value for name, value in medians.items()},
        "times_products": rsm / (medians[fastest] * pairs),
    }


def default_seconds(values: torch.Tensor) -> float:
    """Return the wall time of a semantic RSM as a user gets it: with all cores."""
    torch.set_num_threads(CORES)
    try:
        srsm.matched_gram(values[:2])  # torch's threads start
        return seconds(lambda: srsm.semantic_rsm(values), time.perf_counter)
    finally:
        torch.set_num_threads(1)


def throughput(size: int, passes: int) -> dict[str, float]:
    """Return how much two threads do in the time of one: pairs alone, whole RSMs, and a control that shares nothing."""
    images = srsm.demo_images(crops=8 if size < 784 else 4)
    values = srsm.extract(srsm.load_model(), images, layers=[LAYERS[size]])[LAYERS[size]].values.float()
    i, j = np.triu_indices(len(values), 1)
    some = np.linspace(0, len(i) - 1, 2000 if size < 784 else 60).astype(int)
    x, y = values[i[some]], values[j[some]]
    norms = (x.double().flatten(1).norm(dim=1) * y.double().flatten(1).norm(dim=1)).numpy()
    given = Affinities.read(torch.bmm(x, y.mT).numpy())
    data = bytes(2**25)

    def alone(threads: int) -> None:
        torch.set_num_threads(1)  # no product is made, so none of torch's threads is left spinning
        with Pool(threads) as pool:
            srsm.Auction(threads=threads).solve_pairs(given, norms, pool)

    def whole(threads: int) -> None:
        torch.set_num_threads(threads)
        srsm.matched_gram(values, matcher=srsm.Auction(threads=threads))

    def control(threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: hashlib.sha256(data).digest(), range(4)))

    works = {"pairs": alone, "rsm": whole, "control": control}
    wall: dict[tuple[str, int], list[float]] = {}
    cpu: dict[tuple[str, int], list[float]] = {}
    for _ in range(passes):
        for threads in (1, 2):
            for name, work in works.items():
                started = time.process_time()
                each = seconds(lambda work=work, threads=threads: work(threads), time.perf_counter)
                wall.setdefault((name, threads), []).append(each)
                cpu.setdefault((name, threads), []).append(time.process_time() - started)
    torch.set_num_threads(1)
    ratio = {name: float(np.median(wall[name, 1]) / np.median(wall[name, 2])) for name in works}
    spent = {f"{name}_cpu": float(np.median(cpu[name, 2]) / np.median(cpu[name, 1])) for name in ("pairs", "rsm")}
    return {"size": size, **ratio, **spent}


def peak(path: str, memory: int) -> None:
    """Print what `matched_gram` adds to the resident memory of this process, for the tokens in a file."""
    torch.set_num_threads(2)
    tokens = torch.from_numpy(np.load(path))
    matcher = srsm.Auction(gap=0.01)
    srsm.matched_gram(tokens[:2, :800], matcher=matcher)  # compiles
    before = resident_peak()
    srsm.matched_gram(tokens, matcher=matcher, memory=memory)
    print(resident_peak() - before)


def resident_peak() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    try:  # getrusage would count what the process that started this one had taken
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory_rows(budgets: list[int]) -> list[dict[str, int]]:
    """Return, for 64 images of 3136 tokens, what each budget allowed and what was taken, in bytes."""
    layer = LAYERS[3136]
    tokens = srsm.extract(srsm.load_model(), srsm.demo_images(crops=8), layers=[layer])[layer].values.float().numpy()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tokens.npy")
        np.save(path, tokens)
        for budget in budgets:
            command = [sys.executable, __file__, "--peak", path, str(budget)]
            taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
            rows.append({"images": len(tokens), "budget": budget, "tokens": tokens.nbytes, "taken": taken})
    return rows


def show(row: dict[str, Any]) -> None:
    """Print the row of one size."""
    scipy, products = BARS[row["size"]]
    asked = f"(asked: at least {scipy})" if scipy else ""
    print(f"\nS = {row['size']} ({row['layer']}), {row['pairs']} pairs, one thread")
    print(f"  semantic RSM     {row['rsm_seconds']:8.3f} s")
    some = f", extrapolated from {row['scipy_pairs']} pairs" if row["scipy_pairs"] < row["pairs"] else ""
    print(f"  SciPy loop       {row['scipy_seconds']:8.3f} s{some}: {row['times_scipy']:.1f} times ours {asked}")
    print(
        f"  as it comes      {row['default_seconds']:8.3f} s of wall time on {CORES} cores: "
        f"SciPy takes {row['default_times_scipy']:.1f} times that"
    )
    print(
        f"  products alone   {row['product_seconds']:8.3f} s ({row['product_form']}): "
        f"ours is {row['times_products']:.2f} times that (asked: at most {products})"
    )


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description="Whole semantic RSMs on real features.")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(BARS), choices=list(BARS))
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--without-memory", action="store_true", help="leave out the peak memory (a minute)")
    parser.add_argument("--peak", nargs=2, metavar=("TOKENS", "BYTES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(options.peak[0], int(options.peak[1]))
        return
    torch.set_num_threads(1)
    results: dict[str, Any] = {"machine": machine(), "sizes": [], "threads": [], "memory": []}
    for size in options.sizes:
        results["sizes"].append(measure(size, options.passes))
        show(results["sizes"][-1])
    print("\nTwo threads against one (wall time; the control is hashing), and CPU time of two over one")
    for size in (size for size in options.sizes if size <= 784):
        row = throughput(size, options.passes)
        results["threads"].append(row)
        print(
            f"  S = {size}: pairs x {row['pairs']:.2f} (CPU x {row['pairs_cpu']:.2f}), "
            f"whole RSMs x {row['rsm']:.2f} (CPU x {row['rsm_cpu']:.2f}), control x {row['control']:.2f}"
        )
    if not options.without_memory:
        results["memory"] = memory_rows([2**30, 2**28])
        print("\nPeak memory of matched_gram, 64 images of 3136 tokens")
        for row in results["memory"]:
            mib = {name: value / 2**20 for name, value in row.items()}
            print(f"  budget {mib['budget']:.0f} MiB: {mib['taken']:.0f} MiB taken, tokens {mib['tokens']:.0f} MiB")
    print("\n" + ", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "rsm.json").write_text(json.dumps(results, indent=1))
    print(f"written: {RESULTS / 'rsm.json'}")


if __name__ == "__main__":
    main()
