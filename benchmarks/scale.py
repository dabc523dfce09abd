"""What a store costs: matched Grams by tiles, from tokens on disk to a Gram on disk, beside all of it in memory.

Random tokens, N images of 49 x 320 half-precision numbers. Each way runs in a process of its own, which says its peak
memory, its wall time and its CPU time, start and imports excluded from both times. A second call by tiles, which
finds all of them, says what checking costs. A Gram too large for memory is measured by tiles alone, in a folder that
is kept: what was stopped goes on there, and says the time of what was left.

Run: python benchmarks/scale.py [IMAGES]
     python benchmarks/scale.py 20000 --size 16 --channels 64 --ways tiles "tiles again" --folder kept
"""

from __future__ import annotations

import argparse
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

WAYS = ("tiles", "tiles again", "memory")
BATCH = 16
MIB = 2**20


def write(store: Path, count: int, size: int, channels: int) -> None:
    """Write tokens of noise, batch by batch, as `extract` does."""
    target = TokenStore(
        store,
        settings={"noise": "seed 0"},
        ids=[f"{i}" for i in range(count)],
        pictures=np.zeros((count, 32), np.uint8),
        batch=BATCH,
        dtype=torch.float16,
    )
    words = {"layer": "noise", "grid": None, "native_grid": None, "note": "noise has no place", "caution": ""}
    generator = torch.Generator().manual_seed(0)
    with target.written():
        target.add("noise", "", 0, {**words, "has_class_token": False})
        for start in range(0, count, BATCH):
            images = range(start, min(start + BATCH, count))
            values = torch.randn(len(images), size, channels, generator=generator).half()
            target.write(images, {"noise": (values, None)})


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
    whole = range(0, len(tokens), max(97, len(tokens) // 20))  # rows of the Gram that are read
    widest = gram.gap.max() if way == "memory" else max(gram.select([i], None).gap.max() for i in whole)
    print(
        f"{way:14} {wall:8.1f} s wall {cpu:8.1f} s CPU {peak:7.0f} MiB at the peak, widest gap {widest:.1e}", flush=True
    )


def on_disk(folder: Path) -> str:
    """Return what a folder takes on the disk."""
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{sum(files) / MIB:,.0f} MiB in {len(files):,} files"


def main(options: argparse.Namespace) -> None:
    """Run all ways and print a line for each."""
    count, size, channels = options.images, options.size, options.channels
    print(f"{count:,} images, S = {size}, D = {channels}, float16; torch's threads: {torch.get_num_threads()}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if not (folder / "gram.zarr").exists():
            began = time.perf_counter()
            write(folder / "tokens.zarr", count, size, channels)
            print(
                f"tokens written in {time.perf_counter() - began:.1f} s: {on_disk(folder / 'tokens.zarr')}", flush=True
            )
        for way in options.ways:
            subprocess.run([sys.executable, __file__, "--measure", way, "--folder", folder], check=True)
        print(f"the Gram: {on_disk(folder / 'gram.zarr')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=int, nargs="?", default=2000)
    parser.add_argument("--size", type=int, default=49, help="tokens of an image")
    parser.add_argument("--channels", type=int, default=320)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--folder", type=Path, help="kept; default: one that is removed")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.folder)
    else:
        main(given)
