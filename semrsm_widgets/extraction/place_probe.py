"""The place probe: pictures that differ a little, and what each token of an output makes of the difference.

One noise image, and copies of it to which a little noise is added: everywhere; with a strength that goes from -1 to 1
from left to right; the same from top to bottom; and in waves. A small change passes through a model almost linearly.
So of a token that looks at one place, a graded change is a fixed part of the full one: the strength at that place.
Projected on the full change, the graded one gives the mean place that a token looks at; its energy gives the mean
square, and so how wide the area is. Where tokens look is judged in `place_verdict`.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .hooks import noise
from .layout import Layout

IMAGES = 5  # the image and four changes; an unlikely length for any other axis
CHANGE = 0.01  # standard deviations; larger ones leave the linear range of deep models with random weights
HALF_CHANGE = 0.25  # the same for weights of 16 bits, whose rounding would drown less
WAVES = 1.5  # periods over a side: fine enough to tell one place from the mean of two, coarser than windows
MOST_VALUES = 2**16  # channels of large maps are sampled: many tokens make up for few channels
FEWEST_SAMPLED = 16

FULL, ACROSS, DOWN, WAVE, ACROSS_SQUARE, DOWN_SQUARE = range(6)
Moments = NDArray[np.float64]


def probe_images(input_shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the probe's images, (IMAGES, C, H, W), for a model of a floating type."""
    base, other = noise((2, *input_shape), device, seed=1)
    height, width = input_shape[1:]
    change = (HALF_CHANGE if dtype in (torch.float16, torch.bfloat16) else CHANGE) * other
    across, down = centres(width).to(base), centres(height).to(base)[:, None]
    waves = (wave(across) + wave(down)) / 2
    return torch.stack([base, base + change, base + change * across, base + change * down, base + change * waves])


def centres(side: int) -> Tensor:
    """Return the centres of `side` cells on an axis from -1 to 1."""
    return (2 * torch.arange(side, dtype=torch.float32) + 1) / side - 1


def wave(places: Tensor) -> Tensor:
    """Return the strength of the waves at places from -1 to 1."""
    return torch.cos(math.pi * WAVES * (places + 1))


@dataclass(frozen=True)
class Reaction:
    """How the tokens of one output reacted, for one choice of the channel axis.

    Attributes:
        plain: (6, L) inner products of each token's changes: FULL is the full change's energy; ACROSS, DOWN and WAVE
            are products of these changes with the full one, ACROSS_SQUARE and DOWN_SQUARE their own energies.
        centred: the same after taking away what all tokens have in common, as after attention to everything.
        channels: over how many channels the products are summed.
    """

    plain: Moments
    centred: Moments
    channels: int


@dataclass(frozen=True)
class Evidence:
    """What the probe saw of one output.

    Attributes:
        first: reactions with the channels after the batch axis; None where there is no such reading.
        last: reactions with the channels on the last axis (also of a sequence that comes before the batch); None
            where there is no such reading.
    """

    first: Reaction | None
    last: Reaction | None

    def of(self, layout: Layout) -> Reaction | None:
        """Return the reactions of a layout's tokens: without its prefix, in raster order; None if not looked at."""
        reaction = self.first if layout.axes in ("NCHW", "NCL") else self.last
        if reaction is None or (not layout.prefix and layout.order is None):
            return reaction
        plain, centred = reaction.plain[:, layout.prefix :], reaction.centred[:, layout.prefix :]
        if layout.order is not None:
            plain, centred = plain[:, layout.order], centred[:, layout.order]
        return Reaction(plain, centred, reaction.channels)


def observe(output: Tensor, axes: Collection[str]) -> Evidence | None:
    """Return what an output for `probe_images` shows, or None if no axis is that of the images or none of tokens.

    Args:
        output: what a layer gave.
        axes: the layouts' axes by which it may be read.
    """
    sequence_first = "LNC" in axes
    found = output.transpose(0, 1) if sequence_first else output
    if found.ndim not in (3, 4) or len(found) != IMAGES or found.numel() == 0:
        return None
    first = {"NCHW", "NCL"} & set(axes)
    last = set(axes) - {"NCHW", "NCL"}
    return Evidence(
        _reaction(found.flatten(2), 1) if first else None, _reaction(found.flatten(1, -2), 2) if last else None
    )


def _reaction(found: Tensor, axis: int) -> Reaction:
    """Return the reactions of (IMAGES, L, C) or (IMAGES, C, L), `axis` being that of the channels."""
    channels, length = found.shape[axis], found.shape[3 - axis]
    step = max(1, channels // max(FEWEST_SAMPLED, MOST_VALUES // length))
    changes = _changes(found[:, ::step] if axis == 1 else found[:, :, ::step])
    plain = _moments(changes, axis - 1)
    if step > 1 and not plain[FULL].any():  # the sampled channels happen to be dead
        changes = _changes(found)
        plain = _moments(changes, axis - 1)
    centred = _moments(changes - changes.mean(3 - axis, keepdim=True), axis - 1)
    return Reaction(plain, centred, changes.shape[axis])


def _changes(found: Tensor) -> Tensor:
    return found[1:].float() - found[:1].float()


def _moments(changes: Tensor, channels: int) -> Moments:
    """Return the inner products of (4, L, C) or (4, C, L) over the channels, (6, L)."""
    with_full = (changes * changes[:1]).sum(channels + 1)
    own = changes[1:3].square().sum(channels + 1)
    moments: Moments = torch.cat([with_full, own]).cpu().numpy().astype(np.float64)
    return moments
