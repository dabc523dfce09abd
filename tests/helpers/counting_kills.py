"""Kills an extraction and a matching at random moments, goes on each time, and counts what was computed again.

Run: python tests/helpers/counting_kills.py [KILLS]

Each process is a new one, so it is waited for until it has begun its work; then it is killed after a random time. What
was in flight is computed again: of an extraction the batch at work and the one on its way to the disk, of a matching
the tile at work.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch

import semrsm_widgets as srsm
from helpers import stores
from semrsm_widgets.rsm import tiles

IMAGES = 160
Start = Callable[[], "subprocess.Popen[str]"]


def killed(start: Start, log: Path, kills: int, steps: int, seed: int) -> int:
    """Kill a work so often, each time a random while after its next step, and let it end; return how often it was met.

    Args:
        start: begins or goes on with it.
        log: has a line for each step that was begun.
        kills: how often.
        steps: of the work, if nothing is done again.
        seed: of the moments.
    """
    moments, met = random.Random(seed), 0
    for k in range(kills):
        process = start()
        more = lines(log) + max(1, (steps - lines(log)) // (kills - k + 1))
        while lines(log) < more and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        met += process.returncode == -signal.SIGKILL
    process = start()
    said = process.communicate()[0]
    assert said.endswith("done\n"), said
    return met


def lines(log: Path) -> int:
    """Return how many steps were begun."""
    return log.read_text().count("\n") if log.exists() else 0


def extraction(folder: Path, kills: int) -> str:
    """Kill an extraction, and return in words what was computed again."""
    pictures, store, log = stores.pictures(folder / "pictures", IMAGES), folder / "tokens.zarr", folder / "forwards"
    batches = -(-IMAGES // stores.BATCH)
    met = killed(lambda: stores.extracting(pictures, store, log), log, kills, batches, seed=1)
    forwards = [int(line.split()[1]) for line in log.read_text().splitlines()]
    found, expected = srsm.open_tokens(store), srsm.extract(stores.model(), pictures, ["first", "second"], batch_size=3)
    assert all(torch.equal(found[name].values[:], expected[name].values) for name in expected)
    assert IMAGES <= sum(forwards) <= IMAGES + 2 * stores.BATCH * met
    again = sum(forwards) - IMAGES
    return f"extraction: {met} kills, {IMAGES} images in {batches} batches, {again} images again, the same bits"


def matching(folder: Path, kills: int) -> str:
    """Kill a matching by tiles, and return in words what was computed again."""
    store, log, tiles.LARGEST_TILE = folder / "gram.zarr", folder / "tiles", 8
    rows = -(-IMAGES // tiles.LARGEST_TILE)
    count = rows * (rows + 1) // 2
    met = killed(lambda: stores.matching(store, log, IMAGES), log, kills, count, seed=2)
    found, again = srsm.open_gram(store), lines(log) - count
    expected = srsm.matched_gram(stores.matching_tokens(IMAGES), store=folder / "at once.zarr")
    assert np.array_equal(found.products, expected.products)
    assert np.array_equal(found.upper_bound, expected.upper_bound)
    assert 0 <= again <= met
    return f"tiles: {met} kills, {count} tiles, {again} again, the same bits"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=20)
    given = parser.parse_args()
    for work in (extraction, matching):
        with TemporaryDirectory() as name:
            print(work(Path(name), given.kills), flush=True)
