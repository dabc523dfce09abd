"""Every public function and what it refuses: whatever is given for one argument, it answers or names what is wrong."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from helpers.analyses import make_layers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import semrsm_widgets as srsm

MADE_BY_US = {
    "Comparison", "Estimate", "LayerTable", "MatchedGram", "MatcherReport", "Matches", "NullLevel", "PairChange",
    "PatchPlaces", "PermutationTest", "RSMDifference", "Score", "Scores", "SearchResult", "Similarities", "Split",
    "Statistic", "UndefinedStatisticError", "Assignment", "Images", "ExtractionEstimate",
}  # fmt: skip
"""Answers, which users do not make."""
FUNCTIONS = {
    "kernel", "statistic", "progress", "matcher", "reference", "coarse", "layers", "transform", "make", "write_report",
}  # fmt: skip
"""Arguments that are functions of the user's own, who hears what these raise."""
STORED = " in a store"
"""What a name ends with where tokens, or Grams, are in a store."""


class Arguments(dict[str, dict[str, Any]]):
    """Arguments by function, which a failing test does not print."""

    def __repr__(self):
        return "Arguments(...)"


class Odd:
    """What has nothing of a number, a text or a list."""


JUNK = st.one_of(
    st.sampled_from(
        [
            None, "", "a\nb", True, Odd(), object, (), {}, {"a": 1}, {None: None}, {1, 2}, b"abc", 2**70, -1, 0, 3,
            [None], ["a", "b"], [[1, 2], [3]], [2**70], np.zeros(0), np.array([None, Odd()], object), np.array(["a"]),
            np.ma.masked_equal(np.eye(6), 0), np.datetime64("2020-01-01"), torch.eye(6).to_sparse(),
            torch.ones(3, 4, 5, device="meta"), torch.ones(6, 4, 5, requires_grad=True), Path("nowhere") / "x",
        ]
    ),
    st.text(max_size=5),
    st.integers(-3, 9),
    st.floats(),
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.bool_, np.complex128]),
        st.lists(st.integers(0, 6), max_size=4).map(tuple),
    ),
    st.lists(st.integers(-1, 9), max_size=4),
)  # fmt: skip


def the_arguments():
    """Return what every public function here is happy with."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (16, 16, 3), dtype=np.uint8) for _ in range(6)]
    images = srsm.load_images(pictures, labels=list("aabbcc"))
    tokens = make_layers(6, ("a", "b"), (2, 2))
    probabilities = rng.dirichlet(np.ones(4), 6)
    analysis = srsm.Analysis(images, tokens, matcher=srsm.Exact(), probabilities=probabilities)
    x, y = rng.normal(size=(6, 4, 5)).astype("f4"), rng.normal(size=(3, 4, 5)).astype("f4")
    gram = srsm.matched_gram(x)
    K, L = srsm.cosine(gram), srsm.semantic_rsm(rng.normal(size=(6, 4, 5)).astype("f4"))
    start = torch.nn.Conv2d(3, 4, 4, 4)
    model, classifier = (
        srsm.VisionModel(
            torch.nn.Sequential(start, *rest),
            lambda picture: torch.from_numpy(
                np.array(picture.convert("RGB").resize((16, 16)), "f4").transpose(2, 0, 1) / 255
            ),
        )
        for rest in ([torch.nn.ReLU()], [torch.nn.Flatten(), torch.nn.Linear(64, 5)])
    )
    hit = analysis.matches("a", 0, 1)
    stored = srsm.extract(model, pictures, "0", store="tokens.zarr", workers=0)["0"]
    srsm.matched_gram(stored, store="gram.zarr")
    return Arguments(
        {
            "affinity": {"x": x[:3], "y": y},
            "aligned_rsm": {"x": x},
            "Analysis": {"images": images, "tokens": tokens},
            "Analysis in a store": {"images": images, "tokens": {"0": stored}, "store": "grams.zarr"},
            "Auction": {},
            "AuctionStepper": {"source": analysis},
            "average_precision": {"ranking": [[1, 0, 2]], "relevant": [[True, False, True]]},
            "BatchOptimal": {"window": 2},
            "chance_average_precision": {"relevant": 2, "total": 5},
            "cka": {"K": K, "L": L},
            "compare": {"analysis_a": analysis},
            "CompareView": {"analysis_a": analysis, "analysis_b": analysis},
            "comparison_figure": {"comparison": srsm.compare(analysis)},
            "contribution_difference": {"hit": hit, "expected": hit},
            "cosine": {"gram": gram},
            "demo_images": {},
            "doubly_centred": {"K": K},
            "dual_bound": {"affinity": x[0] @ x[1].T, "prices": np.zeros(4)},
            "estimate": {"tokens": x},
            "estimate_extraction": {"model": model, "images": pictures, "workers": 0},
            "Exact": {},
            "explore": {"model": analysis},
            "Explorer": {"make": lambda job, explorer: analysis},
            "extract": {"model": model, "images": pictures, "workers": 0},
            "extract_and_predict": {"model": classifier, "images": pictures, "workers": 0},
            "f1_at_k": {"ranking": [[1, 0, 2]], "f1": [[1.0, 0, 0.5]], "k": 2},
            "Greedy": {},
            "hub_counts": {"K": K, "k": 2},
            "Identity": {},
            "inner_product": {"gram": gram},
            "jackknife": {"statistic": srsm.cka, "rsms": (K, L)},
            "js_divergence": {"P": probabilities},
            "label_f1": {"labels": [{"a"}, {"a"}, {"b"}]},
            "layers": {"model": model},
            "Layout": {"axes": "NLC", "grid": (2, 2)},
            "load_images": {"source": pictures},
            "load_model": {"name": "test_resnet", "pretrained": False},
            "matched_gram": {"x": x, "y": y},
            "matched_gram in a store": {"x": stored, "store": "gram.zarr"},
            "matcher_report": {"tokens": x, "matchers": [srsm.Exact()]},
            "matchers_figure": {"report": srsm.matcher_report(x, [srsm.Exact(), srsm.Identity()])},
            "nearest": {"K": K},
            "open_gram": {"store": "gram.zarr"},
            "open_tokens": {"store": "tokens.zarr"},
            "output_agreement": {"analysis": analysis},
            "PairView": {"analysis": analysis},
            "permutation_test": {"statistic": srsm.cka, "K": K, "L": L, "n": 19},
            "pooled_rsm": {"x": x},
            "predict": {"model": classifier, "images": pictures, "workers": 0},
            "rbf": {"gram": gram},
            "rbf_sigma": {"gram": gram},
            "retrieval_scores": {"source": analysis},
            "RetrievalView": {"analysis": analysis},
            "rsa": {"K": K, "L": L},
            "rsm_difference": {"K": K, "L": L},
            "RSMView": {"analysis": analysis},
            "scores_figure": {"scores": srsm.retrieval_scores(analysis, k=2)},
            "search": {"query": x[:2], "database": x, "k": 2},
            "search in a store": {"query": x[:2, :, :4], "database": stored, "k": 2},
            "Selection": {"images": images},
            "semantic_rsm": {"x": x},
            "smallest_eigenvalue": {"K": K},
            "StaticReport": {"html": ""},
            "StreamedRSM": {"gram": gram, "kernel": srsm.cosine},
            "Tokens": {"values": torch.from_numpy(x)},
            "to_html": {"analysis": analysis, "path": "report.html", "pairs": "current"},
            "TopKGreedy": {"k": 2},
            "TransformLab": {"model": model, "image": pictures[0]},
            "translation_test": {"model": model, "images": pictures, "overlaps": [0.5], "matcher": srsm.Exact()},
            "VisionModel": {"module": model.module, "transform": model.transform},
        }
    )


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """Arguments by function, made in a folder that takes what is written."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(tmp_path_factory.mktemp("doors"))
        yield the_arguments()


def public(name):
    """Return a public function by its name here."""
    return getattr(srsm, name.removesuffix(STORED))


def arguments_of(function):
    """Return the names of what a function takes: a view's traits, too, where it takes them."""
    known = inspect.signature(function).parameters
    names = {name for name, each in known.items() if each.kind is not each.VAR_KEYWORD}
    if len(names) < len(known):
        names |= {name for name, trait in function.class_traits().items() if "semrsm" in trait.this_class.__module__}
    return sorted(name for name in names if not name.startswith("_"))


def call(name, arguments):
    """Call a public function with arguments by name; a view is closed again."""
    several = arguments.get("rsms", ())
    one = {key: value for key, value in arguments.items() if key not in ("rsms", "statistic")}
    if name == "jackknife":
        srsm.jackknife(arguments["statistic"], *several, **one)
        return
    found = public(name)(**arguments)
    if isinstance(found, traitlets.HasTraits):
        found.close()


def test_every_public_function_is_tried_here(arguments):
    functions = {name for name in srsm.__all__ if callable(getattr(srsm, name))}
    assert functions - set(arguments) == MADE_BY_US
    assert {public(name) for name in set(arguments) - functions} <= {public(name) for name in functions}


NAMES = sorted({name for name in srsm.__all__ if callable(getattr(srsm, name))} - MADE_BY_US)
NAMES += [f"{name}{STORED}" for name in ("Analysis", "matched_gram", "search")]
COUNTS = {"image_size", "n", "permutations"}
"""What may be as large as is asked for, which nobody waits for here."""
FEWER = {"load_model", "to_html", f"search{STORED}", "translation_test"}
"""What takes long, and is tried less often."""


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_or_names_what_is_wrong(arguments, name):
    known = arguments_of(public(name))

    @settings(
        max_examples=30 if name in FEWER else 100, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(changed=st.sampled_from(known or [""]), junk=JUNK)
    def answers_or_names(changed, junk):
        if known and not (changed in COUNTS and is_large(junk)):
            try_with(arguments[name], name, known, changed, junk)

    answers_or_names()


def is_large(value):
    """Return whether a picture of so many pixels a side, or so many permutations, would take for ever."""
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind == "i":
        value = value.item()
    return isinstance(value, int) and value > 100


def try_with(arguments, name, known, changed, junk):
    """Call a public function with something else for one argument."""
    value = (junk, junk) if changed == "rsms" else junk
    said = None
    try:
        call(name, arguments | {changed: value})
    except (TypeError, ValueError, OSError, traitlets.TraitError) as error:
        if changed in FUNCTIONS and callable(junk):
            return
        said = f"{type(error).__name__}: {error}"
    if said is not None:
        named = re.findall(r"`(\w+)|The '(\w+)' trait|: (image) '", said)
        named = {word for words in named for word in words}
        assert named & {*known, "image", "label"}, f"{changed}={junk!r}: {said}"
