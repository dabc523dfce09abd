"""The code that makes an explorer again."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from helpers.analyses import noise
from helpers.views import DEADLINE, held, state
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.analysis import AnalysisRecipe
from semrsm_widgets.analysis.archive import StoredMatcher
from semrsm_widgets.views.explorer.script import ExplorerState, code_of
from semrsm_widgets.views.explorer.view import Explorer


def test_the_code_of_an_explorer_shows_the_same_again(explore, model, tmp_path):
    for k in range(7):
        Image.fromarray(noise(k)).save(tmp_path / f"{k} 'quoted'.png")
    explorer = explore(model, tmp_path, max_images=4, seed=3, layers=["1", "3"], matcher=srsm.Exact(), max_grid=5)
    make, _, go = held(explorer)
    loading = Explorer(make)
    with pytest.raises(RuntimeError, match="wait"):
        loading.to_code()
    loading.close()
    go.set()
    assert explorer.wait(DEADLINE)
    explorer.pair, explorer.layer, explorer.top_k = (1, 3), "3", 5
    explorer.rsm_view.baseline, explorer.rsm_view.order = "pooled", "cluster"
    assert explorer.wait(DEADLINE)
    code = explorer.to_code()
    assert "seed=3" in code
    names = {"model": model}
    exec(code, names)  # as a reader would run it
    again = names["explorer"]
    assert again.wait(DEADLINE), again.last_error
    assert again.analysis.images.ids == explorer.analysis.images.ids
    assert again.analysis.layers == explorer.analysis.layers == ("1", "3")
    assert repr(again.analysis.matcher) == "Exact()"
    for name in ("layer", "kernel", "pair", "top_k"):
        assert getattr(again, name) == getattr(explorer, name)
    assert again.rsm_view.baseline == "pooled"
    assert state(again.rsm_view)["_sequence"] == state(explorer.rsm_view)["_sequence"]
    names = {"model": model, "images": again.analysis.images}
    exec(again.to_code(), names)  # of Images that were given
    assert names["explorer"].wait(DEADLINE)
    assert names["explorer"].pair == (1, 3)
    names["explorer"].close()
    again.close()
    over = explore(explorer.analysis)
    assert over.wait(DEADLINE)
    names = {"analysis": explorer.analysis}
    exec(over.to_code(), names)
    assert names["explorer"].wait(DEADLINE)
    assert names["explorer"].analysis is explorer.analysis
    names["explorer"].close()


BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0", "\x1b[2J"]


@pytest.mark.parametrize("separator", BREAKS)
@pytest.mark.parametrize("place", ["weights", "stored matcher", "model", "own matcher", "layer", "id", "setting"])
def test_nothing_that_is_said_in_a_script_runs(place, separator):
    evil = f"x{separator}raise SystemExit('ran'){separator}#"

    class Named:
        name = evil if place == "model" else "model"
        provenance = {"weights": evil if place == "weights" else "w"}  # noqa: RUF012

        def __repr__(self):
            return evil

        def __call__(self, x, y):
            return srsm.Exact()(x, y)

    images = srsm.load_images([noise(k) for k in range(3)])
    if place == "id":
        object.__setattr__(images, "ids", (evil, "b", "c"))
    layer = evil if place == "layer" else "a"
    matcher = Named() if place == "own matcher" else StoredMatcher(evil) if place == "stored matcher" else srsm.Exact()
    analysis = SimpleNamespace(
        model=Named(), provenance=Named.provenance, matcher=matcher, layers=(layer,), images=images
    )
    recipes = [None, AnalysisRecipe(images=images, matcher=matcher)]
    for recipe in recipes:
        code = code_of(
            ExplorerState(
                analysis=analysis,
                recipe=recipe,
                on_screen={"layer": layer},
                settings={"rsm_view": {"order": evil if place == "setting" else "cluster"}},
            )
        )
        found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Raise)]
        assert not found
        names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
        assert names <= {"srsm", "explorer", "analysis", "images", "ids", "name", "matcher"}
