"""How pairs are cut into blocks: within the budget of memory, and each pair once."""

import numpy as np
import pytest
from helpers.matchers import tokens

from semrsm_widgets.matching import block_plan
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.matcher import PairJob
from semrsm_widgets.matching.token_set import TokenSet


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("memory", [300_000, 3_000_000, 2**28])
def test_blocks_keep_to_the_budget(own, ahead, memory, monkeypatch):
    monkeypatch.setattr(block_plan, "works_ahead", lambda device: ahead)
    if not own:
        monkeypatch.setattr(block_plan, "multiplier", lambda: None)
    x = TokenSet.read("x", tokens(0, 40, 100, 7))
    job = PairJob(x=x, y=x, symmetric=True, memory=memory)
    tall, wide, need = block_plan.block_shape(Auction(threads=2), job)
    held = (3 if ahead else 1) * tall * wide * 100 * 100 * 4
    assert held < need <= memory


def test_threads_are_fewer_where_memory_allows_for_a_pair_on_few_of_them():
    x = TokenSet.read("x", tokens(0, 9, 300, 4).astype("f4"))
    need = []
    for memory, least, most in [(2**28, 4, 4), (1_900_000, 2, 3), (800_000, 1, 1)]:
        job = PairJob(x=x, y=x, symmetric=True, memory=memory)
        tall, wide, threads, bytes_ = block_plan.own_blocks(Auction(threads=4), job)
        assert least <= threads <= most
        assert threads * tall * wide * 300 * 304 * 4 < bytes_ <= memory
        need.append(bytes_)
    assert need == sorted(need, reverse=True)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("sides", [(1, 1), (3, 4), (20, 30)])
def test_blocks_cover_every_pair_once(symmetric, sides):
    seen = np.zeros((11, 11), int)
    for top, bottom, left, right in block_plan.index_blocks(11, 11, *sides, symmetric):
        seen[top:bottom, left:right] += 1
    assert np.all(seen[np.triu_indices(11, 1)] == 1)
    assert symmetric or np.all(seen == 1)
