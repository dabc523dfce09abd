"""A selection: ids and indices in an order, there and back, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import make_images

import semrsm_widgets as srsm


@pytest.fixture(scope="module")
def images():
    return make_images(6, labels=2)


def test_it_is_a_sequence_of_ids(images):
    a, b, c = (images.ids[k] for k in (4, 0, 2))
    chosen = srsm.Selection.of(images, [a, 0, np.int64(2)])
    assert list(chosen) == [a, b, c]
    assert chosen.ids == (a, b, c)
    assert chosen.indices == (4, 0, 2)
    assert (len(chosen), chosen[0], chosen[1:], a in chosen) == (3, a, (b, c), True)
    assert chosen.to_images().ids == chosen.ids
    assert chosen == srsm.Selection.of(images, (4, 0, 2)) != srsm.Selection.of(images, (0, 4, 2))
    assert "3 of 6 images" in repr(chosen)
    assert not srsm.Selection.of(images, None)
    assert not srsm.Selection.of(images, [])


def test_it_goes_to_a_data_frame_and_back(images):
    frame = srsm.Selection.of(images, [5, 1, 2]).to_frame()
    assert list(frame.columns) == ["id", "index", "labels"]
    assert list(frame["index"]) == [5, 1, 2]
    assert list(frame["labels"]) == ["kind 1", "kind 1", "kind 0"]
    back = srsm.Selection.of(images, frame.loc[frame["labels"] == "kind 1", "id"])
    assert back.indices == (5, 1)
    assert srsm.Selection.of(images, frame["index"]).indices == (5, 1, 2)
    assert list(srsm.Selection.of(make_images(2), [1]).to_frame()["labels"]) == [""]  # without labels


def test_that_of_another_set_is_read_by_its_ids(images):
    part = images.select([3, 5])
    assert srsm.Selection.of(images, srsm.Selection.of(part, [1])).indices == (5,)


@pytest.mark.parametrize(
    ("chosen", "error", "words"),
    [
        ("image 1", TypeError, "Give a list"),
        (3, TypeError, "Give a list"),
        ([True], TypeError, "Ids are strings"),
        ([1.5], TypeError, "integer"),
        ([6], ValueError, "from 0 to 5"),
        ([-1], ValueError, "from 0 to 5"),
        ([1, 2, 1], ValueError, "each once"),
    ],
)
def test_what_is_no_selection_is_refused(images, chosen, error, words):
    with pytest.raises(error, match=words):
        srsm.Selection.of(images, chosen)


def test_an_unknown_id_is_answered_with_the_nearest(images):
    with pytest.raises(ValueError, match="Did you mean") as caught:
        srsm.Selection.of(images, [images.ids[0] + "x"])
    assert repr(images.ids[0]) in str(caught.value)
