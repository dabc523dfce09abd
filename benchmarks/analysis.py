"""The semantic RSM of 1,000 images at S = 49, D = 320, all kernels: time and peak memory, against a plain SciPy loop.

    python analysis.py [--images 1000] [--sample 2000]

Features are real: the bundled model's last blocks on 1,000 overlapping crops of the shipped photographs. The RSM is
computed in a process of its own, whose peak memory is read from the system; the SciPy loop is timed on a sample of the
pairs and extrapolated.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _features import machine
from scipy.optimize import linear_sum_assignment

import semrsm_widgets as srsm

RESULTS = Path(__file__).parent / "results"
LAYER = "blocks.6"


def peak_megabytes() -> float:
    """Return the most memory that this process has held since it was started."""
    try:  # getrusage would count what the parent held when it forked
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(path: Path) -> dict[str, Any]:
    """Return time and memory of Gram and kernels, for tokens in a file."""
    values = np.load(path)
    srsm.matched_gram(values[:4])  # compiles
    before, started, cpu = peak_megabytes(), time.perf_counter(), time.process_time()
    gram = srsm.matched_gram(values)
    matched, matched_cpu = time.perf_counter() - started, time.process_time() - cpu
    started = time.perf_counter()
    for kernel in (srsm.cosine, srsm.inner_product, srsm.rbf):
        kernel(gram)
    kernels = time.perf_counter() - started
    return {
        "pairs": len(values) * (len(values) - 1) // 2,
        "gram_seconds": matched,
        "gram_cpu_seconds": matched_cpu,
        "kernels_seconds": kernels,
        "worst_gap": float(gram.gap.max()),
        "fallbacks": gram.fallbacks.float64 + gram.fallbacks.exact,
        "megabytes_before": before,
        "megabytes_peak": peak_megabytes(),
    }


def plain_loop(values: np.ndarray, sample: int) -> dict[str, float]:
    """Return the time of a SciPy loop over pairs, products included, extrapolated from a sample of distinct pairs."""
    n = len(values)
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(n, 1)
    chosen = rng.choice(len(first), size=min(sample, len(first)), replace=False)
    linear_sum_assignment(values[0] @ values[1].T)  # the first product starts threads
    started, cpu = time.perf_counter(), time.process_time()
    for i, j in zip(first[chosen], second[chosen], strict=True):
        affinity = values[i] @ values[j].T
        affinity[linear_sum_assignment(affinity, maximize=True)].sum()
    wall, busy = time.perf_counter() - started, time.process_time() - cpu
    scale = len(first) / len(chosen)
    times = {"extrapolated_seconds": wall * scale, "extrapolated_cpu_seconds": busy * scale}
    return {"sampled_pairs": len(chosen), **times}


def main() -> None:
    """Extract, measure in another process, and write the results."""
    parser = argparse.ArgumentParser(description="1,000 images at S = 49, D = 320.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=2000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.measure)))
        return
    images = srsm.demo_images(crops=-(-options.images // 8), overlap=0.99)
    values = srsm.extract(srsm.load_model(), images, layers=[LAYER])[LAYER].values[: options.images].numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.npy"
        np.save(path, values)
        command = [sys.executable, __file__, "--measure", str(path)]
        ours = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = {"machine": machine(), "shape": values.shape, "ours": ours, "scipy": plain_loop(values, options.sample)}
    print(json.dumps(found, indent=1))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "analysis.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
