"""Saving and loading: the same answers, no pickle, no half-written files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from helpers import DATA

import semrsm_widgets as srsm
from semrsm_widgets.analysis.provenance import provenance_card

N, S, D = 5, 6, 4


def make(matcher=None, prefix=False, **options):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (20, 24, 3), dtype=np.uint8) for _ in range(N)]
    images = srsm.load_images(pictures, labels=[{"a"}, {"a", "b"}, {"ü"}, set(), {"b"}])
    tokens = {}
    for name in ("first", "second/part"):
        values = torch.from_numpy(rng.normal(size=(N, S, D)).astype(np.float32))
        aside = torch.from_numpy(rng.normal(size=(N, 2, D)).astype(np.float32)) if prefix else None
        tokens[name] = srsm.Tokens(
            values=values, grid=(2, 3), native_grid=(4, 6), layer=name, prefix=aside, has_class_token=prefix
        )
    return srsm.Analysis(images, tokens, matcher=matcher or srsm.Auction(gap=1e-6), **options)


@pytest.mark.parametrize("tokens", [True, False])
def test_what_is_loaded_answers_the_same(tmp_path, tokens):
    P = np.random.default_rng(1).dirichlet(np.ones(3), size=N)
    before = make(prefix=True, probabilities=P)
    before.save(tmp_path / "a", tokens=tokens)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    after = srsm.Analysis.load(tmp_path / "a.npz")
    assert after.images.ids == before.images.ids
    assert after.images.labels == before.images.labels
    assert np.array_equal(after.images.thumbnail(3), before.images.thumbnail(3))
    assert np.array_equal(after.probabilities, before.probabilities)
    assert after.matcher == before.matcher
    assert repr(after) == repr(before)
    for layer in before.layers:
        assert after.tokens[layer].grid == (2, 3)
        assert after.tokens[layer].native_grid == (4, 6)
        assert after.tokens[layer].values.shape == (N, S, D)
        assert after.has(layer)
        assert after.has_null(layer)
        for kernel in (srsm.cosine, srsm.rbf, srsm.inner_product):
            old, new = before.similarities(layer, kernel), after.similarities(layer, kernel)
            for name in ("aligned", "semantic", "upper", "pooled"):
                assert np.array_equal(getattr(old, name), getattr(new, name))
            assert old.null == new.null
            assert old.sigma == new.sigma
        assert np.array_equal(before.class_token_gram(layer).products, after.class_token_gram(layer).products)
        if tokens:
            assert np.array_equal(after.matches(layer, 0, 1).permutation, before.matches(layer, 0, 1).permutation)


def test_without_tokens_nothing_is_matched_anew_and_the_error_says_so(tmp_path):
    make().save(tmp_path / "a.npz")
    after = srsm.Analysis.load(tmp_path / "a.npz")
    for call in (
        lambda: after.assignment("first", 0, 1),
        lambda: after.matches("first", 0, 1),
        lambda: after.gram("first", matcher=srsm.Greedy()),
        lambda: after.null("first", seed=1),
        lambda: after.estimate("first"),
    ):
        with pytest.raises(ValueError, match=r"saved without its tokens.*tokens=True"):
            call()


def test_the_provenance_card_outlives_a_second_saving(tmp_path):
    before = make()
    before.save(tmp_path / "a.npz")
    once = srsm.Analysis.load(tmp_path / "a.npz")
    once.save(tmp_path / "b.npz")
    twice = srsm.Analysis.load(tmp_path / "b.npz")
    grams = {name: before.gram(name) for name in before.layers}
    card = provenance_card(before.provenance, before.images, before.tokens, grams, before.matcher)
    assert twice.provenance == once.provenance == json.loads(json.dumps(card))
    assert set(card["images"]) == set(before.images.ids)
    assert len(set(card["images"].values())) == N
    assert card["sigma"]["first"] == pytest.approx(srsm.rbf_sigma(before.gram("first")))
    assert card["matcher"] == "Auction(gap=1e-06)"


def test_half_precision_tokens_are_kept(tmp_path):
    before = make()
    for dtype, after_dtype in ((torch.float16, torch.float16), (torch.bfloat16, torch.float32)):
        tokens = {"a": srsm.Tokens(values=before.tokens["first"].values.to(dtype), layer="a")}
        srsm.Analysis(before.images, tokens).save(tmp_path / "a.npz", tokens=True)
        loaded = srsm.Analysis.load(tmp_path / "a.npz").tokens["a"].values
        assert loaded.dtype == after_dtype
        assert torch.equal(loaded.float(), tokens["a"].values.float())


def test_a_matcher_of_the_users_is_named_but_cannot_match(tmp_path):
    def mine(x, y):
        return srsm.Exact()(x, y)

    before = make(matcher=mine)
    before.save(tmp_path / "a.npz", tokens=True)
    after = srsm.Analysis.load(tmp_path / "a.npz")
    assert np.array_equal(after.rsm("first"), before.rsm("first"))
    assert "mine" in repr(after)
    with pytest.raises(ValueError, match=r"matcher .*mine.* is not in the saved file"):
        after.assignment("first", 0, 1)
    assert after.assignment("first", 0, 1, matcher=srsm.Exact()).value[0] > 0


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    make().save(tmp_path / "a.npz")
    old = (tmp_path / "a.npz").read_bytes()

    class StopError(Exception):
        pass

    def stop(file, **_):
        file.write(b"half")
        raise StopError

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(StopError):
        make().save(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 1


def test_one_image_can_be_saved(tmp_path):
    whole = make()
    tokens = {"a": srsm.Tokens(values=whole.tokens["first"].values[:1], layer="a")}
    srsm.Analysis(whole.images.select([0]), tokens).save(tmp_path / "a.npz")
    assert srsm.Analysis.load(tmp_path / "a.npz").rsm("a").tolist() == [[1.0]]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", header=np.array([{}], dtype=object))
    for name in ("text", "other", "pickled"):
        with pytest.raises(ValueError, match=r"a saved Analysis.*analysis\.save"):
            srsm.Analysis.load(tmp_path / f"{name}.npz")
    with pytest.raises(FileNotFoundError):
        srsm.Analysis.load(tmp_path / "none.npz")
    np.savez(tmp_path / "newer.npz", header=np.array(json.dumps({"format": 99})))
    with pytest.raises(ValueError, match="newer version"):
        srsm.Analysis.load(tmp_path / "newer.npz")


def test_queries_are_not_saved_silently(tmp_path):
    analysis = make()
    both = srsm.Analysis(analysis.images, analysis.tokens, queries=analysis.images, query_tokens=analysis.tokens)
    with pytest.raises(ValueError, match="without queries"):
        both.save(tmp_path / "a.npz")


def test_experiments_run_on_what_was_saved_without_tokens(tmp_path):
    P = np.random.default_rng(1).dirichlet(np.ones(3), size=N)
    before = make(prefix=True, probabilities=P)
    before.save(tmp_path / "a.npz")
    after = srsm.Analysis.load(tmp_path / "a.npz")
    assert srsm.output_agreement(after).rows == srsm.output_agreement(before).rows
    assert srsm.retrieval_scores(after, k=2).of("F1@2") == srsm.retrieval_scores(before, k=2).of("F1@2")
    assert srsm.compare(after).rows == srsm.compare(before).rows


def test_a_file_of_the_first_version_opens():
    analysis = srsm.Analysis.load(DATA / "analysis-0.1.0.npz")
    assert analysis.layers == ("first", "second")
    assert analysis.images.labels == (frozenset("a"), frozenset("a"), frozenset("b"), frozenset("bc"))
    assert analysis.matcher == srsm.Auction(gap=1e-6)
    anew = srsm.Analysis(analysis.images, analysis.tokens, matcher=srsm.Exact())
    for layer in analysis.layers:
        assert analysis.has(layer)  # it was in the file
        assert analysis.has_null(layer)
        assert np.allclose(analysis.rsm(layer), anew.rsm(layer), atol=1e-6)
        assert analysis.class_token_gram(layer) is not None
