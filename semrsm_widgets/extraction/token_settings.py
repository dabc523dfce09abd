"""What tokens depend on, in words and hashes: by it kept tokens are found again, and a store refuses to mix."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from semrsm_widgets.models import VisionModel, prepare, weights_sha256

from .hooks import Setting
from .layer_table import LayerRow
from .model_state import given_for_the_probe, state_of, without_addresses

PICTURE_SIZES = ((300, 200), (150, 260))  # the transform is known by its text and by what it makes of these


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What a model shows of itself beside its weights.

    Attributes:
        state: a text of all that a forward may depend on and leaves as it is.
        outputs: by submodule, the hash of what it gives for fixed noise.
        unsteady: layers that gave two outputs for one input.
    """

    state: str
    outputs: Mapping[str, str]
    unsteady: Sequence[str]


def behaviour_of(setting: Setting, rows: Sequence[LayerRow]) -> Behaviour:
    """Return how a model behaves at some layers, from two runs on two images of noise; call it inside `as_found`."""
    paths = {row.path for row in rows}
    first = given_for_the_probe(setting, paths, 1)
    before = state_of(setting.module)
    second = given_for_the_probe(setting, paths, 2)
    # what every forward changes, such as a counter, would be another model each time; what it changes is probed
    steady = {name: text for name, text in state_of(setting.module).items() if before.get(name) == text}
    return Behaviour(
        state=without_addresses(repr(sorted(steady.items()))),
        outputs=second,
        unsteady=[row.name for row in rows if first.get(row.path) != second.get(row.path)],
    )


def how_read(row: LayerRow) -> str:
    """Return which output of a model a layer is, and how it is read as tokens."""
    layout = (row.layout.axes, row.layout.prefix, row.layout.grid, row.layout.order)
    return f"{row.path} {row.call} {row.leaf} {layout}"


def settings_of(
    model: VisionModel, setting: Setting, state: str, batch_size: int, max_grid: int | None, dtype: torch.dtype
) -> dict[str, str]:
    """Return what the tokens of all layers depend on, each under the words by which a person knows it."""
    return {
        "the weights": weights_sha256(setting.module),
        "the model's modules": _sha256(without_addresses(repr(setting.module))),
        "the model's code, buffers, hooks or attributes": _sha256(state),
        "the transform": transform_sha256(model.transform),
        "the model's input": f"{setting.input_shape}{' by keyword' * setting.as_keyword}",
        "batch_size": f"{batch_size}",
        "max_grid": f"{max_grid}",
        "dtype": f"{dtype}",
        "device": setting.device.type,
        "torch": str(torch.__version__),
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def transform_sha256(transform: Any) -> str:
    """Return the hash of a transform: its text, and what it makes of two pictures."""
    digest = hashlib.sha256(without_addresses(repr(transform)).encode())
    for width, height in PICTURE_SIZES:
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        inputs = prepare(transform, Image.fromarray(pixels))[0].detach().cpu().contiguous()
        digest.update(f"{tuple(inputs.shape)} {inputs.dtype}".encode())
        digest.update(inputs.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
