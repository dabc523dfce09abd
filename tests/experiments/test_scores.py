"""Scores as data."""

from __future__ import annotations

import pytest
from helpers.analyses import labelled_analysis

import semrsm_widgets as srsm


def test_scores_are_data():
    found = srsm.retrieval_scores(labelled_analysis((1,)), k=2)
    table = found.to_frame()
    assert {"layer", "kernel", "similarity", "value", "low", "high", "n"} <= set(table.columns)
    assert len(table) == len(found.rows) == 12
    assert found.measures == ("F1@2", "mAP", "top hub", "orphans")
    with pytest.raises(ValueError, match="Known: 'F1@2', 'mAP'"):
        found.of("map")
    assert "Does it retrieve?" in repr(found)
