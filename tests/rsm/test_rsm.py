"""RSMs against golden matrices, textbook loops and their own certificates."""

import numpy as np
import pytest
import torch
from helpers.matchers import GOLDEN, every, few, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.assignment import Assignment, Fallbacks
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.exact import Exact, Identity
from semrsm_widgets.rsm.kernels import cosine, inner_product, rbf, rbf_sigma
from semrsm_widgets.rsm.rsm import aligned_rsm, matched_gram, pooled_rsm, semantic_rsm
from semrsm_widgets.tokens.tokens import Tokens

layers = pytest.mark.parametrize("layer", ["blocks.4", "blocks.6"])


@layers
@pytest.mark.parametrize("matcher", [Exact(), Auction(gap=1e-6), Auction(gap=1e-7)], ids=repr)
def test_semantic_rsms_equal_the_golden_ones(layer, matcher):
    gram = matched_gram(GOLDEN[f"{layer}/tokens"], matcher=matcher)
    sigma = float(GOLDEN[f"{layer}/semantic/sigma"])
    assert np.abs(cosine(gram) - GOLDEN[f"{layer}/semantic/cosine"]).max() < 1e-6
    assert np.abs((inner_product(gram) - GOLDEN[f"{layer}/semantic/inner_product"]) / gram.norms).max() < 1e-6
    assert np.abs(rbf(gram, sigma) - GOLDEN[f"{layer}/semantic/rbf"]).max() < 1e-6
    assert rbf_sigma(gram) == pytest.approx(sigma, rel=1e-6)
    assert gram.gap.max() <= getattr(matcher, "gap", 0)
    assert gram.fallbacks == Fallbacks()


@layers
@pytest.mark.parametrize(("kind", "rsm"), [("aligned", aligned_rsm), ("pooled", pooled_rsm)])
def test_aligned_and_pooled_rsms_equal_the_golden_ones(layer, kind, rsm):
    x = GOLDEN[f"{layer}/tokens"]
    assert np.abs(rsm(x) - GOLDEN[f"{layer}/{kind}/cosine"]).max() < 1e-9
    assert np.allclose(rsm(x, kernel=inner_product), GOLDEN[f"{layer}/{kind}/inner_product"], rtol=1e-9)
    assert np.abs(rsm(x, kernel=rbf) - GOLDEN[f"{layer}/{kind}/rbf"]).max() < 1e-9


@every
@few
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 12), m=st.integers(1, 12), size=st.integers(1, 20))
def test_every_pair_is_the_pair_itself(row, seed, n, m, size):
    x, y = tokens(seed, n, size).astype(np.float32), tokens(seed + 1, m, size).astype(np.float32)
    gram = matched_gram(x, y, matcher=row.matcher)
    i, j = (k.ravel() for k in np.indices((n, m)))
    alone = row.matcher(x[i], y[j])
    slack = 2.1e-4 if row.gap == 1e-4 else 3e-6
    assert np.allclose(gram.products[i, j] / gram.norms[i, j], alone.value / gram.norms[i, j], rtol=0, atol=slack)
    assert np.array_equal(np.isinf(gram.upper_bound[i, j]), np.isinf(alone.upper_bound))
    if row.gap is not None:
        assert gram.gap.max() <= row.gap
        assert np.all(gram.upper_bound >= gram.products)


@every
@few
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 20), size=st.integers(1, 20))
def test_a_set_with_itself_is_symmetric_with_its_norms_on_the_diagonal(row, seed, n, size):
    x = tokens(seed, n, size).astype(np.float32)
    gram = matched_gram(x, matcher=row.matcher)
    assert np.array_equal(gram.products, gram.products.T)
    assert np.array_equal(np.diag(gram.products), gram.x_sq_norms)
    assert np.allclose(gram.x_sq_norms, np.square(x.astype(float)).sum((1, 2)), rtol=1e-12)
    assert np.all(np.diag(gram.gap) == 0)
    assert np.all(np.diag(cosine(gram)) == 1)
    against = matched_gram(x, x, matcher=row.matcher)
    slack = 2e-4 if row.gap == 1e-4 else 3e-6
    off = ~np.eye(n, dtype=bool)
    assert np.allclose(cosine(gram)[off], cosine(against)[off], rtol=0, atol=slack)


def test_an_all_zero_image_is_zero_everywhere_with_one_warning():
    x = tokens(0, 5)
    x[2] = 0
    for matcher in (Auction(), Exact(), Identity()):
        with pytest.warns(RuntimeWarning, match=r"1 images are all zero \(x \[2\]\)") as caught:
            gram = matched_gram(x, matcher=matcher)
        assert len(caught) == 1
        assert np.all(cosine(gram)[2] == 0)
        assert np.all(inner_product(gram)[2] == 0)
        assert np.all(gram.gap[2] == 0)
    assert np.all(np.isfinite(rbf(gram)))


def test_bad_tokens_are_refused_with_image_and_layer():
    x = torch.from_numpy(tokens(0, 5))
    x[3, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"NaN in image 3 at layer 'blocks\.2'"):
        matched_gram(Tokens(values=x, layer="blocks.2"))
    with pytest.raises(ValueError, match=r"`y`.*NaN in image 3"):
        matched_gram(tokens(0), x)
    with pytest.raises(ValueError, match=r"same layer"):
        matched_gram(tokens(0), tokens(0, channels=7))
    with pytest.raises(TypeError, match="`matcher` must be a matcher"):
        matched_gram(tokens(0), matcher="auction")
    with pytest.raises(ValueError, match="of magnitude below"):
        matched_gram(tokens(0) * 1e100)


def test_tokens_of_every_kind_are_read():
    x = tokens(0, 4).astype(np.float32)
    expected = matched_gram(x).products
    grid = Tokens(values=torch.from_numpy(x), grid=(3, 4), layer="a")
    readonly = x.copy()
    readonly.flags.writeable = False
    requiring = torch.from_numpy(x.copy()).requires_grad_()
    for same in (grid, torch.from_numpy(x), readonly, np.asfortranarray(x), x.astype(">f4"), requiring, x[::-1][::-1]):
        assert np.array_equal(matched_gram(same).products, expected)


def test_any_function_of_the_signature_is_a_matcher():
    def reversal(x, y):
        count, size = x.shape[:2]
        value = (x * y.flip(1)).sum((1, 2)).double().numpy()
        return Assignment(np.tile(np.arange(size)[::-1], (count, 1)), value, np.full(count, np.inf))

    x = tokens(0, 5)
    gram = matched_gram(x, matcher=reversal)
    assert gram.products[1, 3] == pytest.approx((x[1] * x[3][::-1]).sum())


@every
def test_progress_counts_every_pair_and_may_cancel(row):
    x = tokens(0, 20, 30)
    seen = []
    matched_gram(x, matcher=row.matcher, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (190, 190)
    assert seen == sorted(seen)

    class CancelledError(Exception):
        pass

    def stop(done, total):
        raise CancelledError

    with pytest.raises(CancelledError):
        matched_gram(x, matcher=row.matcher, progress=stop)
    assert matched_gram(x, matcher=row.matcher).products[0, 1] == pytest.approx(
        row.matcher(x[:1], x[1:2]).value[0], rel=1e-3, abs=1e-2
    )


def test_ctrl_c_is_raised_again():
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matched_gram(tokens(0, 10), progress=interrupt)


def test_a_pair_that_does_not_fit_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"one pair of 200 x 200 tokens.*Pass memory=\d+, or pool"):
        matched_gram(tokens(0, 2, 200), memory=10_000)


@pytest.mark.parametrize("memory", [400_000, 2**30])
def test_a_small_budget_gives_the_same_gram(memory):
    x = tokens(0, 9, 60, 7).astype(np.float32)
    gram = matched_gram(x, matcher=Auction(gap=1e-6), memory=memory)
    assert np.allclose(cosine(gram), cosine(matched_gram(x, matcher=Exact())), rtol=0, atol=1.3e-6)


def test_kernels_reach_the_rsm():
    x = tokens(0, 4)
    assert np.array_equal(
        semantic_rsm(x, kernel=inner_product, matcher=Exact()), matched_gram(x, matcher=Exact()).products
    )
    assert np.allclose(semantic_rsm(x, x[:2]), semantic_rsm(x)[:, :2], atol=2e-4)


@pytest.mark.parametrize("rsm", [semantic_rsm, aligned_rsm, pooled_rsm])
def test_a_kernel_by_name_is_refused_before_anything_is_matched(rsm):
    with pytest.raises(TypeError, match=r"`kernel` must be .* got 'rbf'. They are functions"):
        rsm(np.ones((2, 3, 4)), kernel="rbf")


def test_a_matcher_that_was_not_made_is_refused():
    with pytest.raises(TypeError, match=r"`matcher` must be a matcher, such as Auction\(\)"):
        matched_gram(np.ones((2, 3, 4)), matcher=Exact)
