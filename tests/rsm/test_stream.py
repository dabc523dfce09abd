"""RSMs of Grams in stores, some rows at a time: as they are in memory, and compared alike."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from semrsm_widgets.rsm import tiles
from semrsm_widgets.rsm.kernels import cosine, inner_product, rbf, rbf_sigma
from semrsm_widgets.rsm.rsm import matched_gram
from semrsm_widgets.rsm.stream import StreamedRSM
from semrsm_widgets.statistics import cka, jackknife

RNG = np.random.default_rng(3)
X, Y = (RNG.normal(size=(21, 4, 6)).astype(np.float32) for _ in range(2))


@pytest.mark.parametrize("kernel", [cosine, inner_product, partial(rbf, sigma=3.0)], ids=["cosine", "inner", "rbf"])
def test_rows_are_those_of_the_rsm_and_are_compared_alike(kernel, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)
    grams = [matched_gram(tokens, store=tmp_path / f"{k}.zarr").within(48 * 21 * 5) for k, tokens in enumerate((X, Y))]
    plain = [kernel(matched_gram(tokens)) for tokens in (X, Y)]
    streams = [StreamedRSM(gram, kernel, memory=48 * 21 * 5) for gram in grams]
    assert [rows for rows, _ in streams[0].blocks()] == [slice(k, min(k + 5, 21)) for k in range(0, 21, 5)]
    scale = np.abs(plain[0]).max()
    assert np.allclose(np.concatenate([block for _, block in streams[0].blocks()]), plain[0], atol=2e-4 * scale)
    found, expected = jackknife(cka, *streams), jackknife(cka, *plain)
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=5e-3)
    assert cka(*streams) == found.value
    assert repr(streams[0]).endswith("21 x 21)")


def test_a_kernel_that_may_depend_on_all_of_the_gram_is_refused(tmp_path):
    gram = matched_gram(X, store=tmp_path / "rsm.zarr")
    with pytest.raises(ValueError, match=r"`kernel` must be cosine, inner_product, rbf or partial\(rbf, sigma=...\)"):
        StreamedRSM(gram, lambda gram: gram.products)
    with pytest.raises(ValueError, match="`memory` must be an integer >= 1"):
        StreamedRSM(gram, cosine, memory=0)


def test_the_rbf_takes_the_width_that_it_takes_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)
    for y in (None, Y[:20]):
        gram = matched_gram(X, y, store=tmp_path / f"{y is None}.zarr")
        small = gram.within(72 * 21 * 2)
        with pytest.raises(ValueError, match="`gram` must be read in parts of at most"):
            _ = small.products
        assert rbf_sigma(small) == rbf_sigma(gram)  # to the last bit
    gram = matched_gram(X, store=tmp_path / "True.zarr")
    rows = np.concatenate([block for _, block in StreamedRSM(gram, rbf, memory=1).blocks()])
    assert np.array_equal(rows, rbf(gram))
