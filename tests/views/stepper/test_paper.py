"""AuctionStepper as a figure for a paper."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.views import drawn, texts_of

MATRIX = [[0.2, 0.1, 0.0], [0.3, 0.2, 0.1], [0.1, 0.4, 0.2]]


def test_a_figure_says_what_it_shows_at_the_step_on_screen(open_stepper, analysis, tmp_path):
    stepper = open_stepper(analysis, layer="a", step=4)
    words = texts_of(stepper.save_figure(tmp_path / "step.svg"))
    step = stepper.trace.steps[4]
    assert f"best bound {step.best_bound:.4f}" in words
    assert f"Step 5 of {len(stepper.trace)}, phase 1" in words
    assert f"{step.held} of 4 hold" in words
    assert " → ".join(analysis.images.ids[:2]) in words
    for level in stepper.lot.levels:
        assert f"{level.title} {level.value:.4f}" in words
    stepper.step = len(stepper.trace) - 1
    assert "4 of 4 hold" in texts_of(stepper.save_figure(tmp_path / "end.svg"))


@pytest.mark.parametrize("matrix", [MATRIX, [[1.0]], [[10.0, 9.9, 0.0]] * 3])
@pytest.mark.parametrize("width", [70.0, 180.0])
def test_any_matrix_fits_on_any_sheet(open_stepper, matrix, width):
    sheet = drawn(open_stepper(matrix, step=1), width)
    assert f"Auction of {len(matrix)} rows" in sheet.caption
    for _, (left, _, wide, _) in sheet._axes:
        assert left >= 0
        assert left + wide <= width


def test_the_largest_board_keeps_its_numbers_out_where_they_do_not_fit(open_stepper, tmp_path):
    matrix = np.random.default_rng(0).normal(size=(16, 16))
    narrow = texts_of(open_stepper(matrix).save_figure(tmp_path / "n.svg", width_mm=70))
    wide = texts_of(open_stepper(matrix).save_figure(tmp_path / "w.svg", width_mm=180))
    assert len(narrow) < len(wide)
