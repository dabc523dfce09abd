"""A model, pictures and scripts to extract and match into stores, also in processes that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.models.vision_model import VisionModel
from semrsm_widgets.storage import layer_store

TESTS = Path(__file__).parents[1]
BATCH = 3
SHARD_BATCHES = 4
"""So many batches of 3 images fill a shard of the larger layer, under `small_shards`."""


class Teller:
    """Holds what is told of a forward, and shows nothing of it: it is no part of what the tokens depend on."""

    __slots__ = ("tell",)

    def __init__(self, tell) -> None:
        self.tell = tell


class Counting(nn.Module):
    """Two layers; says when it runs on how many pictures, but on noise."""

    def __init__(self, tell) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 6, 1)
        self.teller = Teller(tell)

    def forward(self, x):
        if x.min() >= 0:  # the table of layers and the probe are made on noise
            self.teller.tell(len(x))
        return self.second(torch.relu(self.first(x)))


def model(tell=lambda count: None) -> VisionModel:
    """Return a model of the layers "first" (16 tokens of 8) and "second" (16 of 6)."""
    return VisionModel(Counting(tell), T.ToTensor(), name="counting")


def pictures(folder: Path, count: int = 40) -> Path:
    """Write pictures of noise, 16 pixels a side, and return the folder."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for k in range(count):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{k:02}.png")
    return folder


def small_shards(monkeypatch=None) -> None:
    """Have shards of 4 batches of float32 tokens at the layer "first", for this test or this process."""
    size = 16 * 8 * 4 * BATCH * SHARD_BATCHES
    if monkeypatch is None:
        layer_store.SHARD_BYTES = size
    else:
        monkeypatch.setattr(layer_store, "SHARD_BYTES", size)


SCRIPT = """
import os, sys, time
sys.path[:0] = sys.argv[4:]
from helpers import stores
from semrsm_widgets.extraction import extract
folder, store, log = sys.argv[1:4]
stores.small_shards()
def tell(count):
    with open(log, "a") as file:
        file.write(f"{os.getpid()} {count}\\n")
    time.sleep(0.01)
print("ready", flush=True)
try:
    extract(stores.model(tell), folder, ["first", "second"], batch_size=stores.BATCH, store=store, workers=0)
except Exception as error:
    print(type(error).__name__, error, flush=True)
    sys.exit(3)
print("done", flush=True)
"""


def extracting(folder: Path, store: Path, log: Path, *before: str) -> subprocess.Popen[str]:
    """Start a process that extracts both layers into a store, and notes its forwards in a file.

    Args:
        folder: of the pictures.
        store: path of the store.
        log: a line for each forward.
        before: of the command line, such as what mounts a disk.
    """
    given = [str(folder), str(store), str(log), str(TESTS), *sys.path]
    command = [*before, sys.executable, "-c", SCRIPT, *given]
    environment = {**os.environ, "SEMRSM_PROGRESS": "0"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


MATCHING = """
import sys, time
sys.path[:0] = sys.argv[4:]
from helpers.stores import matching_tokens
from semrsm_widgets.rsm import matched_gram, tiles
tiles.LARGEST_TILE = 8
plain = tiles.match_job
def slow(matcher, job):
    with open(sys.argv[2], "a") as file:
        file.write(f"{job.pairs}\\n")
    time.sleep(0.02)
    return plain(matcher, job)
tiles.match_job = slow
matched_gram(matching_tokens(int(sys.argv[3])), store=sys.argv[1])
print("done", flush=True)
"""


def matching_tokens(count: int) -> np.ndarray:
    """Return the tokens that `matching` matches."""
    return np.random.default_rng(5).normal(size=(count, 9, 16)).astype(np.float32)


def matching(store: Path, log: Path, count: int = 60) -> subprocess.Popen[str]:
    """Start a process that matches images into a store by tiles of 8, and notes each tile in a file."""
    command = [sys.executable, "-c", MATCHING, str(store), str(log), str(count), str(TESTS), *sys.path]
    environment = {**os.environ, "SEMRSM_PROGRESS": "0"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
