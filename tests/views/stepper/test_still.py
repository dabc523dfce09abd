"""The still picture of the stepper: the last step and the way there."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from helpers.views import from_hex

from semrsm_widgets.matching import auction_trace
from semrsm_widgets.views.stepper.source import matrix_lot
from semrsm_widgets.views.stepper.still import (
    BOUND,
    VALUE,
    apart,
    digits_for,
    end_names,
    outcome,
    plain_number,
    shade,
    shares,
    stairs,
)

MATRIX = [[0.2, 0.1, 0.0], [0.3, 0.2, 0.1], [0.1, 0.4, 0.2]]


@pytest.mark.parametrize("side", [2, 3])
def test_the_picture_has_the_board_and_both_lines(open_stepper, analysis, side):
    stepper = open_stepper(analysis, layer="a", grid=side)
    first = np.asarray(stepper.picture())
    colours = {tuple(each) for each in first.reshape(-1, 3).tolist()}
    assert {from_hex(BOUND), from_hex(VALUE), shade(1.0)} <= colours
    stepper.step = 3
    assert np.array_equal(np.asarray(stepper.picture()), first)  # it is of the last step


def test_a_matrix_has_a_picture_without_crops(open_stepper):
    assert open_stepper(MATRIX).picture().size[0] == open_stepper([[1.0]]).picture().size[0]


def test_a_rows_favourite_is_darkest():
    lot = matrix_lot(MATRIX)
    deep = shares(auction_trace(MATRIX).steps[0], lot)
    np.testing.assert_array_equal(deep.argmax(1), np.argmax(MATRIX, axis=1))
    np.testing.assert_allclose(deep.max(1), 1)
    assert deep.min() >= 0
    assert sum(shade(0.0)) > sum(shade(0.5)) > sum(shade(1.0))


def test_what_it_came_to_is_said():
    trace = auction_trace(MATRIX)
    assert outcome(trace).startswith(f"{trace.bids} bids in {len(trace.plan)} phases: value {trace.value:.4f}")
    assert "broken off: a price war" in outcome(auction_trace([[10, 9.9, 0]] * 3, eps=1e-6))
    assert outcome(auction_trace([[1.0]], eps=1.0)).startswith("1 bids in 1 phase:")


def test_names_at_the_end_fall_and_do_not_overlap():
    trace, lot = auction_trace(MATRIX), matrix_lot(MATRIX)
    values = [value for _, value, _ in end_names(trace, lot)]
    assert values == sorted(values, reverse=True)
    assert len(values) == 5
    assert len(end_names(trace, lot, step=0)) == 4  # there is no value yet
    places = apart([10, 11, 12, 40, 99], 16, 100)
    assert all(b - a >= 16 for a, b in pairwise(places))
    assert max(places) <= 100


def test_stairs_keep_their_height():
    assert stairs([(0, 5), (1, 3), (2, 4)]) == [(0, 5), (1, 5), (1, 3), (2, 3), (2, 4)]
    assert stairs([]) == []


def test_numbers_of_the_board_take_little_room():
    assert digits_for(matrix_lot(MATRIX)) == 3
    assert digits_for(matrix_lot(np.ones((16, 16)))) == 2
    assert digits_for(matrix_lot([[123.0]])) == 1
    assert [plain_number(value, 2) for value in (-0.001, -0.01, 0.0, 1.005)] == ["0.00", "−0.01", "0.00", "1.00"]
