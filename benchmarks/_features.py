"""Features of the bundled model on the shipped photographs, kept for one run, and what machine this is."""

from __future__ import annotations

import os
import platform
from functools import cache
from typing import Any

import numba
import numpy as np
import scipy
import torch

import semrsm_widgets as srsm

LAYERS = {49: "blocks.6", 196: "blocks.4", 784: "blocks.2", 3136: "blocks.1"}


def features(layers: list[str]) -> dict[str, torch.Tensor]:
    """Return the tokens (32, S, D) float32 of four crops of each of the eight photographs, by layer."""
    return {layer: _features(layer) for layer in layers}


@cache
def _features(layer: str) -> torch.Tensor:
    return srsm.extract(srsm.load_model(), srsm.demo_images(crops=4), layers=[layer])[layer].values.float()


def machine() -> dict[str, Any]:
    """Return the processor, the load and the versions that a result depends on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    versions = {module.__name__: module.__version__ for module in (numba, np, scipy, torch)}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"cpu": model, "cores": os.cpu_count(), "load": load, "python": platform.python_version(), **versions}
