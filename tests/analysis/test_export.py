"""xarray, rsatoolbox and pandas get the same numbers, with their names."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from helpers.analyses import N, make_analysis

import semrsm_widgets as srsm


@pytest.fixture(scope="module")
def analysis():
    return make_analysis(labels=None, grid=(2, 3), matcher=srsm.Auction(), dtype=np.float64)


def test_xarray_has_every_rsm_under_its_name(analysis):
    pytest.importorskip("xarray")
    array = analysis.to_xarray()
    assert array.dims == ("layer", "similarity", "image", "other_image")
    picked = array.sel(layer="b", similarity="semantic", image="1", other_image="3").item()
    assert picked == analysis.rsm("b")[1, 3]
    assert np.array_equal(array.sel(layer="a", similarity="pooled"), analysis.similarities("a").pooled)
    assert array.coords["null_mean"].sel(layer="a") == analysis.null("a").mean
    assert array.name == "cosine"
    assert "image" in array.attrs["provenance"]


def test_a_frame_has_every_pair_with_its_null_and_its_parts(analysis):
    table = analysis.to_frame()
    assert len(table) == 2 * 3 * N * (N - 1) // 2
    line = table.query("layer == 'b' and similarity == 'semantic' and image == '1' and other_image == '3'").iloc[0]
    assert line["value"] == analysis.rsm("b")[1, 3]
    assert line["high"] == analysis.similarities("b").upper[1, 3]
    assert line["null"] == analysis.null("b").mean
    assert line["excess"] == line["value"] - line["null"]
    assert line["any_matching"] + line["best_matching_adds"] == pytest.approx(line["value"])
    assert line["any_matching"] == pytest.approx(analysis.matches("b", 1, 3).any_matching)
    assert table.query("similarity == 'pooled'")["null"].isna().all()


@pytest.mark.parametrize("kernel", [srsm.cosine, srsm.inner_product])
def test_rsatoolbox_gets_dissimilarities(analysis, kernel):
    pytest.importorskip("rsatoolbox")
    rdms = analysis.to_rdms(kernel)
    assert rdms.n_rdm == 6
    assert rdms.n_cond == N
    matrix = rdms.subset("layer", "b").subset("similarity", "aligned").get_matrices()[0]
    K = analysis.rsm("b", kernel, matcher=srsm.Identity())
    if kernel is srsm.cosine:
        assert np.allclose(matrix, 1 - K)
    else:
        x = analysis.tokens["b"].values.numpy().reshape(N, -1)
        assert np.allclose(matrix, np.square(x[:, None] - x[None]).sum(2) / 2)
    assert rdms.pattern_descriptors["image"] == list(analysis.images.ids)


def test_a_missing_package_says_what_to_install(analysis, monkeypatch):
    for package, call in (
        ("xarray", analysis.to_xarray),
        ("rsatoolbox", analysis.to_rdms),
        ("pandas", analysis.matches("a", 0, 1).to_frame),
        ("pandas", analysis.to_frame),
    ):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.rdm", None)
        with pytest.raises(ImportError, match=rf'{package} is not installed.*pip install "semrsm-widgets\[interop\]"'):
            call()
