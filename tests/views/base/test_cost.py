"""What a computation costs, in words."""

from __future__ import annotations

import pytest

from semrsm_widgets.views.base.cost import describe_seconds


@pytest.mark.parametrize(("seconds", "words"), [(12.4, "12 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_are_said_as_a_person_would(seconds, words):
    assert describe_seconds(seconds) == words
