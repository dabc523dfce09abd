"""Python and JavaScript agree on what both know: how numbers are written, which colours mean what, what bytes hold.

Python writes its side into tests/js/twins.json; `npm test` has the page's modules read the same. After a change on
purpose: `python tests/test_page_twins.py` writes the file anew.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

import semrsm_widgets as srsm
from semrsm_widgets.common import describe_seconds
from semrsm_widgets.experiments import LayerPair, rsm_difference
from semrsm_widgets.figures import CORNERS, PALETTE, number
from semrsm_widgets.figures.place_palette import place_colours
from semrsm_widgets.figures.sentences import _at_most
from semrsm_widgets.matching import MOST_BIDS, auction_trace
from semrsm_widgets.report.packing import Blobs, Rounding, pack
from semrsm_widgets.report.products import token_shares
from semrsm_widgets.report.recording import Recorded
from semrsm_widgets.retrieval import Lookup
from semrsm_widgets.rsm import PATCH_SIMILARITIES, NullLevel
from semrsm_widgets.tokens import moved_token
from semrsm_widgets.views.base import Message, plain
from semrsm_widgets.views.base.traits import SimilaritiesTold
from semrsm_widgets.views.compare.messages import cells_message, detail_parts
from semrsm_widgets.views.compare.still import cell_colour, ink_for
from semrsm_widgets.views.pair.messages import matches_message
from semrsm_widgets.views.pair.trust import opacities, verdict
from semrsm_widgets.views.retrieval.messages import RetrievalState, rankings, results_message
from semrsm_widgets.views.rsm import frames as rsm_frames

FILE = Path(srsm.__file__).resolve().parents[1] / "tests" / "js" / "twins.json"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="not a checkout")

NUMBERS = (
    *(0.0, 0.004, 0.005, 0.0049999, 0.00499, 1e-3, 1e-7, 2.34e-12, 0.05, 0.1, 0.5, 1.0, 1.005, 2.675, 3.14159),
    *(9.994, 9.996, 10.0, 10.04, 12.345, 99.94, 99.96, 100.0, 123.456, 99999.4, 99999.6, 100000.0, 123456.0, 7.89e11),
    # What lies half-way: Python writes the even digit.
    *(0.125, 0.375, 0.625, 0.875, 2.5, 10.25, 10.75, 100.5, 101.5, 0.0625, 0.03125),
)
GAPS = (
    0.0,
    1e-9,
    1e-6,
    1.0000001e-6,
    1.1e-6,
    2e-6,
    2e-5,
    3.4e-5,
    9.01e-5,
    1e-4,
    0.00095,
    0.001,
    0.02,
    0.3,
    0.95,
    1.0,
    2.0,
)
CKA = (-1.0, -0.4, -1e-9, 0.0, 0.1, 0.25, 0.5, 0.7, 0.9999, 1.0)
LAYERS = ("left", "right")
WHEN_MEANT = "If that is meant: python tests/test_page_twins.py, and npm test."


def analysis() -> srsm.Analysis:
    """Three images of two kinds: whole numbers as tokens, so that any machine finds the same matches."""
    rng = np.random.default_rng(5)
    images = srsm.load_images(
        [(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8), label) for label in ("cat", "cat", "dog", "dog", "cat")]
    )
    tokens = {
        name: srsm.Tokens(
            values=torch.from_numpy(rng.integers(-9, 10, (5, 6, 8)).astype(np.float32)),
            grid=(2, 3),
            native_grid=(2, 3),
            layer=name,
        )
        for name in LAYERS
    }
    return srsm.Analysis(images, tokens, matcher=srsm.Exact())


def numbers(array: Any) -> list[Any]:
    """Return an array's numbers as JSON can carry them: null for NaN."""
    return [None if isinstance(each, float) and math.isnan(each) else each for each in np.ravel(array).tolist()]


def sent(message: Message) -> dict[str, Any]:
    """Return a message as the page gets it."""
    buffers = [base64.b64encode(each).decode("ascii") for each in message.buffers]
    return {"content": json.loads(json.dumps(message.content)), "buffers": buffers}


def twins() -> dict[str, Any]:
    """Return what both sides must agree on."""
    asked = analysis()
    similarities = [asked.similarities(layer, srsm.cosine) for layer in LAYERS]
    grids = ((2, 3), (7, 7), (14, 10))
    return {
        "durations": [
            {"seconds": each, "text": describe_seconds(each)} for each in (1.2, 12.4, 89.4, 91, 605, 5399, 7300)
        ],
        "numbers": [
            {"value": sign * size, "digits": digits, "text": number(sign * size, digits)}
            for size in NUMBERS
            for sign in (1, -1)
            for digits in (1, 2, 3, 4)
        ],
        "gaps": [{"gap": gap, "text": _at_most(gap)} for gap in GAPS],
        "places": [
            {"tokens": tokens, "grid": list(grid), "corners": CORNERS, "colours": place_colours(tokens, grid)}
            for grid in grids
            for tokens in ([0], [1, 5], [0, 1, 2, 3, 4, 5], [5, 3, 3, 0])
        ],
        "cells": {
            "palette": PALETTE,
            "colours": [
                {"value": value, "colour": (colour := cell_colour(value, PALETTE)), "ink": ink_for(colour)}
                for value in CKA
            ],
        },
        "moved": [
            {"token": token, "from": list(grid), "to": list(other), "moved": moved_token(token, grid, other)}
            for grid in grids
            for other in grids
            for token in (0, 1, 4, 5)
        ],
        "similarities": SimilaritiesTold()._similarities,
        "message": every_kind(),
        "frames": frames(asked, similarities[0]),
        "pairs": [pair(asked, *images) for images in ((0, 1), (2, 4))],
        "trust": [
            *(trust(semantic, mean) for mean in (0.0, 0.2, 0.9, 1.0) for semantic in (-0.1, 0.21, 0.25, 0.3, 0.95)),
            *(trust(0.95, 0.2, any_matching) for any_matching in (0.4, 0.6)),
        ],
        "results": results(asked),
        "cell": cell(),
        "details": [detail(similarities, undefined=False), detail(similarities, undefined=True)],
        "pack": packed(asked),
        "auctions": auctions(),
    }


def every_kind() -> dict[str, Any]:
    """Return a message with everything that one can have, and its numbers as Python reads them again."""
    arrays = {
        "doubles": np.array([[0.5, -1.25, math.nan], [math.inf, 2.0, 3.0]]),
        "integers": np.array([-1, 7, 2**31 - 1]),
        "steps": np.array([0, 65535], dtype=np.uint16),
        "bytes": np.array([0, 255], dtype=np.uint8),
        "truths": np.array([True, False, True]),
        "nothing": np.zeros((0, 4)),
    }
    message = Message.of(
        "every kind",
        arrays=arrays,
        pictures={"shown": [b"one", b""], "none": []},
        level=srsm.NullLevel(mean=0.5, quantile95=math.nan, n=3),
        not_finite=[math.inf, -math.inf, math.nan, np.float64(1.5), np.int64(2), np.bool_(True)],
        nested={"box": (0, 1.5, None), "name": "Zoë"},
    )
    found = message.arrays()
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values.astype(found[name].dtype))
        assert found[name].shape == values.shape
    read = {name: [repr(float(each)) for each in values.ravel()] for name, values in found.items()}
    assert [name for name, *_ in message.parts()] == [*arrays, "shown", "shown"]
    assert message.content["level"] == {"mean": 0.5, "quantile95": None, "n": 3}
    assert message.content["not_finite"] == [None, None, None, 1.5, 2, True]
    return {**sent(message), "numbers": read}


def frames(asked: srsm.Analysis, similarities: Any) -> list[dict[str, Any]]:
    """Return frames of exact values and of 16-bit steps, with the matrices that they stand for."""
    names = ("aligned", "semantic", "pooled", "upper")
    found = []
    for exact in (True, False):
        with mock.patch.object(rsm_frames, "is_exact", lambda _size, exact=exact: exact):
            frame = rsm_frames.full_frame(similarities, "cosine", asked.images)
        kept = [row["name"] for row in frame.content["matrices"]]
        assert kept == list(names if frame.content["exact"] else names[:3])
        matrices = {name: numbers(getattr(similarities, name)) for name in kept}
        found.append({**sent(frame), "size": len(asked), "matrices": matrices})
    return found


def pair(asked: srsm.Analysis, i: int, j: int) -> dict[str, Any]:
    """Return the message of a pair, and how each similarity splits over its patches."""
    matches = asked.matches(LAYERS[0], i, j)
    readings = {}
    for name in PATCH_SIMILARITIES:
        split = matches.by_similarity[name]
        readings[name] = {
            "value": split.value,
            "partner": None if split.partner is None else numbers(split.partner),
            "cosine": numbers(split.token_cosine),
            "contribution": numbers(split.contribution),
        }
    nearest = matches.nearest
    readings["nearest"] = {
        "value": nearest.value,
        "partner": numbers(nearest.partner),
        "cosine": numbers(nearest.token_cosine),
        "contribution": numbers(nearest.contribution),
    }
    strongest = [int(token) for token in matches.top(len(matches.permutation))]
    return {**sent(matches_message("matches", matches)), "readings": readings, "strongest": strongest}


def trust(semantic: float, mean: float, any_matching: float = 0.0) -> dict[str, Any]:
    """Return how matches are drawn beside a level of unrelated tokens, and what is said of them."""
    null = NullLevel(mean=mean, quantile95=mean + 0.02, n=96)
    cosine = [-0.5, 0.1, 0.25, 0.4, 0.7, 1.0]
    opacity = opacities(np.array(cosine), semantic, null).tolist()
    level = {"mean": null.mean, "quantile95": null.quantile95, "n": null.n}
    return {
        **{"semantic": semantic, "null": level, "cosine": cosine},
        **{"opacity": opacity, "verdict": verdict(semantic, null, any_matching), "any_matching": any_matching},
    }


def results(asked: srsm.Analysis) -> dict[str, Any]:
    """Return the message of a query, and the rankings in it."""
    wanted = RetrievalState(layer=LAYERS[0], kernel="cosine", query=1, box=None, outside=None)
    lookup = Lookup(asked)
    ranked = rankings(lookup, wanted, wanted.as_query())
    rows = [{"name": row.name, "values": numbers(row.values), "order": numbers(row.order)} for row in ranked.rows]
    message = results_message(lookup, wanted, wanted.as_query(), ranked, null=None, complete=True)
    answers = lookup.answers(wanted.as_query())
    assert answers is not None
    return {**sent(message), "rows": rows, "right": numbers(answers.f1)}


def cell() -> dict[str, Any]:
    """Return a cell of the layer map as it is sent, and what it says."""
    facts = {"value": 0.25, "low": -0.5, "high": float("nan")}
    row = LayerPair(
        layer_a="left",
        layer_b="right",
        kernel="cosine",
        similarity="semantic",
        statistic="cka",
        n=5,
        p_value=float("nan"),
        smallest_eigenvalue_a=-0.125,
        smallest_eigenvalue_b=0.0,
        reason="too few",
        **facts,
    )
    wanted = {
        **{"layer_a": "left", "layer_b": "right", "similarity": "semantic", "value": 0.25, "low": -0.5, "high": None},
        **{"smallest_eigenvalue_a": -0.125, "smallest_eigenvalue_b": 0.0, "reason": "too few", "n": 5},
    }
    places = [{layer: place for place, layer in enumerate(LAYERS)}] * 2
    message = cells_message([row], places, kernel="cosine", n=5, fresh=True, complete=True)
    return {**sent(message), "layers": [[{"name": name} for name in LAYERS]] * 2, "cell": wanted}


def detail(similarities: list[Any], *, undefined: bool) -> dict[str, Any]:
    """Return the message of an opened cell, and the matrices in it."""
    a, b = (each.semantic for each in similarities)
    difference = None if undefined else rsm_difference(a, b)
    arrays, facts = detail_parts((a, b), difference)
    message = Message.of("detail", arrays=arrays, cell=LAYERS, similarity="semantic", kernel="cosine", **facts)
    wanted = {"values": [numbers(a), numbers(b)], "standard": [None, None], "ranks": [None, None]}
    if difference is not None:
        wanted["standard"] = [numbers(difference.a), numbers(difference.b)]
        wanted["ranks"] = [numbers(difference.rank_a), numbers(difference.rank_b)]
    return {**sent(message), **wanted}


def recorded(message: Message, **scope: Any) -> Recorded:
    """Return a message as a recording keeps it."""
    return Recorded(content=message.content, buffers=message.buffers, scope=scope)


def packed(asked: srsm.Analysis) -> dict[str, Any]:
    """Return a pack of messages: with a picture, an inverse, products, rounded numbers; and their buffers."""
    messages, pictures = [], [b"\xff\xd8\xffone", b"\xff\xd8\xfftwo"]
    for i, j in ((0, 1), (2, 4)):
        messages.append(recorded(matches_message("matches", asked.matches(LAYERS[0], i, j)), pair=[i, j]))
    messages.append(recorded(Message.of("pictures", pictures={"pictures": [*pictures, b""]})))
    exact = {
        "floats": np.linspace(-1, 1, 7),
        "steps": np.array([1, 65535], np.uint16),
        "bytes": np.array([9], np.uint8),
    }
    messages.append(recorded(Message.of("exact", arrays=exact)))
    partners = ([-1, 0, 200], [-1, 300, 0], [-1, 70000, 2], [4, 3, 2])
    arrays = {f"partner {k}": np.array(each) for k, each in enumerate(partners)}
    messages.append(recorded(Message.of("partners", arrays=arrays)))
    shares = {image: token_shares(asked.tokens[LAYERS[0]], image) for image in (0, 1, 2, 4)}
    blobs = Blobs()
    text = pack(messages, {"cosine": Rounding(step=0.005), "contribution": Rounding(share=1e-4)}, blobs, shares)
    return {
        "pack": base64.b64encode(zlib.decompress(base64.b64decode(text))).decode("ascii"),
        "pictures": blobs.texts,
        "messages": [sent(message) for message in messages],
        "cosine_step": 0.005,
    }


def auctions() -> list[dict[str, Any]]:
    """Return auctions as Python tells them: of sums and differences that no machine rounds."""
    rng = np.random.default_rng(2)
    told: list[tuple[Any, Any, Any]] = [
        (rng.integers(-16, 64, (4, 4)) / 64, None, None),
        (rng.integers(0, 4, (6, 6)) / 4, [0.25, 0.0625], [5, 0, 3, 1, 2, 4]),
        ([[10.0, 9.875, 0.0]] * 3, 0.5, None),
        ([[10.0, 9.875, 0.0]] * 3, 2.0**-9, None),
        ([[2.5]], None, None),
    ]
    found = []
    for affinity, eps, order in told:
        trace = auction_trace(affinity, eps=eps, order=order)
        steps = [trace.steps[0], *trace.steps[-40:]]
        rows = [{**{each.name: getattr(step, each.name) for each in fields(step)}, "held": step.held} for step in steps]
        found.append(
            {
                **{"affinity": trace.affinity, "plan": trace.plan, "order": trace.order, "mostBids": MOST_BIDS},
                **{"finished": trace.finished, "length": len(trace), "steps": rows},
            }
        )
    return json.loads(json.dumps(plain(found)))


def alike(a: Any, b: Any) -> bool:
    """Return whether two values are the same up to the last digits of a float."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) or isinstance(b, float):
        both = isinstance(a, int | float) and isinstance(b, int | float)
        return both and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b or (isinstance(a, str) and isinstance(b, str) and same_floats(a, b))


def same_floats(a: str, b: str) -> bool:
    """Return whether two texts are base64 of float32 numbers that differ in their last digits only."""
    try:
        first, second = (np.frombuffer(base64.b64decode(text, validate=True), np.float32) for text in (a, b))
    except ValueError:  # no base64, or no whole number of floats
        return False
    return first.shape == second.shape and np.allclose(first, second, rtol=1e-6, atol=1e-30, equal_nan=True)


def opened(twin: Any) -> Any:
    """Return a twin with the text in front of a pack's numbers apart from them: it holds numbers, too."""
    if not isinstance(twin, dict) or "pack" not in twin:
        return twin
    whole = base64.b64decode(twin["pack"])
    end = 4 + int.from_bytes(whole[:4], "little")
    return {**twin, "pack": json.loads(whole[4:end]), "planes": base64.b64encode(whole[end:]).decode("ascii")}


def test_the_page_is_told_what_python_does() -> None:
    there = json.loads(FILE.read_text(encoding="utf-8"))
    now = json.loads(as_text())
    assert there.keys() == now.keys()
    for key, each in now.items():
        assert alike(opened(there[key]), opened(each)), f"{key}: not what tests/js/twins.json says. {WHEN_MEANT}"


def test_a_change_would_be_found() -> None:
    one = {"a": [1, 0.5], "b": base64.b64encode(np.float32([1, 2]).tobytes()).decode()}
    nearly = {"a": [1, 0.5 + 1e-15], "b": base64.b64encode(np.float32([1, 2 + 2.4e-7]).tobytes()).decode()}
    other = {"a": [1, 0.5], "b": base64.b64encode(np.float32([1, 2.001]).tobytes()).decode()}
    wider = {"a": [1, 0.5], "b": base64.b64encode(np.float64([1, 2]).tobytes()).decode()}
    assert alike(one, nearly)
    assert not any(alike(one, each) for each in (other, wider, {"a": [1, 0.501], "b": one["b"]}, {"a": [1, 0.5]}))


def as_text() -> str:
    """Return the twins as the file holds them: a line each, so that a change shows where it is."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(each, ensure_ascii=False, allow_nan=False)}" for key, each in twins().items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
