"""The code that shows again what an explorer shows: model, images by their ids, layers, seed and what is on screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets.analysis import Recipe
from semrsm_widgets.common import __version__, message
from semrsm_widgets.images import Images, demo_images
from semrsm_widgets.models import VisionModel

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis

    from .view import Explorer

_ID_COLUMNS = 100


def code_of(explorer: Explorer, recipe: Recipe | None) -> str:
    """Return a script whose explorer shows the same.

    What is only an object here (a model of one's own, pictures in memory, an Analysis) keeps a name to which the reader
    has to give a value; a comment says which.

    Raises:
        RuntimeError: the explorer has nothing to show yet.
    """
    analysis = explorer.analysis
    if analysis is None:
        raise RuntimeError(message("explorer", "one that has opened its views", repr(explorer), "Call wait() before."))
    head = [f"# {_made_by(analysis)}", "import semrsm_widgets as srsm", ""]
    if recipe is None or not isinstance(recipe.model, VisionModel | str | None):
        body = [f"# `analysis` is {analysis!r}", *_call(["analysis"], _on_screen(explorer))]
    else:
        body = _from_model(explorer, recipe, analysis)
    return "\n".join([*head, *body, *_settings(explorer)]) + "\n"


def _made_by(analysis: Analysis) -> str:
    known = analysis.provenance
    model = [f"{analysis.model.name}"] if analysis.model is not None else []
    weights = [f"weights {known['weights']}"] if known.get("weights") else []
    return ", ".join([f"semrsm_widgets {__version__}", *model, *weights, repr(analysis.matcher)])


def _from_model(explorer: Explorer, recipe: Recipe, analysis: Analysis) -> list[str]:
    """Return the lines that open the images, and the call."""
    model = [f"# `model` is {recipe.model!r}"] if isinstance(recipe.model, VisionModel) else []
    given = ["model"] if model else [repr(recipe.model)] if recipe.model is not None else []
    options = {
        "layers": list(analysis.layers),
        "max_images": None,  # they are chosen by their ids
        "max_grid": recipe.max_grid,
        "batch_size": recipe.batch_size,
        "device": recipe.device,
    }
    shown = {name: value for name, value in options.items() if value != getattr(Recipe, name)}
    matcher = {} if recipe.matcher is None else {"matcher": _Code(f"srsm.{recipe.matcher!r}")}
    settings = {**shown, "seed": recipe.seed, **matcher, **_on_screen(explorer)}
    return [*model, *_images(recipe, analysis.images.ids), *_call([*given, "images=images"], settings)]


def _images(recipe: Recipe, ids: tuple[str, ...]) -> list[str]:
    """Return the lines that choose the images by their ids."""
    choose = [f"ids = {_listed(ids)}", "images = images.select([images.ids.index(name) for name in ids])"]
    if isinstance(recipe.images, str | Path):
        skip = ", skip_unreadable=True" if recipe.skip_unreadable else ""
        return [f"images = srsm.load_images({str(recipe.images)!r}{skip})", *choose]
    if recipe.images is None:
        bundled = "images = srsm.demo_images()"
        return [bundled] if ids == demo_images().ids else [bundled, *choose]
    if isinstance(recipe.images, Images):
        return ["# `images` are the Images that were shown, or others that have these", *choose]
    return ["# `source` is what was given for images", "images = srsm.load_images(source)", *choose]


def _on_screen(explorer: Explorer) -> dict[str, Any]:
    return {"layer": explorer.layer, "kernel": explorer.kernel, "pair": explorer.pair, "query": max(0, explorer.query)}


def _settings(explorer: Explorer) -> list[str]:
    """Return the lines for what was set on the views."""
    shown = {
        "rsm_view": (explorer.rsm_view, ("baseline", "order", "excess", "colour_range")),
        "pair_view": (explorer.pair_view, ("token", "top_k", "similarity", "one_to_one", "expected")),
        "retrieval_view": (explorer.retrieval_view, ("k", "box")),
    }
    found = []
    for place, (view, names) in shown.items():
        for name in names:
            if view is not None and getattr(view, name) != view.trait_defaults(name):
                found.append(f"explorer.{place}.{name} = {getattr(view, name)!r}")
    return [*(["explorer.wait()", *found] if found else []), "explorer"]


class _Code(str):
    """An expression, not a string."""

    def __repr__(self) -> str:
        return str(self)


def _call(arguments: list[str], options: dict[str, Any]) -> list[str]:
    parts = [*arguments, *(f"{name}={value!r}" for name, value in options.items())]
    return ["explorer = srsm.explore(", *(f"    {part}," for part in parts), ")"]


def _listed(ids: tuple[str, ...]) -> str:
    """Return a list of names, broken into lines."""
    lines, line = [], "    "
    for name in map(repr, ids):
        if len(line) + len(name) > _ID_COLUMNS and line.strip():
            lines.append(line.rstrip())
            line = "    "
        line += f"{name}, "
    return "\n".join(["[", *lines, line.rstrip(), "]"])
