from __future__ import annotations

import pytest
from helpers.analyses import make_analysis, make_images


@pytest.fixture(scope="package")
def images():
    return make_images(size=(24, 20))


@pytest.fixture
def analysis(images):
    return make_analysis(images=images)
