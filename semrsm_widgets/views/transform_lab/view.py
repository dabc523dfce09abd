"""A picture and the same picture moved about: how aligned, semantic and pooled similarity take it, live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from semrsm_widgets.analysis import Analysis, AnalysisRecipe
from semrsm_widgets.common import check_int, check_number, in_words_of, message, suggest
from semrsm_widgets.extraction import extract
from semrsm_widgets.figures import model_sentence, weights_badge
from semrsm_widgets.images import BORDERS, LEAST_ZOOM, MOST_SHIFT, MOST_TILES, MOST_ZOOM, Images, Warp, load_images
from semrsm_widgets.matching import Auction, Exact
from semrsm_widgets.models import VisionModel, load_model, visible_box
from semrsm_widgets.rsm import PATCH_SIMILARITIES
from semrsm_widgets.tokens import Tokens
from semrsm_widgets.views.base import (
    PATIENCE_SECONDS,
    Message,
    SimilaritiesTold,
    View,
    bundle,
    check_trait,
    default_layer,
    describe_cost,
    guarded_method,
    jpeg_bytes,
    layer_rows,
    long_cost,
    make_ready,
)
from semrsm_widgets.views.pair import pair_still

from .pictures import chosen, crop_to_view, joined, photographs, reduced

if TYPE_CHECKING:
    from PIL import Image

    from semrsm_widgets.analysis import Matches
    from semrsm_widgets.common import PixelBox
    from semrsm_widgets.figures.sheet import Sheet
    from semrsm_widgets.rsm import NullLevel
    from semrsm_widgets.views.base import Job

# Up to this many tokens SciPy solves a pair in milliseconds, exactly, and nothing need be compiled.
_EXACT_TOKENS = 400
# The level of unrelated tokens is sampled from so many different pictures, the bundled ones where there are fewer.
_LEAST_PICTURES, _MOST_PICTURES = 4, 8
_MOST_VISITS = 2000
# A lab that is told no setting opens moved by so many patches, with the similarities at each half patch until there.
_OPENING_PATCHES = 3

WARP_TRAITS = ("shift", "flip", "zoom", "tiles", "seed", "border")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What the three similarities were at one setting of the lab.

    Attributes:
        image: id of the picture.
        layer: the layer.
        warp: how the picture was moved about.
        aligned: cosine of the tokens at the same positions.
        semantic: cosine of the tokens under their best match.
        pooled: cosine of the mean tokens.
    """

    image: str
    layer: str
    warp: Warp
    aligned: float
    semantic: float
    pooled: float


class TransformLab(SimilaritiesTold, View):
    """Shift, mirror, zoom or cut up a picture, and see what aligned, semantic and pooled similarity make of it.

    The picture and the moved one stand side by side, with the moved one's patches put where their partners are in the
    first: aligned similarity falls with a shift, semantic similarity need not, as the same patches are still there.

    Args:
        model: a timm name, a `VisionModel`, or None for the bundled EfficientNet-Lite0.
        image: one picture or several to choose from, as `load_images` takes them; None for the bundled photographs.
        layers: which layers, as in `extract`; the default ones unless given.
        layer: the layer on screen first; two thirds into the model unless given.
        index: which of the pictures.
        shift: (dx, dy) as parts of what the model sees, -0.5 to 0.5; positive is right and down. Where neither this nor
            `flip`, `zoom` or `tiles` is given, the lab opens with the picture three patches to the right.
        flip: whether left and right are exchanged.
        zoom: 1 for none; above it the centre is cropped and enlarged, below it the picture is shrunk; 0.5 to 3.
        tiles: the picture is cut into tiles x tiles tiles that change places; 1 for none, at most 8.
        seed: of the tiles' order.
        border: what fills the place beyond the picture's edge: "mirrored", "mean colour" or "wrapped around".
        max_grid: token grids larger than this are pooled; None keeps them.
        device: where the model runs.
        patience: the level of unrelated tokens waits for Start where it is estimated to take more seconds than this.
        save_images: whether the saved notebook may contain pictures and their names.

    Attributes:
        warp: the setting of all sliders as one value.
        analysis: the Analysis of the picture and the moved one, or None before they were seen.
        visits: what the similarities were at every setting since the lab was opened, the newest last.

    Raises:
        TypeError, ValueError, TraitError: an argument that cannot be right. What fails later, in the background, is
            shown in the status line, with the traceback in `last_error`.

    Example:
        >>> lab = srsm.TransformLab()
        >>> lab.shift = (0.25, 0)
        >>> lab.tiles = 4
        >>> lab.analysis.matches(lab.layer, 0, 1).semantic
    """

    _esm = bundle("transform_lab.js")

    layer = t.Unicode("", help="The layer on screen.").tag(sync=True)
    index = t.Int(0, help="Which of the pictures is shown.").tag(sync=True)
    shift = t.Tuple(t.Float(), t.Float(), default_value=(0.0, 0.0), help="(dx, dy), parts of what the model sees.").tag(
        sync=True
    )
    flip = t.Bool(False, help="Whether left and right are exchanged.").tag(sync=True)
    zoom = t.Float(1.0, help="Above 1 the centre is enlarged, below 1 the picture is shrunk.").tag(sync=True)
    tiles = t.Int(1, help="The picture is cut into tiles x tiles tiles that change places; 1: none.").tag(sync=True)
    seed = t.Int(0, help="Of the order of the tiles.").tag(sync=True)
    border = t.Unicode("mirrored", help='"mirrored", "mean colour" or "wrapped around".').tag(sync=True)

    _layers: t.List[Any] = t.List().tag(sync=True)
    _images: t.List[Any] = t.List().tag(sync=True)
    _borders = t.List(list(BORDERS)).tag(sync=True)
    _limits = t.Dict({"shift": MOST_SHIFT, "least_zoom": LEAST_ZOOM, "most_zoom": MOST_ZOOM, "tiles": MOST_TILES}).tag(
        sync=True
    )
    _model_title = t.Unicode("").tag(sync=True)
    _model_badge = t.Unicode("").tag(sync=True)

    handlers = {  # noqa: RUF012 (never mutated)
        "ready": "_send_everything",
    }

    def __init__(
        self,
        model: str | VisionModel | None = None,
        image: Any = None,
        *,
        layers: Any = None,
        layer: str | None = None,
        index: int = 0,
        shift: tuple[float, float] | None = None,
        flip: bool = False,
        zoom: float = 1.0,
        tiles: int = 1,
        seed: int = 0,
        border: str = "mirrored",
        max_grid: int | None = AnalysisRecipe.max_grid,
        device: str | None = None,
        patience: float = PATIENCE_SECONDS,
        save_images: bool = True,
    ) -> None:
        _check_model(model)
        if max_grid is not None:
            check_int("max_grid", max_grid, minimum=1, todo="None keeps every grid.")
        self._given_model = model
        self.images = reduced(chosen(image))
        self.model: VisionModel | None = model if isinstance(model, VisionModel) else None
        self.analysis: Analysis | None = None
        self.visits: list[Visit] = []
        self.patience = check_number("patience", patience, above=0)
        self._extract: Callable[..., dict[str, Tokens]] = partial(
            extract, layers=layers, max_grid=max_grid, device=device
        )
        self._originals: dict[int, dict[str, Tokens]] = {}
        self._reference: Analysis | None = None  # of different pictures, for the level of unrelated tokens
        self._notice = ""
        self._opening = False
        self._warped: tuple[int, Warp] | None = None  # what `analysis` is of
        self._pictured: tuple[int, Warp] | None = None  # what the page has pictures of
        super().__init__(
            layer="" if layer is None else layer,
            index=index,
            shift=(0.0, 0.0) if shift is None else shift,
            flip=flip,
            zoom=zoom,
            tiles=tiles,
            seed=seed,
            border=border,
            _images=[{"id": name, "labels": []} for name in self.images.ids],
            save_images=save_images,
        )
        self._opens_shifted = shift is None and self.warp == Warp(seed=seed, border=border)
        self.observe(guarded_method(self, "request"), names=["layer", "index", *WARP_TRAITS])
        self.request(None)

    @t.validate("layer")
    def _check_layer(self, proposal: Any) -> str:
        """Before the model was loaded, take the name as a wish."""
        value: str = proposal["value"]
        return value if not self._layers else check_trait("layer", value, tuple(row["name"] for row in self._layers))

    @t.validate("index")
    def _check_index(self, proposal: Any) -> int:
        last = len(self.images) - 1
        if 0 <= proposal["value"] <= last:
            return int(proposal["value"])
        raise t.TraitError(message("index", f"a picture's index, 0 to {last}", str(proposal["value"])))

    @t.validate(*WARP_TRAITS)
    def _check_warp(self, proposal: Any) -> Any:
        try:
            Warp(**{proposal["trait"].name: proposal["value"]})
        except (ValueError, TypeError) as error:
            raise t.TraitError(str(error)) from None
        return proposal["value"]

    @property
    def warp(self) -> Warp:
        """The setting of all sliders as one value."""
        return Warp(**{name: getattr(self, name) for name in WARP_TRAITS})

    def __repr__(self) -> str:
        return f"TransformLab({self.images.ids[self.index]!r}, {self.warp!r})"

    # -- what the browser asks ----------------------------------------------------------------------------------

    def _send_everything(self, _content: dict[str, Any]) -> None:
        self._pictured = None
        self.request(None)

    def request(self, _change: Any) -> None:
        """Have the worker show the setting of the sliders."""
        # Nothing is awaited first: while one setting is computed only the newest waits, and a slider shows its way.
        if not self._opening:
            self.run(self._work)

    # -- the worker ---------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        """Show the moved picture, then what the model makes of it, then the level of unrelated tokens.

        A setting that was begun is shown, though a newer one may wait: a slider that is dragged would else show nothing
        before it rests.
        """
        model = self._loaded(job)
        if not self._layers:
            self._open(job, model)
        index, warp = self.index, self.warp
        self._send_pictures(index, warp, model)
        if self.analysis is None or self._warped != (index, warp):
            self.analysis, self._warped = self._seen(job, index, warp, model), (index, warp)
        layer = self.layer
        matches = self._matches(job, self.analysis, layer)
        self._note(index, layer, warp, matches)
        null = self._null_if_there(layer)
        self._send_matches(index, warp, matches, null)
        if null is None:
            null = self._null(job, layer, model)
            self._send_matches(index, warp, matches, null)
        if self._opens_shifted:
            self._opens_shifted = False  # who moves a slider meanwhile draws a curve of their own
            self._visit_the_way(job, index, layer, model)
            self._send_matches(index, warp, matches, null)

    def _loaded(self, job: Job) -> VisionModel:
        if self.model is None:
            job.step("Loading the model")
            with in_words_of({"`name`": "`model`"}):
                self.model = load_model(self._given_model if isinstance(self._given_model, str) else None)
        self._model_badge = weights_badge(self.model.provenance)
        self._model_title = self.model.name
        return self.model

    def _box(self, index: int, model: VisionModel) -> PixelBox:
        """Return what the model sees of a picture, in its pixels; all of it where that is not known."""
        size = self.images.size(index)
        return visible_box(model.transform, size) or (0.0, 0.0, float(size[0]), float(size[1]))

    def _moved(self, index: int, warp: Warp, model: VisionModel) -> Image.Image:
        return warp(self.images.image(index), self._box(index, model))

    def _original(self, job: Job, index: int, model: VisionModel) -> dict[str, Tokens]:
        """Return what the model makes of a picture as it is; it looks once."""
        if index not in self._originals:
            job.step("Looking at the picture")
            self._originals[index] = self._extract(model, self.images.select([index]))
        return self._originals[index]

    def _seen(self, job: Job, index: int, warp: Warp, model: VisionModel) -> Analysis:
        """Return the Analysis of a picture and the moved one."""
        before, moved = self._original(job, index, model), self._moved(index, warp, model)
        after = self._extract(model, load_images([moved]))
        name = self.images.ids[index]
        both = load_images([self.images.image(index), moved])
        images = Images(ids=(name, f"{name}, moved"), sources=both.sources)
        return Analysis(images, {k: joined(before[k], after[k]) for k in before}, model=model, matcher=Exact())

    def _open(self, job: Job, model: VisionModel) -> None:
        """Offer the layers, which the first picture tells; the page has no slider before, and sets none meanwhile."""
        index = self.index
        self._send_pictures(index, self.warp, model)
        analysis = Analysis(self.images.select([index]), self._original(job, index, model), model=model)
        wished, shown = self.layer, default_layer(analysis)
        if wished in analysis.layers:
            shown = wished
        elif wished:
            self._notice = f"There is no layer {wished!r}: showing {shown!r}. {suggest(wished, analysis.layers)}"
        self._opens_shifted = self._opens_shifted and self.warp == Warp(border=self.border, seed=self.seed)
        self._opening = True  # the job that shows this layer is running already
        try:
            self.layer = shown
            if self._opens_shifted:
                _, patches = analysis.tokens[shown].grid or (1, 2 * _OPENING_PATCHES)
                self.shift = (min(_OPENING_PATCHES / patches, MOST_SHIFT), 0.0)
        finally:
            self._opening = False
        self._layers = layer_rows(analysis)

    def _visit_the_way(self, job: Job, index: int, layer: str, model: VisionModel) -> None:
        """Visit the shifts that lead to the one on screen, half a patch after the other."""
        warp = self.warp
        steps = 2 * _OPENING_PATCHES
        for k in range(steps):
            job.step("Visiting the shifts on the way:", k / steps)
            between = replace(warp, shift=(warp.shift[0] * k / steps, 0.0))
            seen = self._seen(job, index, between, model)
            self._note(index, layer, between, self._matches(job, seen, layer))

    def _matches(self, job: Job, analysis: Analysis, layer: str) -> Matches:
        count = analysis.tokens[layer].values.shape[1]
        matcher = None
        if count > _EXACT_TOKENS:
            matcher = Auction()
            make_ready(matcher, count, job)
        return analysis.matches(layer, 0, 1, matcher=matcher)

    def _null_if_there(self, layer: str) -> NullLevel | None:
        return self._reference.null(layer) if self._reference is not None and self._reference.has_null(layer) else None

    def _null(self, job: Job, layer: str, model: VisionModel) -> NullLevel:
        """Return what unrelated tokens reach at a layer, sampled from different pictures."""
        if self._reference is None:
            pictures = self.images.select(range(min(_MOST_PICTURES, len(self.images))))
            if len(pictures) < _LEAST_PICTURES:
                pictures = load_images([*pictures, *reduced(photographs())])
            tokens = self._extract(model, pictures, progress=job.counter("Looking at other pictures:"))
            largest = max(each.values.shape[1] for each in tokens.values())
            matcher = Exact() if largest <= _EXACT_TOKENS else Auction()
            self._reference = Analysis(pictures, tokens, model=model, matcher=matcher)
        cost = long_cost(self._reference, [layer], self.patience, null_alone=True)
        if cost is not None:
            self.await_start(job, f"The level of unrelated tokens: {describe_cost(cost)}")
        return self._reference.null(layer, progress=job.counter(f"Calibrating {layer}:"))

    def _note(self, index: int, layer: str, warp: Warp, matches: Matches) -> None:
        """Remember the similarities at this setting, once."""
        visit = Visit(
            image=self.images.ids[index],
            layer=layer,
            warp=warp,
            aligned=matches.aligned,
            semantic=matches.semantic,
            pooled=matches.pooled,
        )
        others = [each for each in self.visits if _setting(each) != _setting(visit)]
        self.visits = [*others[-_MOST_VISITS:], visit]

    def trace(self) -> list[Visit]:
        """Return the visits that differ from the setting on screen by the shift alone, the nearest shift first."""
        here, name = asdict(self.warp), self.images.ids[self.index]
        del here["shift"]
        along = [each for each in self.visits if (each.image, each.layer) == (name, self.layer)]
        along = [each for each in along if all(getattr(each.warp, key) == value for key, value in here.items())]
        return sorted(along, key=lambda each: each.warp.distance)

    def _shown(self, index: int, warp: Warp, model: VisionModel) -> tuple[Image.Image, Image.Image]:
        """Return the picture and the moved one, cut to what the model sees."""
        box = self._box(index, model)
        return crop_to_view(self.images.image(index), box), crop_to_view(self._moved(index, warp, model), box)

    def draw_figure(self, sheet: Sheet) -> None:
        """Draw the picture, the moved one and how they are matched."""
        from .paper import draw_lab

        if self.model is None or self.analysis is None or self._warped is None:
            raise ValueError(message("lab", "ready to be drawn", "one that is loading", "Call lab.wait()."))
        index, warp = self._warped
        null = self._null_if_there(self.layer)
        if null is None:
            raise ValueError(message("lab", "ready to be drawn", "one that is calibrating", "Call lab.wait()."))
        draw_lab(
            sheet,
            self.analysis,
            self.analysis.matches(self.layer, 0, 1),
            self._shown(index, warp, self.model),
            setting=warp.words(),
            model=model_sentence(self.analysis),
            null=null,
        )

    def _send_pictures(self, index: int, warp: Warp, model: VisionModel) -> None:
        """Send both pictures, cut to what the model sees, unless the page has them."""
        if self._pictured == (index, warp):
            return
        pictures = self._shown(index, warp, model)
        self.post(Message.of("pictures", pictures={"pictures": [jpeg_bytes(each) for each in pictures]}, index=index))
        self._pictured = index, warp

    def _send_matches(self, index: int, warp: Warp, matches: Matches, null: NullLevel | None) -> None:
        facts = {name: getattr(matches, name) for name in (*PATCH_SIMILARITIES, "upper", "same_position")}
        visits = self.trace()
        trace = {name: np.array([getattr(each, name) for each in visits]) for name in PATCH_SIMILARITIES}
        self.post(
            Message.of(
                "matches",
                arrays={
                    "permutation": matches.permutation,
                    "distance": np.array([each.warp.distance for each in visits]),
                    **{f"trace_{name}": values for name, values in trace.items()},
                },
                index=index,
                layer=matches.layer,
                setting=warp,
                null=null,
                grid=matches.grid,
                **facts,
            )
        )

    def ready_text(self) -> str:
        """Return what could not be shown as asked; the numbers stand beside the pictures."""
        return self._notice

    def picture(self) -> Image.Image | None:
        """Return both pictures and the moved one's patches back in place, or None before the model has seen them."""
        model, analysis, warped = self.model, self.analysis, self._warped
        if model is None or analysis is None or warped is None or analysis.tokens[self.layer].grid is None:
            return None
        if not analysis.has_assignment(self.layer, 0, 1):
            return None
        sides = [(picture, (0.0, 0.0, 1.0, 1.0)) for picture in self._shown(*warped, model)]
        return pair_still(analysis.matches(self.layer, 0, 1), sides, 0)


def _check_model(model: Any) -> None:
    if model is not None and not isinstance(model, str | VisionModel):
        todo = "Wrap a torch module as VisionModel(module, transform)."
        raise TypeError(message("model", "a timm name, a VisionModel or None", model, todo))


def _setting(visit: Visit) -> tuple[str, str, Warp]:
    return visit.image, visit.layer, visit.warp
