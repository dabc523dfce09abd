"""Models that cost nothing, with weights that are the same each time."""

from __future__ import annotations

import numpy as np
import torch

import semrsm_widgets as srsm

SIDE = 64
"""What they take, in pixels a side."""

PATCHES = 8
"""Of `patch_model`, on a side of the picture."""


def scaled(picture):
    """Return a PIL picture as the models take it, (3, SIDE, SIDE) from 0 to 1."""
    return torch.from_numpy(np.asarray(picture.resize((SIDE, SIDE)), dtype=np.float32) / 255).permute(2, 0, 1)


def tiny_model() -> srsm.VisionModel:
    """Return a model with the layers "0" to "3", two of which are convolutions."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 16, 3, stride=4, padding=1),
        torch.nn.ReLU(),
    )
    return srsm.VisionModel(module, scaled, name="tiny")


def patch_model() -> srsm.VisionModel:
    """Return a model whose 8 x 8 tokens see their own 8 x 8 pixels alone, so that moved patches have moved tokens."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 12, 8, stride=8), torch.nn.Tanh(), torch.nn.Conv2d(12, 6, 1))
    return srsm.VisionModel(module, scaled, name="tiny")
