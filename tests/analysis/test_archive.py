"""Saving and loading: the same answers, no pickle, no half-written files."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile

import numpy as np
import pytest
import torch
from helpers import DATA
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

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


def test_an_interruption_that_zipfile_answers_with_an_error_stays_one(tmp_path, monkeypatch):
    def stop(file, **_):
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("Can't close the ZIP file while there is an open writing handle on it.")

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        make().save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [3, "", b"a.npz", "gone/a.npz", "."])
def test_a_path_that_takes_no_file_is_refused_before_anything_is_matched(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    analysis = make()
    with pytest.raises((TypeError, ValueError), match=r"`path` must be"):
        analysis.save(path)
    assert not analysis.has("first")
    if path != "gone/a.npz":
        with pytest.raises((TypeError, ValueError), match=r"`path` must be"):
            srsm.Analysis.load(path)


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
    # by their texts: NaN is unlike itself, and rows with it are unlike their copies from Python 3.13 on
    assert repr(srsm.output_agreement(after).rows) == repr(srsm.output_agreement(before).rows)
    assert repr(srsm.retrieval_scores(after, k=2).of("F1@2")) == repr(srsm.retrieval_scores(before, k=2).of("F1@2"))
    assert repr(srsm.compare(after).rows) == repr(srsm.compare(before).rows)


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


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the bytes of a saved analysis with tokens and probabilities, and its arrays."""
    path = tmp_path_factory.mktemp("saved") / "a.npz"
    P = np.random.default_rng(1).dirichlet(np.ones(3), size=N)
    make(prefix=True, probabilities=P).save(path, tokens=True)
    with np.load(path) as file:
        return path.read_bytes(), {name: file[name] for name in file.files}


def written(path, arrays):
    np.savez(path, **arrays)
    return path


def with_header(arrays, change):
    header = json.loads(arrays["header"].item())
    change(header)
    return {**arrays, "header": np.array(json.dumps(header))}


HOSTILE = {
    "NaN products": lambda a: {**a, "0/semantic/products": a["0/semantic/products"] * np.nan},
    "infinite products": lambda a: {**a, "0/aligned/products": a["0/aligned/products"] + np.inf},
    "NaN bound": lambda a: {**a, "0/semantic/upper_bound": a["0/semantic/upper_bound"] * np.nan},
    "bound below": lambda a: {**a, "0/semantic/upper_bound": a["0/semantic/upper_bound"] - 1},
    "wrong shape": lambda a: {**a, "1/semantic/products": a["1/semantic/products"][:3]},
    "flat": lambda a: {**a, "1/semantic/products": a["1/semantic/products"].ravel()},
    "float32": lambda a: {**a, "1/semantic/products": a["1/semantic/products"].astype("f4")},
    "not symmetric": lambda a: {**a, "0/semantic/products": np.triu(a["0/semantic/products"]) - 1},
    "negative norms": lambda a: {**a, "0/semantic/x_sq_norms": -a["0/semantic/x_sq_norms"]},
    "no norms": lambda a: {name: each for name, each in a.items() if name != "0/semantic/x_sq_norms"},
    "one member more": lambda a: {**a, "evil": np.zeros(3)},
    "short tokens": lambda a: {**a, "0/values": a["0/values"][:, :3]},
    "NaN tokens": lambda a: {**a, "0/values": a["0/values"] * np.nan},
    "text tokens": lambda a: {**a, "0/values": a["0/values"].astype("U")},
    "uneven null": lambda a: {**a, "0/null/products": a["0/null/products"][:5]},
    "no picture": lambda a: {**a, "thumbnails/1": np.zeros(50, np.uint8)},
    "half a picture": lambda a: {**a, "thumbnails/1": a["thumbnails/1"][:200]},
    "probabilities": lambda a: {**a, "probabilities": a["probabilities"] * 2},
    "fewer probabilities": lambda a: {**a, "probabilities": a["probabilities"][:2]},
    "header is a list": lambda a: {**a, "header": np.array("[1, 2]")},
    "header is deep": lambda a: {**a, "header": np.array("[" * 100_000)},
    "header is bytes": lambda a: {**a, "header": np.array(b"{}")},
    "layer twice": lambda a: with_header(a, lambda h: h["layers"][1].update(name="first")),
    "no layers": lambda a: with_header(a, lambda h: h.update(layers=[])),
    "matcher of elsewhere": lambda a: with_header(a, lambda h: h["matcher"].update(name="eval")),
    "options": lambda a: with_header(a, lambda h: h["matcher"]["options"].update(gap="x")),
    "more options": lambda a: with_header(a, lambda h: h["matcher"]["options"].update(evil=1)),
    "grid": lambda a: with_header(a, lambda h: h["layers"][0]["words"].update(grid=[5, 5])),
    "grid of text": lambda a: with_header(a, lambda h: h["layers"][0]["words"].update(grid="ab")),
    "words": lambda a: with_header(a, lambda h: h["layers"][0]["words"].update(values=[])),
    "sizes": lambda a: with_header(a, lambda h: h["layers"][0]["grams"]["semantic"].update(sizes=[2, 2])),
    "huge shape": lambda a: with_header(a, lambda h: h["layers"][0].update(shape=[N, 10**12, D])),
    "labels": lambda a: with_header(a, lambda h: h.update(labels=[["a"]])),
    "hash": lambda a: with_header(a, lambda h: h["provenance"].update(weights_sha256=5)),
    "format": lambda a: with_header(a, lambda h: h.update(format="1")),
}


EVIL = "x\nraise SystemExit('ran')\x1b[2J\u2028\u202e</script>"
NAMES_IN_A_FILE = {
    "id": lambda h: h["ids"].__setitem__(0, EVIL),
    "label": lambda h: h["labels"].__setitem__(0, [EVIL]),
    "note": lambda h: h.update(note=EVIL),
    "layer": lambda h: h["layers"][0].update(name=EVIL),
    "layer of tokens": lambda h: h["layers"][0]["words"].update(layer=EVIL, note=EVIL, caution=EVIL),
    "matcher of a Gram": lambda h: h["layers"][0]["grams"]["semantic"].update(matcher=EVIL),
    "matcher": lambda h: h.update(matcher={"name": EVIL, "options": {}, "known": False}),
    "model": lambda h: h["provenance"].update(name=EVIL),
    "weights": lambda h: h["provenance"].update(weights=EVIL),
}


@pytest.mark.parametrize("name", NAMES_IN_A_FILE)
def test_what_a_file_calls_anything_is_one_line(name, saved, tmp_path):
    found = srsm.Analysis.load(written(tmp_path / "a.npz", with_header(saved[1], NAMES_IN_A_FILE[name])))
    tokens = [each for layer in found.layers for each in (found.tokens[layer], found.gram(layer))]
    known = found.provenance
    said = [*found.images.ids, *[text for each in found.images.labels for text in each], found.images.note]
    said += [*found.layers, known.get("name") or "", known.get("weights") or "", repr(found.matcher)]
    said += [repr(found), repr(found.images), *map(repr, tokens)]
    said += [text for each in found.tokens.values() for text in (each.layer, each.note, each.caution)]
    said += [found.gram(layer).matcher for layer in found.layers]
    assert any("SystemExit" in text for text in said)
    for text in said:
        assert text.isprintable(), text
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", text), text


def test_a_matcher_whose_name_has_several_lines_is_saved_in_one(tmp_path):
    class Mine:
        def __repr__(self):
            return EVIL * 100

        def __call__(self, x, y):
            return srsm.Exact()(x, y)

    make(matcher=Mine()).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        name = json.loads(file["header"].item())["matcher"]["name"]
    assert len(name) <= 200
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_says_what_cannot_be_is_refused_by_file_and_field(name, saved, tmp_path):
    path = written(tmp_path / "mine.npz", HOSTILE[name](saved[1]))
    with pytest.raises(ValueError, match=r"`path` must be a saved Analysis; got mine\.npz: .+: .+ Give a file"):
        srsm.Analysis.load(path)


def test_compressed_and_doubled_members_are_refused_before_they_are_read(saved, tmp_path):
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, **{**saved[1], "0/values": np.zeros((N, 2**18, D), np.float32)})
    assert bomb.stat().st_size < 200_000
    with pytest.raises(ValueError, match=r"bomb\.npz: the file: members larger than the file"):
        srsm.Analysis.load(bomb)
    twice = tmp_path / "twice.npz"
    twice.write_bytes(saved[0])
    with zipfile.ZipFile(twice, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("header.npy", b"x")
    with pytest.raises(ValueError, match="comes twice"):
        srsm.Analysis.load(twice)
    huge = tmp_path / "picture.npz"
    buffer = io.BytesIO()
    Image.new("L", (5000, 5000)).save(buffer, "PNG")
    written(huge, {**saved[1], "thumbnails/0": np.frombuffer(buffer.getvalue(), np.uint8)})
    with pytest.raises(ValueError, match="thumbnails/0: a picture of"):
        srsm.Analysis.load(huge)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_file_is_refused_or_as_it_was(seed, saved, tmp_path_factory):
    rng = random.Random(seed)
    data = bytearray(saved[0])
    for _ in range(rng.choice([1, 1, 2, 20])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    if rng.random() < 0.2:
        del data[rng.randrange(len(data)) :]
    path = tmp_path_factory.mktemp("damaged") / "a.npz"
    path.write_bytes(data)
    found = loaded(path)
    for layer in () if found is None else found.layers:
        assert np.array_equal(found.rsm(layer), srsm.cosine(make(prefix=True).gram(layer)))


def loaded(path):
    """Return the analysis, or None where its file is refused as it should be."""
    try:
        return srsm.Analysis.load(path)
    except ValueError as error:
        if not str(error).startswith("`path` must be"):
            raise
        return None


def leaves(value, at=()):
    """Yield the paths of all values in a JSON value."""
    yield at
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from leaves(each, (*at, key))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    junk=st.sampled_from([None, True, 0, -1, 2, 10**30, 0.5, float("nan"), "", "a\nb", [], {}, [[]], {"a": 1}]),
)
def test_a_header_with_anything_anywhere_is_refused_or_answers(seed, junk, saved, tmp_path_factory):
    header = json.loads(saved[1]["header"].item())
    at = random.Random(seed).choice([path for path in leaves(header) if path])
    inner = header
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = junk
    arrays = {**saved[1], "header": np.array(json.dumps(header))}
    path = written(tmp_path_factory.mktemp("header") / "a.npz", arrays)
    if (found := loaded(path)) is None:
        return
    assert "\n" not in repr(found)
    for layer in found.layers:
        assert np.isfinite(found.rsm(layer)).all()
        assert "\n" not in repr(found.tokens[layer])
    found.matches(found.layers[0], 0, 1)
