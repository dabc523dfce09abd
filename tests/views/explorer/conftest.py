from __future__ import annotations

import pytest
from helpers.tiny_models import tiny_model

import semrsm_widgets as srsm


@pytest.fixture
def model():
    return tiny_model()


@pytest.fixture
def explore(closing):
    """Return `srsm.explore`, whose explorers are closed after the test."""
    return lambda *args, **kwargs: closing(srsm.explore(*args, **kwargs))
