"""`semrsm warm`: what the first minute of a session waits for, done ahead of it.

On a fresh installation the first cell compiles the matcher, writes Python's own compiled files and reads some hundred
megabytes from the disk. A class does that thirty times at once; this does it before.
"""

from __future__ import annotations

import time
import warnings
from importlib.util import find_spec

from semrsm_widgets.common import Meter

from .check import INSTALL_LAB, REQUIRED, WEIGHTS_PACKAGE, import_line
from .errors import CommandError

SIZES = (49, 784)
"""Tokens of an image below and above the size from which the auction keeps candidate lists: two kernels."""


def warm() -> int:
    """Import, compile and load what a first session needs, say what was done and in what time, and return 0.

    Raises:
        CommandError: a part is missing or broken.
    """
    started = time.perf_counter()
    for name, step in (
        ("libraries", _libraries),
        ("matching", _matching),
        ("model", _model),
        ("views", _views),
    ):
        before = time.perf_counter()
        try:
            with Meter(f"Making ready: {name}"):
                said = step()
        except Exception as error:
            raise CommandError(
                f"{name} cannot be made ready: {type(error).__name__}: {error}\n`semrsm check` says more."
            ) from None
        print(f"{name:<11} {time.perf_counter() - before:5.1f} s  {said}", flush=True)
    print(f"Ready in {time.perf_counter() - started:.1f} s: what was compiled is kept, a next start loads it.")
    return 0


def _libraries() -> str:
    for name in REQUIRED:
        line = import_line(name)
        if line.problem:
            raise ImportError(f"{name} is {line.value}. {line.problem}")
    return f"imported {', '.join(REQUIRED)}"


def _matching() -> str:
    from semrsm_widgets.matching import Auction, engine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what this line says
        for size in SIZES:
            Auction().prepare(size)
    found = engine()
    if found.simd == "none":
        return f"SciPy serves, nothing to compile; {found.note}"
    if found.cache is None:
        return f"compiled for this session alone; {found.note}"
    return f"compiled for small and large grids, kept in {found.cache}"


def _model() -> str:
    if find_spec(WEIGHTS_PACKAGE) is None:
        return f"left out: the bundled model's weights are not installed. Install with: {INSTALL_LAB}"
    from semrsm_widgets.extraction import extract
    from semrsm_widgets.images import demo_images
    from semrsm_widgets.models import load_model

    images = demo_images(crops=1)
    tokens = extract(load_model(), images)
    return f"the bundled model has seen {len(images)} photographs at {len(tokens)} layers"


def _views() -> str:
    import torch

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.images import demo_images
    from semrsm_widgets.tokens import Tokens
    from semrsm_widgets.views import PairView, RSMView

    images = demo_images(crops=1).select([0, 1, 2])
    noise = torch.randn(3, 16, 8, generator=torch.Generator().manual_seed(0))
    analysis = Analysis(images, {"noise": Tokens(values=noise, grid=(4, 4), layer="noise")})
    for view in (RSMView(analysis), PairView(analysis)):
        if not view.wait(60) or view.last_error:
            raise RuntimeError(f"{type(view).__name__} did not come up")
        view.close()
    return "heatmaps and a pair were drawn once"
