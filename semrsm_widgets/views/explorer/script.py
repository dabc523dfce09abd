"""The code that shows again what an explorer shows: model, images by their ids, layers, seed and what is on screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets.analysis import MATCHERS, AnalysisRecipe
from semrsm_widgets.common import __version__, printable
from semrsm_widgets.images import Images, demo_images
from semrsm_widgets.models import VisionModel

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis

_ID_COLUMNS = 100


@dataclass(frozen=True, kw_only=True)
class ExplorerState:
    """What an explorer shows.

    Attributes:
        analysis: of what.
        recipe: how the Analysis was made; None where it was given.
        on_screen: the explorer's own arguments: layer, kernel, pair and query.
        settings: for each view by its name in the explorer, the traits that are not their defaults.
    """

    analysis: Analysis
    recipe: AnalysisRecipe | None
    on_screen: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]]


def code_of(state: ExplorerState) -> str:
    """Return a script whose explorer shows the same.

    What is only an object here (a model or matcher of one's own, pictures in memory, an Analysis) keeps a name to which
    the reader has to give a value; a comment says which. Whatever is not of this package is a literal or in a comment
    of one line, so the script runs nothing but its own calls.
    """
    analysis, recipe = state.analysis, state.recipe
    head = [_comment(_made_by(analysis)), "import semrsm_widgets as srsm", ""]
    if recipe is None or not isinstance(recipe.model, VisionModel | str | None):
        body = [_comment(f"`analysis` is {analysis!r}"), *_call(["analysis"], state.on_screen)]
    else:
        body = _from_model(state, recipe, analysis)
    return "\n".join([*head, *body, *_settings(state.settings)]) + "\n"


def _comment(said: str) -> str:
    """Return a comment of one line, whatever is said: names come from models, files and matchers of anybody's."""
    return f"# {printable(said)}"


def _made_by(analysis: Analysis) -> str:
    known = analysis.provenance
    model = [f"{analysis.model.name}"] if analysis.model is not None else []
    weights = [f"weights {known['weights']}"] if known.get("weights") else []
    return ", ".join([f"semrsm_widgets {__version__}", *model, *weights, repr(analysis.matcher)])


def _from_model(state: ExplorerState, recipe: AnalysisRecipe, analysis: Analysis) -> list[str]:
    """Return the lines that open the images, and the call."""
    model = [_comment(f"`model` is {recipe.model!r}")] if isinstance(recipe.model, VisionModel) else []
    given = (
        ["model"] if isinstance(recipe.model, VisionModel) else [repr(recipe.model)] if recipe.model is not None else []
    )
    options = {
        "layers": list(analysis.layers),
        "max_images": None,  # they are chosen by their ids
        "max_grid": recipe.max_grid,
        "batch_size": recipe.batch_size,
        "device": recipe.device,
    }
    shown = {name: value for name, value in options.items() if value != getattr(AnalysisRecipe, name)}
    matcher: dict[str, Any] = {}
    if recipe.matcher is not None:
        known = type(recipe.matcher) in MATCHERS.values()
        matcher = {"matcher": _Code(f"srsm.{recipe.matcher!r}" if known else "matcher")}
        model += [] if known else [_comment(f"`matcher` is {recipe.matcher!r}")]
    settings = {**shown, "seed": recipe.seed, **matcher, **state.on_screen}
    return [*model, *_images(recipe, analysis.images.ids), *_call([*given, "images=images"], settings)]


def _images(recipe: AnalysisRecipe, ids: tuple[str, ...]) -> list[str]:
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


def _settings(settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines for what was set on the views."""
    found = [
        f"explorer.{place}.{name} = {value!r}" for place, traits in settings.items() for name, value in traits.items()
    ]
    return [*(["explorer.wait()", *found] if found else []), "explorer"]


class _Code(str):
    """An expression, not a string."""

    def __repr__(self) -> str:
        return str(self)


def _call(arguments: list[str], options: Mapping[str, Any]) -> list[str]:
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
