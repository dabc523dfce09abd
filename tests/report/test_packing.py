"""Messages packed: what is exact, what is rounded, what follows from the rest."""

from __future__ import annotations

import numpy as np
from helpers.pages import unpacked_pack

from semrsm_widgets.report.packing import Blobs, Rounding, pack
from semrsm_widgets.report.recording import Recorded
from semrsm_widgets.views.base import Message


def recorded(arrays):
    """Return a recorded message of some arrays."""
    message = Message.of("k", arrays=arrays)
    return Recorded(content=message.content, buffers=message.buffers, scope={})


def test_packs_keep_exact_numbers_round_the_named_ones_and_drop_the_inverse():
    rng = np.random.default_rng(0)
    permutation = rng.permutation(300).astype(np.int32)
    permutation[7] = -1
    inverse = np.full(300, -1, np.int32)
    inverse[permutation[permutation >= 0]] = np.flatnonzero(permutation >= 0)
    cosine = rng.uniform(-1, 1, 300).astype(np.float32)
    cosine[7] = np.nan
    exact = rng.normal(size=11).astype(np.float32)
    arrays = {"permutation": permutation, "inverse": inverse, "x_cosine": cosine, "exact": exact}
    head, planes = unpacked_pack(pack([recorded(arrays)], {"cosine": Rounding(step=0.005)}, Blobs()))
    (row,) = head["messages"]
    assert row["buffers"][1] == {"inverse": "permutation", "count": 300}
    assert [column["width"] for column in head["columns"]] == [2, 2, 4]
    assert [column["numbers"] for column in head["columns"]] == ["Int32Array", "steps", "Float32Array"]

    def column(k):
        start = sum(each["width"] * each["count"] for each in head["columns"][:k])
        width, count = head["columns"][k]["width"], head["columns"][k]["count"]
        by_plane = np.frombuffer(planes[start : start + width * count], np.uint8).reshape(width, count)
        return np.ascontiguousarray(by_plane[::-1].T).tobytes()

    assert head["columns"][0]["offset"] == 1
    np.testing.assert_array_equal(np.frombuffer(column(0), np.uint16).astype(int) - 1, permutation)
    steps = np.frombuffer(column(1), np.int16)
    assert steps[7] == -32768
    known = np.isfinite(cosine)
    assert np.abs(steps[known] * row["buffers"][2]["step"] - cosine[known]).max() <= 0.0025 + 1e-6
    np.testing.assert_array_equal(np.frombuffer(column(2), np.float32), exact)


def test_small_steps_take_one_byte():
    cosine = np.array([0.5, -1, np.nan, 1], np.float32)
    head, planes = unpacked_pack(pack([recorded({"cosine": cosine})], {"cosine": Rounding(step=0.01)}, Blobs()))
    assert head["columns"][0]["width"] == 1
    np.testing.assert_array_equal(np.frombuffer(planes, np.int8), [50, -100, -128, 100])


def test_an_inverse_that_is_none_is_kept():
    arrays = {"permutation": np.arange(4), "inverse": np.array([3, 2, 1, 0])}
    head, _ = unpacked_pack(pack([recorded(arrays)], {}, Blobs()))
    assert "column" in head["messages"][0]["buffers"][1]
