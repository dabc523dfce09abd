"""What `semrsm run` will take: measured on a few images, and multiplied."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from semrsm_widgets.common import describe_seconds
from semrsm_widgets.extraction import extract
from semrsm_widgets.matching import Auction
from semrsm_widgets.rsm import estimate
from semrsm_widgets.storage import TokensThere, kind_of, pairs_left, tokens_there

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.images import Images
    from semrsm_widgets.models import VisionModel
    from semrsm_widgets.tokens import Tokens

    from .run_config import RunConfig

BATCHES = 2
"""The first one warms up, the last one is measured."""
BYTES_PER_PAIR = 16 + 16 / 3
"""Of a Gram in a store: a product and its upper bound, and of the overview's levels 16 for every 4, 16, 64, ... pairs;
what compresses well takes less."""


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
    matcher = Auction(gap=config.gap, threads=1 if _has_cluster(config) else None)
    kept = _tokens_there(features, images.ids)
    lines = [f"{file}: {count:,} images, {model.name}, {len(tokens)} layer{'s' * (len(tokens) > 1)}"]
    lacking, taken, matching = np.zeros(count, np.bool_), 0.0, 0.0
    for name, some in tokens.items():
        there = kept.get(name) or TokensThere(np.zeros(count, np.bool_), np.zeros((count, 32), np.uint8))
        lacking |= ~there.images
        _, size, channels = some.values.shape
        bytes_each = sum(part.nbytes for part in (some.values, some.prefix) if part is not None) // len(some)
        taken += bytes_each * int((~there.images).sum())
        line = f"  {name}: {size} x {channels}, tokens {_bytes(bytes_each * count)} ({_images_words(there.images)})"
        if config.grams:
            pairs = count * (count - 1) // 2
            left = _pairs_left(gram(name), some, Auction(gap=config.gap), there.digests)
            line += f"; {pairs:,} pairs"
            if isinstance(left, str):
                line += f" ({left})"
            else:
                found = estimate(some.values, matcher, memory=config.memory)
                took, room = found.seconds / found.pairs * left, BYTES_PER_PAIR * (left + count)
                line += _pairs_words(pairs, left, took, room)
                matching, taken = matching + took, taken + room * (left > 0)
        lines.append(line)
    extracting = seconds_each * int(lacking.sum())
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


def _tokens_there(features: str, ids: Sequence[str]) -> Mapping[str, TokensThere]:
    """Return what is there of images, by layer; of no store, or one that the run refuses, there is nothing."""
    try:
        return tokens_there(features, ids)
    except (FileNotFoundError, ValueError):
        return {}


def _pairs_left(gram: str, some: Tokens, matcher: Auction, digests: NDArray[np.uint8]) -> int | str:
    """Return how many pairs are to be matched, or in words why none will be.

    Args:
        gram: where the Gram is, or will be.
        some: tokens of a few images.
        matcher: what the run matches with.
        digests: (N, 32) checksums of the tokens of all images; zeros where there are none yet.
    """
    settings = {"x": kind_of(some.values), "y": "x itself", "matcher": repr(matcher)}
    pairs = len(digests) * (len(digests) - 1) // 2
    if not digests.any():  # whether a Gram that is there is of these tokens is not known before they are made
        return pairs
    try:
        return pairs_left(gram, settings, digests)
    except FileNotFoundError:
        return pairs
    except ValueError as error:
        return f"refused: {error}"


def _images_words(there: NDArray[np.bool_]) -> str:
    if there.all():
        return "there"
    return f"{int(there.sum()):,} of {len(there):,} images there" if there.any() else "to do"


def _pairs_words(pairs: int, left: int, seconds: float, room: float) -> str:
    if left == 0:
        return " (there)"
    cost = f"{describe_seconds(seconds)}, up to {_bytes(room)}"
    return f" in {cost} (to do)" if left == pairs else f", {left:,} of them left: {cost} (begun)"


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
    above = next(each for each in [Path(config.folder), *Path(config.folder).parents] if os.path.exists(each))
    return f"; {_bytes(shutil.disk_usage(above).free)} are free"


def _bytes(count: float) -> str:
    """Return a size as a person says it."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if count >= 100 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
