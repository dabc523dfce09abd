"""Views that are closed after their test."""

from __future__ import annotations

import pytest
from helpers.views import finished


@pytest.fixture
def closing():
    """Return a function that hands a view back at once; it is closed after the test."""
    views = []

    def kept(view):
        views.append(view)
        return view

    yield kept
    for view in views:
        view.close()


@pytest.fixture
def opened(closing):
    """Return a function that hands a view back once it has nothing left to do; it is closed after the test."""

    def waited_for(view):
        assert finished(closing(view))
        return view

    return waited_for
