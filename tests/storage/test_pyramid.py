"""Levels of ever larger cells: right for any size, made in any order, made anew where something was lost."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from semrsm_widgets.storage import pyramid as module
from semrsm_widgets.storage.gram_store import GramForm
from semrsm_widgets.storage.places import GRAM, open_place
from semrsm_widgets.storage.pyramid import BINS, Cells, Pyramid

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(module, "TOP_CELLS", 2)
    monkeypatch.setattr(module, "ALIGNED_SIDE", 8)


def matrix(shape, symmetric):
    values = RNG.uniform(-1, 1, shape)
    return (values + values.T) / 2 if symmetric else values


def expected(values, symmetric, side):
    """Return the cells by hand: of each square of pairs, those that are of two images and are numbers."""
    counted = values.copy()
    if symmetric:
        np.fill_diagonal(counted, np.nan)
    n, m = (-(-count // side) for count in values.shape)
    cells = np.full((4, n, m), np.nan)
    for i in range(n):
        for j in range(m):
            here = counted[i * side : (i + 1) * side, j * side : (j + 1) * side]
            here = here[~np.isnan(here)]
            cells[:, i, j] = (here.mean(), here.min(), here.max(), here.size) if here.size else (*[np.nan] * 3, 0)
    return cells


def made(values, *, symmetric, block, store=None):
    form = GramForm(shape=values.shape, sizes=(4, 4), symmetric=symmetric, matcher="m", block=block)
    place = open_place(zarr.storage.MemoryStore() if store is None else store, GRAM, make=True)
    return Pyramid(place, "cosine", form, (-1.0, 1.0))


def agrees(pyramid, values):
    for level in range(1, pyramid.levels + 1):
        whole = [slice(0, -(-count // 2**level)) for count in values.shape]
        cells = expected(values, pyramid.form.symmetric, 2**level)
        assert np.allclose(pyramid.read(level, *whole), cells, atol=1e-6, equal_nan=True)
        part = [slice(each.stop // 3, each.stop) for each in whole]
        assert np.allclose(pyramid.read(level, *part), cells[:, part[0], part[1]], atol=1e-6, equal_nan=True)
    counted = values[np.triu_indices(len(values), 1)] if pyramid.form.symmetric else values
    assert np.array_equal(pyramid.spread(), np.histogram(counted, BINS, (-1, 1))[0])
    return True


@pytest.mark.parametrize("block", [8, 2, 6, 64])
@pytest.mark.parametrize(("shape", "symmetric"), [((37, 37), True), ((16, 16), True), ((5, 19), False), ((1, 1), True)])
def test_cells_are_what_their_pairs_are(shape, symmetric, block):
    values = matrix(shape, symmetric)
    pyramid = made(values, symmetric=symmetric, block=block)
    assert not pyramid.is_complete()
    if pyramid.is_aligned:  # some are put as tiles are written, the others are missing
        pyramid.begin(pyramid.form.tiles())
        for top, left in list(pyramid.form.tiles())[::2]:
            pyramid.put(top, left, values[pyramid.form.side(top, 0), pyramid.form.side(left, 1)])
    asked = []
    pyramid.complete(
        lambda rows, columns: asked.append((rows.start, columns.start)) or values[rows, columns], lambda *_: None
    )
    assert pyramid.is_complete()
    assert agrees(pyramid, values)
    assert len(asked) == len(set(asked))
    if pyramid.is_aligned:
        assert not set(asked) & set(list(pyramid.form.tiles())[::2])
    again = []
    pyramid.complete(lambda *region: again.append(region), lambda *_: None)
    assert again == []


def test_removed_images_do_not_count():
    values = matrix((20, 20), True)
    values[[3, 4, 5]] = values[:, [3, 4, 5]] = np.nan
    values[8:16, 8:16] = np.nan  # all of a tile
    pyramid = made(values, symmetric=True, block=8)
    pyramid.complete(lambda rows, columns: values[rows, columns], lambda *_: None)
    assert pyramid.is_complete()
    assert agrees(pyramid, values)


def test_what_is_written_again_and_what_has_grown_is_made_anew():
    store, values = zarr.storage.MemoryStore(), matrix((20, 20), True)
    pyramid = made(values, symmetric=True, block=8, store=store)
    pyramid.complete(lambda rows, columns: values[rows, columns], lambda *_: None)
    values[0:8, 16:20] += 0.01
    values[16:20, 0:8] += 0.01
    pyramid.begin([(0, 16)])
    assert not pyramid.is_complete()
    pyramid.put(0, 16, values[0:8, 16:20])
    asked = []
    pyramid.complete(lambda *region: asked.append(region), lambda *_: None)
    assert asked == []
    assert agrees(pyramid, values)

    larger = matrix((37, 37), True)
    larger[:20, :20] = values
    grown = made(larger, symmetric=True, block=8, store=store)
    assert not grown.is_complete()
    grown.begin([tile for tile in grown.form.tiles() if tile[1] >= 16])
    grown.complete(
        lambda rows, columns: asked.append((rows.start, columns.start)) or larger[rows, columns], lambda *_: None
    )
    assert set(asked) == {tile for tile in grown.form.tiles() if tile[1] >= 16}
    assert agrees(grown, larger)


def test_a_stopped_call_goes_on_and_damage_is_said(tmp_path):
    values = matrix((37, 37), True)
    pyramid = made(values, symmetric=True, block=8, store=tmp_path / "rsm.zarr")

    def stop(done, _total):
        if done == 5:
            raise KeyboardInterrupt

    asked = []
    read = lambda rows, columns: asked.append((rows.start, columns.start)) or values[rows, columns]  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        pyramid.complete(read, stop)
    pyramid.complete(read, lambda *_: None)
    assert len(asked) == len(set(asked)) == 15
    assert agrees(pyramid, values)
    path = tmp_path / "rsm.zarr/overview/cosine/level-1/c/0/2/4"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    pyramid = made(values, symmetric=True, block=8, store=tmp_path / "rsm.zarr")  # as another session opens it
    text = r"The overview in 'rsm.zarr' is damaged or gone at its level 1.*Remove 'overview/cosine' there"
    with pytest.raises(ValueError, match=text):
        pyramid.read(1, slice(0, 19), slice(0, 19))
    path.unlink()
    with pytest.raises(ValueError, match=text):
        pyramid.read(1, slice(0, 19), slice(0, 19))


@pytest.mark.parametrize("symmetric", [True, False])
def test_what_was_read_last_is_not_read_again(symmetric, monkeypatch):
    values = matrix((37, 37), symmetric)
    made(values, symmetric=symmetric, block=8, store=(store := zarr.storage.MemoryStore())).complete(
        lambda rows, columns: values[rows, columns], lambda *_: None
    )
    pyramid = made(values, symmetric=symmetric, block=8, store=store)
    cells, calls, read = expected(values, symmetric, 2), [], Pyramid._read
    monkeypatch.setattr(Pyramid, "_read", lambda *given: calls.append(given[1:]) or read(*given))
    for rows, columns in ((range(3, 15), range(9, 19)), (range(4, 15), range(9, 12)), (range(9, 19), range(3, 15))):
        here = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
        assert np.allclose(pyramid.read(1, *here), cells[:, here[0], here[1]], atol=1e-6, equal_nan=True)
    # what lies together in one call, a part of it in none, and mirrored, where there is a mirror, in none again
    assert len(calls) == (1 if symmetric else 2)


def test_an_odd_cell_holds_what_there_is():
    one = Cells.of(np.array([[0.5, np.nan, 0.1]])).halved()
    assert [each.tolist() for each in one] == [[[0.5, 0.1]]] * 3 + [[[1.0, 1.0]]]
