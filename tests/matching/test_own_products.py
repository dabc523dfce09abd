"""Pairs multiplied by the thread that matches them: the same answers as by torch's products, and true certificates."""

import numpy as np
import pytest
import torch
from helpers.matchers import norms, optima, tokens

from semrsm_widgets.matching import blocks
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.rsm.rsm import matched_gram

GAP = 1e-4


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(1, 1), (5, 5), (20, 33), (33, 20), (49, 49), (64, 64), (80, 80)])
@pytest.mark.parametrize("channels", [1, 7, 16, 300])
def test_pairs_are_within_the_gap_of_the_optimum(sizes, channels, threads):
    x, y = (tokens(seed, 9, size, channels).astype("f4") for seed, size in enumerate(sizes))
    best, scale = optima(x, y), norms(x, y)
    matcher = Auction(gap=GAP, threads=threads)
    gram = matched_gram(x, y, matcher=matcher)
    direct = matcher(x, y)
    for value, bound in ((np.diag(gram.products), np.diag(gram.upper_bound)), (direct.value, direct.upper_bound)):
        assert np.all(best <= bound + 1e-12 * scale)
        assert np.all(np.abs(value - best) <= GAP * scale)
        assert np.all(bound - value <= GAP * scale)


@pytest.mark.parametrize("memory", [2**30, 300_000])  # tokens packed once, and block by block
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_set_with_itself_is_matched_as_by_torch(memory, dtype, scale, monkeypatch):
    x = (torch.from_numpy(tokens(0, 13, 40, 24)) * scale / 50).to(dtype)
    own = matched_gram(x, matcher=Auction(threads=2), memory=memory)
    monkeypatch.setattr(blocks, "own_multiplier", lambda *_: None)
    by_torch = matched_gram(x, matcher=Auction(threads=2), memory=memory)
    assert np.all(np.abs(own.products - by_torch.products) <= GAP * own.norms)
    assert np.all(own.products <= by_torch.upper_bound + 1e-6 * own.norms)
    assert np.all(by_torch.products <= own.upper_bound + 1e-6 * own.norms)


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e30])
def test_scales_that_float32_products_do_not_hold_are_taken_out(scale):
    x = tokens(0, 4, 30, 8)
    usual, scaled = matched_gram(x.astype("f4")), matched_gram((x * scale).astype("f4"))
    assert np.allclose(scaled.products / scaled.norms, usual.products / usual.norms, atol=2 * GAP)
    direct = Auction()((x[:2] * scale).astype("f4"), (x[2:] * scale).astype("f4"))
    assert np.allclose(direct.value, np.diag(scaled.products[:2, 2:]), rtol=1e-3)


def test_threads_change_no_number():
    x = tokens(0, 20, 49, 32).astype("f4")
    one, two = (matched_gram(x, matcher=Auction(threads=threads)) for threads in (1, 2))
    assert np.array_equal(one.products, two.products)
    assert np.array_equal(one.upper_bound, two.upper_bound)
    direct = [Auction(threads=threads)(x[:10].repeat(40, 0), x[10:].repeat(40, 0)) for threads in (1, 2)]
    assert np.array_equal(direct[0].value, direct[1].value)
    assert np.array_equal(direct[0].permutation, direct[1].permutation)


@pytest.mark.parametrize("giant", [1, 1e4])  # a token so large that some pairs are solved again
@pytest.mark.parametrize("sizes", [(60, 60), (60, 71)])
def test_compiled_code_goes_through_blocks_as_the_interpreter_does(giant, sizes, monkeypatch):
    x = tokens(0, 30, sizes[0], 4).astype("f4")
    x[:, 5] *= giant
    y = None if sizes[0] == sizes[1] else tokens(1, 7, sizes[1], 4).astype("f4")
    if y is not None:
        y[:, 7] *= giant
    for threads in (1, 2):
        matcher = Auction(threads=threads, gap=1e-6)
        compiled = matched_gram(x, y, matcher=matcher)
        with monkeypatch.context() as patch:
            patch.setattr(Auction, "limits", lambda *_: None)
            block_by_block = matched_gram(x, y, matcher=matcher)
        assert np.array_equal(compiled.products, block_by_block.products)
        assert np.array_equal(compiled.upper_bound, block_by_block.upper_bound)
        assert compiled.fallbacks == block_by_block.fallbacks
        assert bool(compiled.fallbacks.float64) == (giant > 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_blocks_end_when_nobody_waits(threads):
    x = tokens(0, 100, 196, 64).astype("f4")
    told = []

    def stop(done, total):
        told.append((done, total))
        if len(told) > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matched_gram(x, matcher=Auction(threads=threads, gap=2e-6), progress=stop)
    assert told[-1][0] < told[-1][1]
