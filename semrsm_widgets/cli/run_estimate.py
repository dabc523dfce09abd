"""What `semrsm run` will take: measured on a few images, and multiplied."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from semrsm_widgets.common import describe_seconds
from semrsm_widgets.extraction import extract
from semrsm_widgets.matching import Auction
from semrsm_widgets.rsm import estimate, open_gram
from semrsm_widgets.storage import open_tokens

if TYPE_CHECKING:
    from semrsm_widgets.images import Images
    from semrsm_widgets.models import VisionModel
    from semrsm_widgets.tokens import Tokens

    from .run_config import RunConfig

BATCHES = 2
"""The first one warms up, the last one is measured."""
BYTES_PER_PAIR = 16
"""Of a Gram in a store: a product and its upper bound; what compresses well takes less."""


def plan(
    config: RunConfig, file: str, model: VisionModel, images: Images, *, features: str, gram: Callable[[str], str]
) -> str:
    """Return in words what is to be done, what of it is there, and what the rest takes.

    Args:
        config: what is run.
        file: what its file is called.
        model: the model.
        images: all images.
        features: where the tokens go.
        gram: where the Gram of a layer goes.
    """
    count = len(images)
    if count < 2:
        raise ValueError(f"{file}: `images.source` must hold at least two pictures; got {count}.")
    tokens, seconds_each = _sample(config, model, images)
    threads = 1 if _has_cluster(config) else None
    there = _layers_there(features)
    pairs = count * (count - 1) // 2
    lines = [f"{file}: {count:,} images, {model.name}, {len(tokens)} layer{'s' * (len(tokens) > 1)}"]
    taken, matching, extracting = 0.0, 0.0, 0.0 if set(tokens) <= there else seconds_each * count
    for name, some in tokens.items():
        _, size, channels = some.values.shape
        bytes_each = sum(part.nbytes for part in (some.values, some.prefix) if part is not None) // len(some)
        state = "there" if name in there else "to do"
        line = f"  {name}: {size} x {channels}, tokens {_bytes(bytes_each * count)} ({state})"
        taken += 0 if name in there else bytes_each * count
        if config.grams:
            found = estimate(some.values, Auction(gap=config.gap, threads=threads), memory=config.memory)
            took, room = found.seconds / found.pairs * pairs, BYTES_PER_PAIR * (pairs + count)
            state = _state_of(gram(name))
            line += f"; {pairs:,} pairs in {describe_seconds(took)}, up to {_bytes(room)} ({state})"
            if state != "there":
                matching, taken = matching + took, taken + room
        lines.append(line)
    lines.append(f"Extraction {describe_seconds(extracting)}, here" + _matching_words(config, matching))
    lines.append(f"Up to {_bytes(taken)} to be written{_room_words(config)}.")
    return "\n".join(lines)


def _sample(config: RunConfig, model: VisionModel, images: Images) -> tuple[dict[str, Tokens], float]:
    """Return the tokens of a few images, spread over all, and the seconds that an image takes."""
    batch = config.extraction["batch_size"]
    some = np.unique(np.linspace(0, len(images) - 1, min(len(images), BATCHES * batch)).astype(int)).tolist()
    told: list[tuple[float, int]] = []
    options = {**config.extraction, "dtype": getattr(torch, config.extraction["dtype"])}
    tokens = extract(
        model,
        images.select(some),
        config.layers,
        device=config.device,
        progress=lambda done, _: told.append((time.perf_counter(), done)),
        **options,
    )
    steps = [(t1 - t0, d1 - d0) for (t0, d0), (t1, d1) in pairwise(told) if d1 > d0]
    took, done = steps[-1]
    return tokens, took / done


def _layers_there(features: str) -> set[str]:
    """Return the layers whose tokens are complete."""
    try:
        return set(open_tokens(features))
    except (FileNotFoundError, ValueError):
        return set()


def _state_of(gram: str) -> str:
    try:
        open_gram(gram)
    except FileNotFoundError:
        return "to do"
    except ValueError as error:  # begun, or of something else, which the run refuses
        begun = str(error).partition("with ")[2].partition(" tiles")[0]
        return f"{begun} tiles there" if begun else "to do"
    return "there"


def _has_cluster(config: RunConfig) -> bool:
    return any(each is not None for each in (config.workers, config.scheduler, config.scheduler_file))


def _matching_words(config: RunConfig, seconds: float) -> str:
    if not config.grams:
        return "; no Grams."
    words = f"; matching {describe_seconds(seconds)}"
    if config.workers is not None:
        return f"{words} on one core, {describe_seconds(seconds / config.workers)} with a core for each worker."
    if _has_cluster(config):
        return f"{words} on one core like this one's, shared by the threads of the cluster's workers."
    return f"{words}, here."


def _room_words(config: RunConfig) -> str:
    """Return how much room the disk has, where the folder lies on one of this machine."""
    if "://" in config.folder:
        return ""
    above = next(each for each in [Path(config.folder), *Path(config.folder).parents] if each.exists())
    return f"; {_bytes(shutil.disk_usage(above).free)} are free"


def _bytes(count: float) -> str:
    """Return a size as a person says it."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if count >= 100 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
