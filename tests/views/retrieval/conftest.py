from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import N, make_analysis
from helpers.views import settled

import semrsm_widgets as srsm


@pytest.fixture
def analysis():
    return make_analysis()


@pytest.fixture
def view(analysis, closing):
    rankings = {"mine": np.arange(N * N).reshape(N, N)}
    return settled(closing(srsm.RetrievalView(analysis, layer="b", query=2, rankings=rankings)))
