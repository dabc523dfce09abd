"""Matching, pair by pair, on real features: time, quality and certificates of every solver, in one run on one thread.

    python benchmarks/matching.py [--sizes 49 196 784 3136] [--pairs 120 120 12 2] [--passes 3]

Distinct pairs stream through every solver: one pair in a loop would let the branch predictor learn the path of SciPy
and lapx. Passes interleave the solvers; the median pass counts, and ratios are of CPU time within the run. Products
are excluded ("alone") or added in the fastest form found ("with product"). Results go to benchmarks/results/: JSON and
a plot of quality against time. lapx is a peer that only this benchmark needs: pip install lapx.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: one thread for every solver

import numpy as np
import torch
from _features import LAYERS, features, machine
from _products import product_forms
from scipy.optimize import linear_sum_assignment

from semrsm_widgets.matching.affinities import Affinities
from semrsm_widgets.matching.approximate import BatchOptimal, Greedy, TopKGreedy
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.solvers.engine import warm_up
from semrsm_widgets.matching.threads import Pool

try:
    import lap
except ImportError:
    lap = None

RESULTS = Path(__file__).parent / "results"
PAIRS = {49: 120, 196: 120, 784: 12, 3136: 2}
SLOW = 3136  # solvers of seconds a pair run once here

Solver = Callable[[], tuple[np.ndarray, np.ndarray]]


def instances(size: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return distinct pairs of images' tokens, evenly spread over all pairs i < j."""
    values = features([LAYERS[size]])[LAYERS[size]]
    i, j = np.triu_indices(len(values), 1)
    some = np.unique(np.linspace(0, len(i) - 1, count).astype(int))
    return values[i[some]].contiguous(), values[j[some]].contiguous()


def solvers(x: torch.Tensor, y: torch.Tensor, size: int) -> dict[str, Solver]:
    """Return each solver as a function without arguments that gives (values, upper bounds) of all pairs."""
    affinity = torch.bmm(x, y.mT)
    wide = affinity.double().numpy()
    cost = np.ascontiguousarray(-wide)
    norms = (x.double().flatten(1).norm(dim=1) * y.double().flatten(1).norm(dim=1)).numpy()
    given = Affinities.read(affinity.numpy())
    none = np.full(len(x), np.inf)

    def auction(gap: float) -> Solver:
        def run() -> tuple[np.ndarray, np.ndarray]:
            with Pool(1) as pool:
                answer = Auction(gap=gap, threads=1).solve_pairs(given, norms, pool)
            return answer.value, answer.upper_bound

        return run

    def scipy() -> tuple[np.ndarray, np.ndarray]:
        values = np.zeros(len(wide))
        for k, matrix in enumerate(wide):
            rows, columns = linear_sum_assignment(matrix, maximize=True)
            values[k] = matrix[rows, columns].sum()
        return values, values

    def lapx() -> tuple[np.ndarray, np.ndarray]:
        _, rows, columns = lap.lapjvr_batch(cost, n_threads=1, return_cost=True)
        values = np.array([m[r, c].sum() for m, r, c in zip(wide, rows, columns, strict=True)])
        return values, values

    def tokens(matcher: Any) -> Solver:
        return lambda: (matcher(x, y).value, none)

    found: dict[str, Solver] = {f"Auction(gap={gap:g})": auction(gap) for gap in (1e-2, 1e-3, 1e-4, 1e-5)}
    found["SciPy"] = scipy
    if lap is not None:
        found["lapx lapjvr_batch"] = lapx
    windows = [w for w in (32, 128, 512) if w < size]
    for matcher in [*map(BatchOptimal, windows), *([Greedy(), TopKGreedy(size // 8)] if size < SLOW else [])]:
        found[repr(matcher)] = tokens(matcher)
    return found


def product_seconds(size: int, passes: int) -> float:
    """Return CPU seconds per pair of the products, on one thread, in the fastest form found."""
    forms = product_forms(features([LAYERS[size]])[LAYERS[size]])
    for form in forms.values():
        form()
    return min(float(np.median([form() for _ in range(passes)])) for form in forms.values())


def measure(size: int, count: int, passes: int) -> dict[str, Any]:
    """Return the table of one size."""
    x, y = instances(size, count)
    norms = (x.double().flatten(1).norm(dim=1) * y.double().flatten(1).norm(dim=1)).numpy()
    seconds: dict[str, list[float]] = {}
    answers: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    streams = solvers(x, y, size)
    for round_ in range(passes):
        for name, run in streams.items():
            if size >= SLOW and round_ and not name.startswith("Auction"):
                continue
            started = time.process_time()
            answers[name] = run()
            seconds.setdefault(name, []).append((time.process_time() - started) / len(x))
    product = product_seconds(size, passes)
    best = answers["SciPy"][0]
    rows = {}
    for name, (value, bound) in answers.items():
        alone = float(np.median(seconds[name]))
        error = (best - value) / norms
        rows[name] = {
            "ms": 1e3 * alone,
            "ms_with_product": 1e3 * (alone + (0 if name.startswith("BatchOptimal") else product)),
            "ratio_to_optimum": float(np.mean(value / best)),
            "certified_error": float(np.max((bound - value) / norms)),
            "true_error_mean": float(np.mean(error)),
            "true_error_max": float(np.max(error)),
        }
    for row in rows.values():
        for peer in ("SciPy", "lapx lapjvr_batch"):
            if peer in rows:
                row[f"times_{peer.split()[0]}"] = rows[peer]["ms"] / row["ms"]
                row[f"times_{peer.split()[0]}_with_product"] = rows[peer]["ms_with_product"] / row["ms_with_product"]
    return {"size": size, "layer": LAYERS[size], "pairs": len(x), "product_ms": 1e3 * product, "solvers": rows}


def show(table: dict[str, Any]) -> None:
    """Print the table of one size."""
    print(f"\nS = {table['size']} ({table['layer']}), {table['pairs']} pairs, product {table['product_ms']:.4g} ms")
    print(f"{'':24}{'ms':>10}{'+product':>10}{'ratio':>9}{'certified':>11}{'true max':>10}{'xSciPy':>8}{'xlapx':>8}")
    for name, row in table["solvers"].items():
        print(
            f"{name:24}{row['ms']:10.4g}{row['ms_with_product']:10.4g}{row['ratio_to_optimum']:9.5f}"
            f"{row['certified_error']:11.1e}{row['true_error_max']:10.1e}"
            f"{row['times_SciPy']:8.1f}{row.get('times_lapx', math.nan):8.1f}"
        )


def plot(tables: list[dict[str, Any]], path: Path) -> None:
    """Write quality (ratio to the optimum) against time per pair, one panel for each size, as SVG."""
    width, height, left, top = 300, 240, 48, 28
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(tables)}" height="{height + 40}" '
        'font-family="sans-serif" font-size="10">'
    ]
    for number, table in enumerate(tables):
        rows = table["solvers"]
        times = [math.log10(row["ms"]) for row in rows.values()]
        low, high = math.floor(min(times)), math.ceil(max(times))
        x0, wide, tall = number * width + left, width - left - 20, height - top - 30
        parts.append(f'<text x="{x0}" y="14">S = {table["size"]}: ratio to the optimum against ms per pair</text>')
        parts.append(f'<rect x="{x0}" y="{top}" width="{wide}" height="{tall}" fill="none" stroke="#888"/>')
        for tick in range(low, high + 1):
            x = x0 + wide * (tick - low) / (high - low)
            parts.append(f'<text x="{x}" y="{top + tall + 14}" text-anchor="middle">{10.0**tick:g}</text>')
        for share in (0.7, 0.8, 0.9, 1.0):
            y = top + tall * (1.02 - share) / 0.37
            parts.append(f'<text x="{x0 - 4}" y="{y}" text-anchor="end">{share}</text>')
        for (name, row), time_ in zip(rows.items(), times, strict=True):
            x = x0 + wide * (time_ - low) / (high - low)
            y = top + tall * (1.02 - max(row["ratio_to_optimum"], 0.66)) / 0.37
            colour = "#0072b2" if name.startswith("Auction") else "#d55e00"
            label = f"{name}: {row['ms']:.3g} ms, {row['ratio_to_optimum']:.4f}"
            parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"><title>{label}</title></circle>')
            short = name.replace("Auction(gap=", "").replace(")", "").replace("BatchOptimal(", "window ")
            parts.append(
                f'<text x="{x}" y="{y + 14}" text-anchor="middle" fill="{colour}">{short.split(" lap")[0]}</text>'
            )
    path.write_text("\n".join([*parts, "</svg>"]), encoding="utf-8")


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description="Matching on real features, pair by pair.")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--pairs", type=int, nargs="+", help="pairs for each size")
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warm_up()
    for size in options.sizes:  # compiles what each size needs
        Auction(threads=1)(*(side[:1] for side in instances(size, 1)))
    counts = options.pairs or [PAIRS[size] for size in options.sizes]
    tables = []
    for size, count in zip(options.sizes, counts, strict=True):
        tables.append(measure(size, count, options.passes))
        show(tables[-1])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "matching.json").write_text(json.dumps({"machine": machine(), "tables": tables}, indent=1))
    plot(tables, RESULTS / "matching.svg")
    print(f"\nwritten: {RESULTS / 'matching.json'}, matching.svg")


if __name__ == "__main__":
    main()
