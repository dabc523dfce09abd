"""The token cache: what a version before wrote is found under its name and read."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from helpers import DATA
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction import token_cache
from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.models.vision_model import VisionModel

KEPT = "token-cache-0.1.0"


def stripes() -> tuple[VisionModel, list[np.ndarray]]:
    """Return a model and pictures that are the same on every machine."""
    layer = nn.Conv2d(3, 8, 4, 4)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(layer.weight.numel()).reshape(layer.weight.shape) / 512)
        layer.bias.zero_()
    pictures = [np.full((16, 16, 3), 40 * k + 10, np.uint8) for k in range(4)]
    for k, picture in enumerate(pictures):
        picture[:, 4 * k : 4 * k + 4] = 200
    return VisionModel(nn.Sequential(layer), T.ToTensor()), pictures


def test_tokens_kept_by_the_first_version_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path):
    # What differs between machines (torch's version, Python's bytecode, Pillow's pixels) is left out of the name.
    monkeypatch.setattr(torch, "__version__", "2.4.0")
    monkeypatch.setattr(token_cache, "_code_of", lambda module: "code")
    monkeypatch.setattr(token_cache, "_transform_of", lambda transform: "transform")
    model, pictures = stripes()
    fresh = extract(model, pictures, "0")["0"].values
    shutil.copytree(DATA / KEPT, tmp_path / KEPT)
    (name,) = (path.name for path in (tmp_path / KEPT).iterdir())
    runs = []
    model.module.register_forward_pre_hook(lambda module, inputs: runs.append(len(inputs[0])))
    kept = extract(model, pictures, "0", cache=tmp_path / KEPT)["0"]
    assert len(pictures) not in runs  # no batch went through the model
    assert torch.allclose(kept.values, fresh, atol=1e-5)
    assert kept.grid == (4, 4)
    assert [path.name for path in (tmp_path / KEPT).iterdir()] == [name]
