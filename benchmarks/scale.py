"""What a store costs: matched Grams by tiles, from tokens on disk to a Gram on disk, beside all of it in memory.

Random tokens, N images of 49 x 320 half-precision numbers. Each way runs in a process of its own, which says its peak
memory, its wall time and its CPU time, start and imports excluded from both times. A second call by tiles, which
finds all of them, says what checking costs.

Run: python benchmarks/scale.py [IMAGES]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import semrsm_widgets as srsm
from semrsm_widgets.storage import TokenStore

SIZE, CHANNELS, BATCH = 49, 320, 16
MIB = 2**20


def write(store: Path, count: int) -> None:
    """Write tokens of noise, batch by batch, as `extract` does."""
    target = TokenStore(
        store,
        settings={"noise": "seed 0"},
        ids=[f"{i}" for i in range(count)],
        pictures=np.zeros((count, 32), np.uint8),
        batch=BATCH,
        dtype=torch.float16,
    )
    words = {"layer": "noise", "grid": (7, 7), "native_grid": (7, 7), "note": "", "caution": ""}
    generator = torch.Generator().manual_seed(0)
    with target.written():
        target.add("noise", "", 0, {**words, "has_class_token": False})
        for start in range(0, count, BATCH):
            values = torch.randn(min(BATCH, count - start), SIZE, CHANNELS, generator=generator).half()
            target.write(start, {"noise": (values, None)})


def measure(way: str, folder: Path) -> None:
    """Match all pairs in one way, and say what it took."""
    tokens = srsm.open_tokens(folder / "tokens.zarr")["noise"]
    srsm.matched_gram(tokens.values[:4])  # compiles
    began, busy = time.perf_counter(), time.process_time()
    if way == "memory":
        gram = srsm.matched_gram(tokens.values[:].float())
    else:
        gram = srsm.matched_gram(tokens, store=folder / "gram.zarr")
    wall, cpu = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    widest = (
        gram.gap.max() if way == "memory" else max(gram.select([i], None).gap.max() for i in range(0, len(tokens), 97))
    )
    print(
        f"{way:14} {wall:8.1f} s wall {cpu:8.1f} s CPU {peak:7.0f} MiB at the peak, widest gap {widest:.1e}", flush=True
    )


def main(count: int) -> None:
    """Run all ways and print a line for each."""
    print(f"{count} images, S = {SIZE}, D = {CHANNELS}, float16; torch's threads: {torch.get_num_threads()}")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        write(Path(folder) / "tokens.zarr", count)
        print(f"written in {time.perf_counter() - began:.1f} s: {count * SIZE * CHANNELS * 2 / MIB:.0f} MiB")
        for way in ("tiles", "tiles again", "memory"):
            subprocess.run([sys.executable, __file__, way, folder], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
