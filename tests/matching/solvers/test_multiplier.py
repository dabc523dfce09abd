"""Compiled products: right to rounding, for every shape and offset, and nothing is written beside them."""

import threading

import numpy as np
import pytest
from helpers.matchers import many
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.affinities import padded
from semrsm_widgets.matching.solvers import engine
from semrsm_widgets.matching.solvers import multiplier as loading
from semrsm_widgets.matching.solvers.multiplier import multiplier

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 150), st.integers(1, 70))


def normal(rows, depth):
    return np.random.default_rng(rows * 1000 + depth).normal(size=(rows, depth)).astype("f4")


def close(found, x, y, chunk):
    depth = x.shape[1]
    lengths = np.linalg.norm(x.astype("f8"), axis=1)[:, None] * np.linalg.norm(y.astype("f8"), axis=1)
    roundings = min(chunk, depth) + -(-depth // chunk)
    return np.all(np.abs(found - x.astype("f8") @ y.astype("f8").T) <= roundings * 2.0**-24 * 1.001 * lengths)


@many
@given(shape=SHAPES, chunk=st.sampled_from([5, 16, 256]), count=st.integers(1, 3))
def test_pairs(shape, chunk, count):
    rows, columns, depth = shape
    x, y = normal(count * rows, depth), normal(count * columns, depth)
    flat, starts, stride = multiplier().of_pairs(x.reshape(-1), y.reshape(-1), shape, count, chunk)
    assert stride == padded(columns)
    assert not flat[-stride:].any()
    for k, start in enumerate(starts):
        found = flat[start : start + rows * stride].reshape(rows, stride)
        assert close(found[:, :columns], x[k * rows :][:rows], y[k * columns :][:columns], chunk)
        assert not found[:, columns:].any()


@many
@given(shape=SHAPES, chunk=st.sampled_from([5, 16, 256]), first=st.integers(0, 149))
def test_blocks_of_packed_tokens(shape, chunk, first):
    rows, columns, depth = shape
    first %= columns
    x, y = normal(rows, depth), normal(columns, depth)
    count = columns - first
    made = multiplier()
    out = np.full(rows * padded(columns + made.panel), 7.0, "f4")
    stride, offset = made.of_block(
        x.reshape(-1), made.packed(y.reshape(-1), depth), first, count, depth, chunk, out, np.zeros(1, np.int64)
    )
    found = out[: rows * stride].reshape(rows, stride)
    assert close(found[:, offset : offset + count], x, y[first:], chunk)
    assert np.all(out[rows * stride :] == 7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30, 0.0])
def test_squares_say_what_is_not_within_limits(bad):
    x = normal(3, 50)
    out = np.zeros(3)
    assert multiplier().squares(x.reshape(-1), 50, 1e-3, 1e6, out)
    assert np.allclose(out, np.square(x.astype("f8")).sum(1), rtol=1e-14)
    x[1] = bad
    assert not multiplier().squares(x.reshape(-1), 50, 1e-3, 1e6, out)


def test_where_vectors_do_not_compile_torch_multiplies(monkeypatch):
    monkeypatch.setattr(loading, "_found", {})
    monkeypatch.setattr(loading, "kernel_for", lambda _: None)
    assert multiplier() is None


def test_llvm_is_asked_where_no_interrupt_comes(monkeypatch):
    """Where Ctrl-C meets llvmlite while it frees a string, it frees it twice: the process aborts."""
    from llvmlite.binding.ffi import OutputString

    asked = []
    plain = OutputString.close

    def close(string):
        asked.append(threading.current_thread())
        plain(string)

    monkeypatch.setattr(engine, "_loader", engine._Loader())
    monkeypatch.setattr(loading, "_found", {})
    assert engine.kernel_for(np.float32) is not None
    monkeypatch.setattr(OutputString, "close", close)
    assert multiplier() is not None
    assert asked
    assert threading.main_thread() not in asked
