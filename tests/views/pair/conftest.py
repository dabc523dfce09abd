from __future__ import annotations

import pytest
from helpers.analyses import make_analysis
from helpers.views import Sent, settled

import semrsm_widgets as srsm


@pytest.fixture
def sent(monkeypatch):
    """What any PairView sends, from its first job on."""
    return Sent.by_any(srsm.PairView, monkeypatch)


@pytest.fixture
def open_pair(closing):
    """Return a function that opens a PairView and waits for it; it is closed after the test."""
    return lambda analysis, **options: settled(closing(srsm.PairView(analysis, **options)))


@pytest.fixture
def pair_view(open_pair):
    return open_pair(make_analysis(layers="abc"), layer="b", pair=(0, 3))
