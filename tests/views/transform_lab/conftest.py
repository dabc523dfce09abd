from __future__ import annotations

import pytest
from helpers.analyses import noise
from helpers.tiny_models import SIDE, patch_model
from helpers.views import settled

import semrsm_widgets as srsm


@pytest.fixture
def open_lab(closing):
    """Return a function that opens a TransformLab, which is closed after the test."""

    def lab(model=None, image=None, **kwargs):
        # On a busy machine the sampled cost of anything may be long, and the lab would wait for Start.
        options = {"patience": 1e9, "shift": (0.0, 0.0), **kwargs}
        image = noise(size=(SIDE, SIDE)) if image is None else image
        return closing(srsm.TransformLab(model or patch_model(), image, **options))

    return lab


@pytest.fixture
def lab(open_lab):
    return settled(open_lab(layer="2"))
