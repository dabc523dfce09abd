"""Views that are shown take whatever is set or sent: a trait's error, or what it means; and they go on after it."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import torch
import traitlets
from helpers.analyses import make_analysis, noise
from helpers.views import ask, finished
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import semrsm_widgets as srsm

VIEWS = {
    "RSMView": lambda: srsm.RSMView(make_analysis(4)),
    "PairView": lambda: srsm.PairView(make_analysis(4)),
    "RetrievalView": lambda: srsm.RetrievalView(make_analysis(4)),
    "CompareView": lambda: srsm.CompareView(make_analysis(4), make_analysis(4, seed=1)),
    "AuctionStepper": lambda: srsm.AuctionStepper(np.eye(3)),
    "TransformLab": lambda: srsm.TransformLab(
        srsm.VisionModel(
            torch.nn.Sequential(torch.nn.Conv2d(3, 4, 4, 4), torch.nn.ReLU()),
            lambda picture: torch.from_numpy(
                np.array(picture.convert("RGB").resize((16, 16)), "f4").transpose(2, 0, 1) / 255
            ),
        ),
        noise(),
    ),
    "Explorer": lambda: srsm.explore(make_analysis(4)),
}


class Odd:
    """What has nothing of a number, a text or a list."""

    def __eq__(self, other):
        raise RuntimeError("compares with nothing")

    __hash__ = None


JUNK = st.one_of(
    st.sampled_from(
        [
            None, "", "a\nb\x1b[2J", "</script>", True, Odd(), object, (), {}, {"a": 1}, {None: None}, {1, 2}, b"abc",
            2**70, -1, 0, 1, 3, (0, 0), (0, 99), (1, 2, 3), (0.5, 1), ("a", "b"), [0, 1], [None], [[1, 2], [3]],
            np.zeros(0), np.zeros((4, 4)), np.arange(2), np.int64(1), np.array(["a"]),
            np.datetime64("2020-01-01"), torch.zeros(2), float("nan"), float("inf"), "\ud800", "a" * 9000,
            range(3), lambda: 3, srsm.cosine, srsm.Exact(),
        ]
    ),
    st.text(max_size=5),
    st.integers(-3, 9),
    st.floats(),
    st.tuples(st.integers(-2, 9), st.integers(-2, 9)),
    st.lists(st.integers(-1, 9), max_size=4),
)  # fmt: skip


def own_traits(view):
    """Return the names of what a user may set."""
    traits = type(view).class_traits().items()
    return sorted(
        name for name, trait in traits if not name.startswith("_") and "semrsm" in trait.this_class.__module__
    )


def settled_again(view):
    """Have a view come to its end; return what it and its parts say of their last errors."""
    assert finished(view), view.status
    return "".join(part.last_error for part in parts_of(view))


def parts_of(view):
    """Return the views that a view consists of, or itself alone."""
    return [inner for part in view.views for inner in parts_of(part)] if hasattr(view, "views") else [view]


def forget_errors(view):
    """Have nothing be said of errors that were asked for."""
    for part in parts_of(view):
        part.last_error = ""


@pytest.fixture(scope="module", params=VIEWS)
def view(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = VIEWS[request.param]()
        assert settled_again(made) == ""
        yield made
        made.close()


hundred = settings(
    max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def test_a_trait_takes_a_value_or_names_itself(view):
    names = own_traits(view)
    before = {name: getattr(view, name) for name in names}

    @hundred
    @given(name=st.sampled_from(names), junk=JUNK)
    def takes_or_names(name, junk):
        try:
            setattr(view, name, junk)
        except (traitlets.TraitError, TypeError, ValueError) as error:
            said = f"{error}"
            assert re.search(rf"`{name}|'{name}' trait|{name}", said), f"{name} = {junk!r}: {said}"
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", said), said
            return
        view.get_state()  # what the page and the notebook get

    takes_or_names()
    assert finished(view), view.status
    for name, value in before.items():
        if not type(view).class_traits()[name].read_only:
            setattr(view, name, value)
    forget_errors(view)
    assert settled_again(view) == ""
    assert {name: getattr(view, name) for name in names if name != "status"} == {
        name: value for name, value in before.items() if name != "status"
    }


KINDS = [
    "ready", "value", "pair", "layer", "pictures", "matches", "start", "cancel", "query", "rank", "thumbnails",
    "window", "cell", "frame", "order", "bid", "step", "save", "report", "box", "", "nothing of the kind",
]  # fmt: skip
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 2**70), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
"""What JSON can say."""
FIELDS = st.dictionaries(
    st.sampled_from(
        ["i", "j", "layer", "pair", "kernel", "index", "token", "row", "column", "top", "level", "request"]
    ),
    st.one_of(PLAIN, st.integers(-1, 4)),
    max_size=5,
)


def test_none_selects_nothing_and_an_error_is_one_line():
    analysis = make_analysis(4)
    explorer = srsm.explore(analysis)
    assert finished(explorer)
    for view in (srsm.RSMView(analysis), explorer):
        view.selection = [1, 2]
        view.selection = None
        assert view.selection.ids == ()
        with pytest.raises(traitlets.TraitError, match=r"got \\x1f\. Give a list"):
            view.selection = "\x1f"
        view.close()


def test_a_page_that_says_anything_is_answered_or_passed_over(view):
    parts = parts_of(view)

    @hundred
    @given(part=st.sampled_from(range(len(parts))), kind=st.one_of(st.sampled_from(KINDS), PLAIN), fields=FIELDS)
    def answers(part, kind, fields):
        ask(parts[part], **{**fields, "kind": kind})

    answers()
    assert finished(view)
    forget_errors(view)  # what a page says that no page of ours does is told in the status line
    for part in parts:
        ask(part, kind="ready")
    assert settled_again(view) == ""
