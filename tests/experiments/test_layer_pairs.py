"""Layers against layers: the same numbers put together by hand."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from helpers.analyses import LABELS, labelled_analysis, labelled_tokens, make_images

import semrsm_widgets as srsm
from semrsm_widgets.experiments import layer_pairs

N, S, D = 8, 6, 5


def test_tables_hold_the_statistics_of_the_rsms():
    a, b = labelled_analysis((1, 2)), labelled_analysis((3,))
    found = srsm.compare(a, b, permutations=19)
    assert found.layers_a == ("layer 1", "layer 2")
    assert found.layers_b == ("layer 3",)
    K, L = a.rsm("layer 2"), b.rsm("layer 3")
    assert found.table().shape == (2, 1)
    assert found.table()[1, 0] == pytest.approx(srsm.cka(K, L), abs=1e-12)
    assert found.table("pooled")[0, 0] == pytest.approx(
        srsm.cka(a.similarities("layer 1").pooled, b.similarities("layer 3").pooled), abs=1e-12
    )
    row = next(r for r in found.rows if (r.layer_a, r.similarity) == ("layer 2", "semantic"))
    expected = srsm.jackknife(srsm.cka, K, L)
    assert (row.low, row.high, row.n) == (expected.low, expected.high, N)
    assert row.p_value == srsm.permutation_test(srsm.cka, K, L, n=19).p_value
    assert row.smallest_eigenvalue_a == srsm.smallest_eigenvalue(K)
    assert found.to_frame().shape == (6, 13)
    assert np.isnan(srsm.compare(a, b).rows[0].p_value)


def test_a_layer_is_like_itself_under_every_statistic():
    for statistic in (srsm.cka, partial(srsm.rsa, method="kendall")):
        found = srsm.compare(labelled_analysis(), statistic=statistic, kernel=srsm.rbf)
        assert np.allclose(np.diag(found.table()), 1)
        assert np.allclose(found.table(), found.table().T)
        assert found.rows[0].kernel == "rbf"
    assert found.rows[0].statistic == "rsa(method=kendall)"


def test_an_undefined_entry_is_nan_with_its_reason():
    analysis = labelled_analysis((1,))
    analysis.tokens["flat"] = srsm.Tokens(values=torch.ones(N, S, D, dtype=torch.float64), layer="flat")
    for kernel, reason in ((srsm.cosine, "an RSM that varies"), (srsm.rbf, "images that differ")):
        found = srsm.compare(analysis, kernel=kernel)
        row = next(r for r in found.rows if (r.layer_a, r.layer_b, r.similarity) == ("layer 1", "flat", "semantic"))
        assert math.isnan(row.value)
        assert reason in row.reason
        assert found.table()[0, 0] == pytest.approx(1)


def test_other_images_or_another_order_are_refused():
    images = make_images(labels=LABELS)
    a = labelled_analysis(images=images)
    with pytest.raises(ValueError, match=r"same order.*Order them alike"):
        srsm.compare(a, labelled_analysis(images=images.select(range(N - 1, -1, -1))))
    named = srsm.load_images([images.image(i) for i in range(N)])
    other = srsm.Images(ids=("x", *named.ids[1:]), sources=named.sources)
    with pytest.raises(ValueError, match="2 that are in one of them only"):
        srsm.compare(a, labelled_analysis(images=other))
    few = srsm.Analysis(images.select(range(3)), {"a": labelled_tokens(1, n=3)})
    with pytest.raises(ValueError, match="at least 4 images"):
        srsm.compare(few)
    with pytest.raises(TypeError, match="an Analysis"):
        srsm.compare(a.rsm("layer 1"))
    with pytest.raises(ValueError, match="Did you mean 'semantic'"):
        srsm.compare(a, similarities=["semantc"])


def test_a_bar_reckons_with_what_is_made_ready_and_nothing_for_mirror_images():
    costs = layer_pairs._costs([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")], 2.0, mirrored=True)
    assert costs == [2.0, 2.0, 0.0, 2.0]
    assert layer_pairs._costs([("a", "b"), ("b", "a")], 2.0, mirrored=False) == [2.0, 2.0]
    quick = layer_pairs.comparing_seconds(srsm.cka, 300, 2, 0)
    ranked = layer_pairs.comparing_seconds(srsm.rsa, 300, 2, 0)
    anew = layer_pairs.comparing_seconds(partial(srsm.rsa, method="kendall"), 300, 2, 0)
    assert quick < ranked
    assert sum(anew) > 100 * sum(ranked)  # three hundred times
    assert layer_pairs.comparing_seconds(srsm.cka, 300, 2, 999)[1] > 100 * quick[1]
