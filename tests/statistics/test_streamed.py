"""Comparisons of RSMs that are read block by block: those of matrices in memory, with their intervals."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
from helpers.blocks import Blocks

from semrsm_widgets.common import Meter
from semrsm_widgets.statistics import (
    UndefinedStatisticError,
    cka,
    jackknife,
    rsa,
)

RNG = np.random.default_rng(1)


def rsm(n=23, scale=1.0, level=0.0):
    values = RNG.normal(size=(n, 40))
    return scale * np.corrcoef(values + values[:1]) + level


@pytest.mark.parametrize("statistic", [cka, partial(cka, unbiased=False), partial(rsa, method="pearson")])
@pytest.mark.parametrize(("scale", "level"), [(1.0, 0.0), (1e-6, 5.0), (1e120, 0.0), (1e-160, 0.0)])
@pytest.mark.parametrize("step", [1, 5, 23])
def test_blocks_give_what_matrices_give(statistic, scale, level, step):
    K, L = rsm(scale=scale, level=level), rsm()
    assert statistic(Blocks(K, step), Blocks(L, step)) == pytest.approx(statistic(K, L), abs=1e-9)
    found, expected = jackknife(statistic, Blocks(K, step), Blocks(L, step)), jackknife(statistic, K, L)
    assert found.n == expected.n
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-8)


def test_rows_that_are_read_move_a_bar_and_a_callback_ends_them():
    told = []

    def tell(done, total):
        told.append(done)
        if done >= ends:
            raise InterruptedError

    for ends in (200, 50):
        told.clear()
        with (
            Meter("Comparing", tell, in_percent=True) as meter,
            nullcontext() if ends > 100 else pytest.raises(InterruptedError),
        ):
            meter(0, 1)
            jackknife(cka, Blocks(rsm()), Blocks(rsm()))
            meter(1, 1)
        assert told == sorted(told)
        assert len(set(told)) > 5
        assert 50 <= told[-1] <= min(100, ends + 10)


def test_what_needs_all_pairs_at_once_is_refused_and_says_what_does_not():
    K, L = Blocks(rsm()), Blocks(rsm())
    refusal = r'`method` must be "pearson" or "spearman", of RSMs that are read in blocks; got "kendall" of 23 images'
    with pytest.raises(ValueError, match=rf"{refusal}, which takes some 4.8e-05 GB of memory"):  # 90 bytes an entry
        rsa(K, L, method="kendall")
    with pytest.raises(ValueError, match=refusal):
        rsa([[1.0]], L, method="kendall")
    with pytest.raises(ValueError, match=refusal):
        jackknife(partial(rsa, method="kendall"), K, L)
    with pytest.raises(ValueError, match="`statistic` must be cka, or rsa by"):
        jackknife(lambda a, b: 0.5, K, L)
    with pytest.raises(TypeError, match="`L` must be read in blocks as the other one is"):
        cka(K, rsm())
    with pytest.raises(ValueError, match=r"`L` must be of the shape of K, \(23, 23\)"):
        cka(K, Blocks(rsm(9)))
    with pytest.raises(ValueError, match="`L` must be read in the blocks of K"):
        cka(K, Blocks(rsm(), step=4))
    with pytest.raises(ValueError, match="`K` must be of at least 4 images; got 3"):
        cka(Blocks(rsm(3)), Blocks(rsm(3)))
    broken = rsm()
    broken[7, 7] = np.nan
    with pytest.raises(ValueError, match="`K` must be finite; got NaN or infinity in rows 5 to 9"):
        cka(Blocks(broken), L)
    with pytest.raises(UndefinedStatisticError, match="`L` must be an RSM that varies"):
        cka(K, Blocks(np.full((23, 23), 0.3)))
