from __future__ import annotations

import pytest
from helpers.analyses import make_analysis
from helpers.pages import Elements

from semrsm_widgets.report.report import static


@pytest.fixture(scope="package")
def analysis():
    return make_analysis()


@pytest.fixture(scope="package")
def page(analysis):
    return Elements(static(analysis).html)
