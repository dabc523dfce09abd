"""How `explore` makes its Analysis: which images, which model, and what is reduced so that it takes seconds."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from semrsm_widgets.common import ProgressOption, check_int, in_words_of, message
from semrsm_widgets.extraction import extract
from semrsm_widgets.images import Images, check_source, demo_images, load_images, open_images, subset
from semrsm_widgets.models import VisionModel, load_model

from .analysis import Analysis, check_analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semrsm_widgets.matching import Matcher

# The pair on screen is shown before all images were seen, unless it stands further down than this.
_PREVIEW_IMAGES = 4
_MOST_NAMES = 3  # in a notice
# What load_images calls its arguments, and explore its own.
_WORDS = {"`source`": "`images`", "load_images(..., skip_unreadable=True)": "skip_unreadable=True"}


class Steps(Protocol):
    """Work in the background that says what it is doing, and ends at a step once it is cancelled."""

    def step(self, text: str, fraction: float | None = None) -> None:
        """Say what is being done and how far it is, 0 to 1; raise if the work was cancelled."""


AnySteps = TypeVar("AnySteps", bound=Steps, contravariant=True)


class RecipeObserver(Protocol[AnySteps]):
    """Who is served while a recipe is followed: an explorer, or a report that shows nothing before its end."""

    save_images: bool

    @property
    def pair(self) -> tuple[int, int] | None:
        """The pair that is wanted early; None for none."""

    def show_images(self, images: Images) -> None:
        """Take the images that the model is about to see."""

    def preview(self, analysis: Analysis, pair: tuple[int, int]) -> None:
        """Take an analysis of the first images, in which the wanted pair is."""

    def notice(self, text: str, names: Sequence[str] = ()) -> None:
        """Take a line about what was reduced, and the names of the pictures that it is about."""

    def extraction_progress(self, job: AnySteps) -> ProgressOption:
        """Return the `progress` of the extraction: what is called with (images done, images in all), say."""


def named(text: str, names: Sequence[str]) -> str:
    """Return a sentence with the names that it is about, or with the first of them."""
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return f"{text.removesuffix('.')}: {shown}." if names else text


@dataclass(frozen=True, kw_only=True)
class AnalysisRecipe:
    """The arguments of `explore` that say how an Analysis is made; checked at once, followed in the background.

    The defaults keep a folder of any size to a matter of seconds on a laptop.
    """

    model: Any = None
    images: Any = None
    skip_unreadable: bool = False
    layers: Any = None
    matcher: Matcher | None = None
    max_images: int | None = 64
    max_grid: int | None = 16
    batch_size: int = 16
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise for what cannot be right, rather than later in the status line."""
        if self.model is not None and not isinstance(self.model, str | VisionModel | Analysis):
            todo = "Wrap a torch module as VisionModel(module, transform)."
            raise TypeError(message("model", "a timm name, a VisionModel, an Analysis or None", self.model, todo))
        if not isinstance(self.model, Analysis):
            self._check_images()
        if self.max_images is not None:
            check_int("max_images", self.max_images, minimum=2, todo="None takes all images.")
        if self.max_grid is not None:
            check_int("max_grid", self.max_grid, minimum=1, todo="None keeps every grid.")
        check_int("batch_size", self.batch_size, minimum=1)
        check_int("seed", self.seed, minimum=0)
        if isinstance(self.model, Analysis):
            check_analysis(self.model, at_least=2)
            self._refuse_the_rest()

    def _check_images(self) -> None:
        """Raise for images that are seen to be none, or too few, without reading them."""
        if self.images is None:
            return
        if not isinstance(self.images, Images):
            with in_words_of(_WORDS):
                check_source(self.images)
        if isinstance(self.images, str | Path) and not os.path.exists(self.images):
            raise ValueError(message("images", "a folder or file that exists", self.images, "Check the path."))
        if isinstance(self.images, Images | list | tuple):
            _check_count(len(self.images))

    def _refuse_the_rest(self) -> None:
        """Raise for arguments that would be ignored, because the Analysis is there already."""
        own = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        del own["model"]
        given = [n for n, (value, default) in own.items() if value is not default and not _equal(value, default)]
        if given:
            names = " and ".join(f"`{name}`" for name in given)
            todo = "Give it to load_images, extract or Analysis, which make one."
            raise ValueError(f"{names} must be left out when `model` is an Analysis; got both. {todo}")

    def make(self, job: AnySteps, observer: RecipeObserver[AnySteps]) -> Analysis:
        """Return the Analysis; the observer gets what there is meanwhile, and what was reduced."""
        if isinstance(self.model, Analysis):
            return self.model
        job.step("Opening the images")
        images = self._chosen_images(observer)
        observer.show_images(images)
        job.step("Loading the model")
        model = self.model if isinstance(self.model, VisionModel) else self._loaded_model()
        job.step("Looking at the images:", 0.0)
        see = partial(
            extract,
            model,
            layers=self.layers,
            batch_size=self.batch_size,
            device=self.device,
            max_grid=self.max_grid,
        )
        pair = observer.pair  # it may be set meanwhile
        if pair is not None and max(pair) < min(_PREVIEW_IMAGES, len(images) - 1):
            first = images.select(range(max(pair) + 1))
            observer.preview(Analysis(first, see(first), model=model, matcher=self.matcher), pair)
        tokens = see(images, progress=observer.extraction_progress(job))
        if any(each.grid != each.native_grid for each in tokens.values()):
            observer.notice(
                f"Layers of more than {self.max_grid}×{self.max_grid} patches are averaged down to that; "
                "max_grid=None keeps them."
            )
        return Analysis(images, tokens, model=model, matcher=self.matcher)

    def _loaded_model(self) -> VisionModel:
        """Return the model of a name; a folder in its place was meant for the images."""
        words = {"`name`": "`model`"}
        if self.model is not None and os.path.isdir(self.model):
            words["a model that timm knows"] = "a model that timm knows (a folder of pictures is given as images=...)"
        with in_words_of(words):
            return load_model(self.model)

    def _chosen_images(self, observer: RecipeObserver[Any]) -> Images:
        """Return the images, no more than wanted; say what was left out."""
        given = demo_images() if self.images is None else self.images
        with in_words_of(_WORDS):
            if isinstance(given, Images):
                images = given
            elif observer.save_images:
                images = load_images(given, skip_unreadable=self.skip_unreadable)
            else:  # load_images warns by name, and the notebook keeps a warning
                images, _ = open_images(given, skip_unreadable=self.skip_unreadable)
        _check_count(len(images))
        if images.note and not isinstance(given, Images):
            observer.notice(f"{images.note[0].upper()}{images.note[1:]}.", images.left_out)
        if self.max_images is None or len(images) <= self.max_images:
            return images
        observer.notice(
            f"Showing {self.max_images} of {len(images):,} images, spread over their labels (seed {self.seed}); "
            f"max_images=None takes all."
        )
        return subset(images, self.max_images, seed=self.seed)


def _check_count(count: int) -> None:
    """Raise for fewer than two images."""
    if count < 2:
        raise ValueError(message("images", "at least two images: an RSM compares them", f"{count}"))


def _equal(value: Any, default: Any) -> bool:
    """Return whether a number is its default; images and layers may be arrays, which have no single answer."""
    return isinstance(value, int) and isinstance(default, int) and value == default
