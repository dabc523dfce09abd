from __future__ import annotations

import pytest
from helpers.analyses import make_analysis
from helpers.views import settled

import semrsm_widgets as srsm


@pytest.fixture
def analysis():
    """Four images with tokens on grids of 3 x 4, which leave room for 2 x 2 and 3 x 3."""
    return make_analysis(n=4)


@pytest.fixture
def open_stepper(closing):
    """Return a function that opens a stepper; it is closed after the test."""

    def stepper(*arguments, **options):
        return settled(closing(srsm.AuctionStepper(*arguments, **options)))

    return stepper
