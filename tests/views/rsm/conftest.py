from __future__ import annotations

import pytest
from helpers.analyses import make_analysis

import semrsm_widgets as srsm


@pytest.fixture
def analysis():
    return make_analysis(layers="abc")


@pytest.fixture
def rsm_view(analysis, opened):
    return opened(srsm.RSMView(analysis, layer="b"))
