"""The affinities of real pairs in several forms, to find the fastest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

_BYTES = 2**28
"""Of products that are held at a time."""


def seconds(run: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Return the time of one call."""
    started = clock()
    run()
    return clock() - started


def product_forms(values: torch.Tensor) -> dict[str, Callable[[], float]]:
    """Return forms of making affinities of real pairs; each gives its CPU seconds per pair."""
    _, size, channels = values.shape
    room = max(1, _BYTES // (4 * size * size))
    forms: dict[str, Callable[[], float]] = {}

    def block(tall: int, wide: int) -> Callable[[], float]:
        left, right = values[:tall].reshape(-1, channels), values[-wide:].reshape(-1, channels)
        out = torch.empty(len(left), len(right))
        repeats = max(1, 64 // (tall * wide)) if size < 3136 else 1
        return lambda: (
            seconds(lambda: [torch.mm(left, right.T, out=out) for _ in range(repeats)]) / (tall * wide * repeats)
        )

    for tall, wide in ((1, 1), (1, 3), (2, 3), (4, 5), (8, 9), (16, 15)):
        if tall * wide <= room:
            forms[f"block of {tall} x {wide}"] = block(tall, wide)
    count = min(16, room)
    stacked = torch.empty(count, size, size)
    left, right = values[:count], values[-count:]
    forms["batched"] = lambda: seconds(lambda: torch.bmm(left, right.mT, out=stacked)) / count
    one = np.empty((size, size), np.float32)
    x, y = values[0].numpy(), values[-1].numpy()
    forms["NumPy, by pair"] = lambda: seconds(lambda: [np.matmul(x, y.T, out=one) for _ in range(4)]) / 4
    return forms
