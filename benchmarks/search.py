"""What a search in a store reads and solves: 2,000 crops of the photographs, an early, a middle and a late layer.

Each of some queries, spread over the photographs, is searched alone, and its answer is held against that of a search
which matches every image. Said are the shares of images that are matched at all, whose tokens are read, and that are
solved to the end, for the whole set and for random parts of it; the CPU time of a search, of one that matches every
image, and of the first one, which makes means and spreads; and what these take on the disk.

Run: python benchmarks/search.py [--folder kept] [--images 2000] [--queries 8]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from _features import machine
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.retrieval.stored_search import similarity_bounds
from semrsm_widgets.tokens import Tokens

PHOTOGRAPHS = tuple(dict.fromkeys(each.partition("/")[0] for each in srsm.demo_images(crops=1).ids))
LAYERS = ("blocks.2", "blocks.4", "blocks.6")
SIDE = 224
K = 6  # the query itself and its 5 nearest


def write_crops(folder: Path, each: int) -> None:
    """Write random square crops of each photograph, a quarter to all of its short side, half of them mirrored."""
    folder.mkdir(parents=True)
    rng = random.Random(0)
    for name in PHOTOGRAPHS:
        picture = Image.open(str(files("semrsm_widgets.images") / "data" / f"{name}.jpg")).convert("RGB")
        for k in range(each):
            side = int(min(picture.size) * rng.uniform(0.25, 1))
            left, top = (rng.randint(0, room - side) for room in picture.size)
            crop = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            if rng.random() < 0.5:
                crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            crop.save(folder / f"{name}-{k:04}.png", compress_level=1)


def share(tokens: Tokens, rows: np.ndarray, queries: np.ndarray) -> dict[str, float]:
    """Return the mean shares of the images in `rows` that a search among them matches, reads and refines."""
    some = tokens if len(rows) == len(tokens) else tokens.select(rows.tolist())
    found = [srsm.search(tokens.values[int(q)], some, k=K) for q in queries]
    return {
        "matched": float(np.mean([each.matched / each.pairs for each in found])),
        "median": float(np.median([each.matched / each.pairs for each in found])),
        "refined": float(np.mean([each.refined / each.pairs for each in found])),
    }


def look_at(layer: str, tokens: Tokens, queries: np.ndarray) -> None:
    """Say what searches in one layer take."""
    count, size, channels = tokens.values.shape
    print(f"{layer}: S = {size}, D = {channels}")
    began = time.process_time()
    srsm.search(tokens.values[int(queries[0])], tokens, k=K)
    first = time.process_time() - began
    whole = tokens.values[:]
    bounds = similarity_bounds(whole[queries].float(), tokens.values, srsm.cosine)
    took, plain = 0.0, 0.0
    for row, q in enumerate(queries.tolist()):
        query = whole[q]
        began = time.process_time()
        found = srsm.search(query, tokens, k=K)
        took += (time.process_time() - began) / len(queries)
        began = time.process_time()
        blocks = (tokens.values[i : i + 256] for i in range(0, count, 256))
        expected = srsm.search(query, blocks, k=K)
        plain += (time.process_time() - began) / len(queries)
        assert np.array_equal(found.indices, expected.indices), (layer, q)
        assert found.certified.all()
        assert np.all(bounds[row, found.indices[0]] >= found.values[0] - 1e-6)
    print(f"  a search {took:.3f} s of CPU time, matching every image {plain:.3f} s, the first {first:.2f} s")
    kept = 8 * count * (1 + channels) + 4 * count * channels
    print(f"  means and spreads {kept / count / 1e3:.1f} kB an image, {kept / whole.nbytes:.1%} of the tokens")
    rng = np.random.default_rng(0)
    for n in (250, 500, 1000, 2000, 4000):
        if n <= count:
            rows = np.sort(
                np.union1d(rng.permutation(np.setdiff1d(np.arange(count), queries))[: n - len(queries)], queries)
            )
            said = share(tokens, rows, queries)
            print(f"  of {n:5,}: " + ", ".join(f"{word} {value:.2%}" for word, value in said.items()), flush=True)


def main(options: argparse.Namespace) -> None:
    """Make what is not there, and say what searches in all layers take."""
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if not (folder / "crops").exists():
            write_crops(folder / "crops", options.images // len(PHOTOGRAPHS))
        srsm.extract(
            srsm.load_model(), str(folder / "crops"), list(LAYERS), dtype=torch.float16, store=folder / "features.zarr"
        )
        stored = srsm.open_tokens(folder / "features.zarr")
        for layer in LAYERS:
            count = len(stored[layer])
            queries = np.linspace(0, count - 1, options.queries + 2).astype(int)[1:-1]
            look_at(layer, stored[layer], queries)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="kept; default: one that is removed")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=8)
    main(parser.parse_args())
