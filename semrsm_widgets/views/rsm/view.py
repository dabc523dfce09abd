"""The RSMs of a model by layer: a baseline, the semantic RSM and their difference, with one cursor and one zoom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from semrsm_widgets.analysis import Analysis, check_analysis
from semrsm_widgets.common import check_choice, check_int, check_several, message
from semrsm_widgets.figures import DIVERGING, PALETTE, colour_indices, colour_range, difference_range, heatmap_still
from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import BASELINES, PATCH_SIMILARITIES, SIMILARITIES, Similarities, UndefinedKernelError, rbf
from semrsm_widgets.views.base import (
    DEBOUNCE_SECONDS,
    KERNELS,
    PATIENCE_SECONDS,
    BokehPane,
    CancelledError,
    ImagesSelected,
    Job,
    KernelChosen,
    LayerChosen,
    LayerSteps,
    Message,
    SimilaritiesTold,
    bundle,
    check_pair,
    check_trait,
    describe_cost,
    guarded_method,
    heatmap_item,
    is_exact,
    jpeg_bytes,
    long_cost,
    make_ready,
    thumbnail,
)

from . import large
from .frames import cluster_order, frame_bytes, full_frame, label_order, partial_frame

if TYPE_CHECKING:
    from PIL import Image

    from semrsm_widgets.figures.sheet import Sheet

ORDERS = ("file", "label", "cluster")
SELECTED = ("marked", "first", "only")
HEATMAPS = ("baseline", "semantic", "difference")

# Frames are sent ahead of the slider when they fit into this many bytes: of all kernels, else of the shown one.
AHEAD_BYTES = 8 * 2**20
_THUMBNAIL = 72
_THUMBNAILS_AT_ONCE = 80  # along two axes of 40


class RSMView(ImagesSelected, LayerChosen, KernelChosen, SimilaritiesTold, BokehPane):
    """Layer slider over a baseline RSM, the semantic RSM and their difference.

    All three share cursor, zoom and order; baseline and semantic share one colour range. Under each stands its
    distribution: pairs with a label in common against the others. Hovering a cell names both images and gives every
    similarity with the certificate of the semantic one; a click (or Enter) sets `pair`. Layers are computed in the
    background, the one on screen first, and reach the browser ahead of the slider when they are small.

    Of more than 2,000 images whose Grams are in a store (`Analysis(..., store=...)`) it shows an overview: each cell is
    the mean of a square of pairs, or the largest of them, and near enough a pair. What is in sight is read from the
    store; nothing of N x N numbers is held, here or in the page.

    Args:
        analysis: what to show.
        layer: the layer on screen; two thirds into the model unless given.
        kernel: "cosine", "inner product" or "RBF".
        pair: indices of the two images of the selected cell.
        baseline: what stands beside the semantic RSM and is subtracted from it, "aligned" or "pooled".
        heatmap: which of the three is shown where there is room for one only.
        order: of rows and columns: "file", "label", or "cluster" (of the semantic RSM on screen when it is chosen).
        selection: ids or indices of images that are marked in the heatmaps; a `Selection` once it is set.
        selected: whether the selected images are "marked" where they are, come "first", or are the "only" ones shown.
        excess: subtract what unrelated tokens reach from the semantic RSM.
        colour_range: (low, high) to keep for all layers; None takes each layer's own.
        statistic: of a cell that is several pairs, in an overview: "mean" or "largest".
        patience: a computation estimated to take more seconds than this waits for Start.

    Example:
        >>> view = srsm.RSMView(analysis, layer="blocks.4")
        >>> view.baseline, view.order = "pooled", "label"
        >>> view.selection, view.selected = ["coffee/0", "coffee/1"], "first"
    """

    _esm = bundle("rsm.js")

    baseline = t.Unicode("aligned", help='"aligned" or "pooled".').tag(sync=True)
    order = t.Unicode("file", help='"file", "label" or "cluster".').tag(sync=True)
    heatmap = t.Unicode("semantic", help='Where there is room for one: "baseline", "semantic" or "difference".').tag(
        sync=True
    )
    selected = t.Unicode("marked", help='How selected images are shown: "marked", "first" or "only".').tag(sync=True)
    excess = t.Bool(False, help="Whether what unrelated tokens reach is subtracted from semantic.").tag(sync=True)
    colour_range = t.Tuple(
        t.Float(), t.Float(), default_value=None, allow_none=True, help="(low, high) of the colours, or None."
    ).tag(sync=True)

    statistic = t.Unicode("mean", help='Of a cell that is several pairs: "mean" or "largest".').tag(sync=True)

    _kernels = t.List(list(KERNELS)).tag(sync=True)
    _large = t.Bool(False, help="Whether windows of an overview are shown, not all pairs.").tag(sync=True)
    _palettes = t.List([list(PALETTE), list(DIVERGING)]).tag(sync=True)
    _matcher = t.Unicode().tag(sync=True)
    _sequence: t.List[int] = t.List(t.Int(), help="The images in the order of the rows; empty: as they are.").tag(
        sync=True
    )
    _sequence_note = t.Unicode(help="Of what layer the clusters are.").tag(sync=True)
    _below = t.Unicode(
        help='Whether the selected images stand below: "open", "closed", or "" where nobody opens them.'
    ).tag(sync=True)
    parts = ("status",)
    handlers = {  # noqa: RUF012 (never mutated)
        "ready": "_send_everything",
        "figures": "_send_figures",
        "value": "_send_value",
        "frame": "_send_again",
        "thumbnails": "_send_asked_thumbnails",
        "below": "_on_below",
        "window": "_send_window",
    }

    def __init__(
        self,
        analysis: Analysis,
        *,
        layer: str | None = None,
        kernel: str = "cosine",
        pair: tuple[int, int] | None = None,
        patience: float = PATIENCE_SECONDS,
        **kwargs: Any,
    ) -> None:
        self.patience = patience
        self._open_below: Callable[[], bool] | None = None
        self._sent: set[tuple[str, str]] = set()
        self._cost_accepted: set[str] = set()  # the layers whose cost was shown and started
        self._latest: tuple[str, Similarities] | None = None  # the last shown, with the name of its kernel
        self._thumbnails_due = False
        self._in_sight: large.LargeLayer | None = None
        self._windowed = check_analysis(analysis).is_stored and len(analysis) > large.LARGEST_FRAME
        super().__init__(analysis, at_least=2, layer=layer, kernel=kernel, pair=pair, _large=self._windowed, **kwargs)
        self._matcher = repr(analysis.matcher)
        if self._windowed:
            self.observe(guarded_method(self, "request"), names="baseline")
        self.observe(guarded_method(self, "request"), names=["layer", "kernel"])
        self.observe(guarded_method(self, "_arrange"), names="order")
        if self.order == "file":
            self.request(None)
        else:
            self._arrange(None)

    def open_below_with(self, toggle: Callable[[], bool]) -> None:
        """Offer a button for the selected images below; `toggle` opens or closes them and returns whether they do."""
        self._open_below = toggle
        self._below = "closed"

    def _on_below(self, _content: dict[str, Any]) -> None:
        if self._open_below is not None:
            self._below = "open" if self._open_below() else "closed"

    @t.validate("baseline")
    def _check_baseline(self, proposal: Any) -> str:
        return check_trait("baseline", proposal["value"], BASELINES)

    @t.validate("heatmap")
    def _check_heatmap(self, proposal: Any) -> str:
        return check_trait("heatmap", proposal["value"], HEATMAPS)

    @t.validate("selected")
    def _check_selected(self, proposal: Any) -> str:
        selected = check_trait("selected", proposal["value"], SELECTED)
        if self._windowed and selected != "marked":
            todo = "analysis.select(view.selection) is an analysis of these images alone."
            raise t.TraitError(message("selected", '"marked", in an overview', f'"{selected}"', todo))
        return selected

    @t.validate("statistic")
    def _check_statistic(self, proposal: Any) -> str:
        return check_trait("statistic", proposal["value"], large.STATISTICS)

    @t.validate("order")
    def _check_order(self, proposal: Any) -> str:
        order = check_trait("order", proposal["value"], ORDERS)
        if self._windowed and order != "file":
            todo = "The cells of an overview are of images as they were loaded: load them in the order wanted."
            raise t.TraitError(message("order", '"file", in an overview', f'"{order}"', todo))
        if order == "label" and not any(self.analysis.images.labels or ()):
            todo = "Give labels to load_images(..., labels=...)."
            raise t.TraitError(message("order", '"file" or "cluster": these images have no labels', '"label"', todo))
        return order

    @t.validate("colour_range")
    def _check_colour_range(self, proposal: Any) -> tuple[float, float] | None:
        value = proposal["value"]
        if value is None or (np.isfinite(value).all() and value[0] < value[1]):
            return value
        todo = "None takes each layer's own range."
        raise t.TraitError(message("colour_range", "(low, high), finite, low < high", str(value), todo))

    def __repr__(self) -> str:
        return f"RSMView({self.layer!r}, {self.kernel!r}, {len(self.analysis)} images)"

    def rows(self) -> list[int]:
        """Return which images the rows of the heatmaps are, from the top; the page arranges them alike."""
        rows = self._sequence or list(range(len(self.analysis)))
        chosen = self.selection.indices
        if self.selected == "marked" or not chosen:
            return rows
        known = set(chosen)
        first = list(chosen) if self.order == "file" else [k for k in rows if k in known]
        return first if self.selected == "only" else first + [k for k in rows if k not in known]

    # -- what the browser asks ----------------------------------------------------------------------------------

    def _send_everything(self, _content: dict[str, Any]) -> None:
        """Answer a page that shows this view anew: every frame that is known, the shown one first, and thumbnails."""
        # A new set, not an emptied one: a job that is still running goes on to note in the old one what it sent.
        self._sent = set()
        self._thumbnails_due = True
        self.request(None)

    def _send_figures(self, _content: dict[str, Any]) -> None:
        """Send what Bokeh draws the heatmaps with: a page asks for it once it has BokehJS, and paints alone before."""
        palettes = {"baseline": PALETTE, "semantic": PALETTE, "difference": DIVERGING}
        self.post(Message.of("figures", items=[heatmap_item(name, palette) for name, palette in palettes.items()]))

    def request(self, change: Any) -> None:
        """Have the worker send the layers, the one on screen first."""
        self.run(self._work, debounce=0.0 if change is None else DEBOUNCE_SECONDS)

    def _arrange(self, _change: Any) -> None:
        """Put the images into the chosen order; clusters wait for the semantic RSM, which the worker computes."""
        self._sequence_note = ""
        self._sequence = label_order(self.analysis.images) if self.order == "label" else []
        self.request(None)

    def _send_again(self, content: dict[str, Any]) -> None:
        """Send a frame that a page has dropped to save its memory."""
        self._sent.discard((content["layer"], content["kernel"]))
        self.request(None)

    def _send_value(self, content: dict[str, Any]) -> None:
        """Answer a hover for which the browser has rounded values and no thumbnails."""
        i, j = check_pair(self.analysis, (content["i"], content["j"]))
        thumbnails = [jpeg_bytes(thumbnail(self.analysis.images, k, _THUMBNAIL)) for k in (i, j)]
        latest = self._latest  # what is not there yet is the worker's to compute
        values = None
        if self._windowed:
            seen = self._in_sight
            values = seen.pair_values(self.analysis, i, j) if seen is not None and self._is_in_sight() else None
        elif latest is not None and (latest[0], latest[1].layer) == (self.kernel, self.layer):
            shown = latest[1]
            values = {name: getattr(shown, name)[i, j] for name in (*PATCH_SIMILARITIES, "upper")}
        self.post(
            Message.of(
                "value",
                pictures={"thumbnails": thumbnails},
                layer=self.layer,
                kernel=self.kernel,
                i=i,
                j=j,
                values=values,
            )
        )

    def _is_in_sight(self) -> bool:
        """Return whether what a large set shows is what was asked for last."""
        shown = self._in_sight
        wanted = self.layer, self.kernel, self.baseline
        return shown is not None and (shown.layer, shown.kernel, shown.baseline) == wanted

    def _send_window(self, content: dict[str, Any]) -> None:
        """Answer a page that shows another part of a large set."""
        shown, last = self._in_sight, len(self.analysis) - 1
        if shown is None or not self._is_in_sight():
            return  # the worker sends one when it is there
        row, column = (check_int(name, content[name], minimum=0, maximum=last) for name in ("row", "column"))
        side, cells = (check_int(name, content[name], minimum=1) for name in ("side", "cells"))
        asked = check_several("statistics", content["statistics"], f"some of {', '.join(large.STATISTICS)}")
        statistics = [check_choice("statistics", each, large.STATISTICS) for each in asked]
        self.post(shown.window(row, column, side, cells, statistics))

    # -- the worker ---------------------------------------------------------------------------------------------

    def _work_large(self, job: Job) -> None:
        """Compute and send what is to be known of the shown layer of a large set; what is in sight is asked for."""
        shown = self._in_sight
        if shown is None or not self._is_in_sight():
            if not self._is_there(self.layer):
                self.prepare(job, self.layer)
            shown = large.large_layer(job, self.analysis, self.layer, self.kernel, self.baseline)
        self._in_sight = shown
        self._sent.add((shown.layer, shown.kernel))
        self.post(shown.message())
        statistics = large.STATISTICS if self.statistic != large.STATISTICS[0] else large.STATISTICS[:1]
        self.post(shown.window(0, 0, len(self.analysis), large.FIRST_CELLS, statistics))

    def _work(self, job: Job) -> None:
        """Compute and send: the shown layer (baseline, then semantic), then the others, the nearest first.

        A layer that fails does not keep the others from the slider; its error is shown once they are there.
        """
        if self._windowed:
            self._work_large(job)
            return
        layer, kernel, sent = self.layer, self.kernel, self._sent
        failure: Exception | None = None
        wanted = self._by_distance(layer) if self._kernels_ahead() else [layer]
        steps = LayerSteps(job, self.analysis, [name for name in wanted if not self._is_there(name)])
        for name in wanted:
            try:
                self._send_layer(job, steps, name, kernel, sent)
                if name == layer:
                    self._cluster(layer)
            except CancelledError:
                raise
            except Exception as error:  # raised below
                error.add_note(f"Layer {name!r}")
                failure = failure or error
            self._send_thumbnails()
        if failure is not None:
            raise failure

    def _is_there(self, layer: str) -> bool:
        return self.analysis.has(layer) and self.analysis.has_null(layer)

    def _send_layer(self, job: Job, steps: LayerSteps, layer: str, kernel: str, sent: set[tuple[str, str]]) -> None:
        analysis = self.analysis
        if (layer, kernel) not in sent:
            steps.step(layer)
            if not analysis.has(layer):
                if KERNELS[kernel] is not rbf:  # the RBF's σ is the semantic Gram's
                    self._send_partial(layer, kernel)
                self._send_thumbnails()
                self.prepare(job, layer)
                analysis.gram(layer, progress=steps.matching(layer))
            analysis.null(layer, progress=steps.calibrating(layer))
        steps.done(layer)
        self._send_frame(layer, kernel, sent)
        for name in self._kernels_ahead():  # the other kernels cost nothing once a layer is matched
            self._send_frame(layer, name, sent)

    def prepare(self, job: Job, layer: str) -> None:
        """Compile the matcher if it must be, and wait for Start where matching would take long."""
        make_ready(self.analysis.matcher, self.analysis.tokens[layer].values.shape[1], job)
        if layer in self._cost_accepted:
            return
        waiting = self._by_distance(layer) if self._kernels_ahead() else [layer]
        waiting = [name for name in waiting if not self.analysis.has(name)]
        cost = long_cost(self.analysis, waiting, self.patience)
        if cost is not None:
            self.await_start(job, f"{describe_cost(cost)} Any pair can be opened before.")
            self._cost_accepted.update(waiting)

    def _cluster(self, layer: str) -> None:
        """Order the images by the clusters of a layer, if that was asked for and not done yet."""
        if self.order != "cluster" or self._sequence:
            return
        sequence = cluster_order(self.analysis.similarities(layer, KERNELS[self.kernel]).semantic)
        self._sequence_note = f"clusters of {layer}"
        self._sequence = sequence

    def _send_thumbnails(self) -> None:
        """Send all thumbnails, if the page waits for them and there are not too many."""
        if not self._thumbnails_due:
            return
        self._thumbnails_due = False
        size = len(self.analysis)
        if is_exact(size):
            self._post_thumbnails(list(range(size)))

    def _send_asked_thumbnails(self, content: dict[str, Any]) -> None:
        """Send the thumbnails of images along the axes, where there are too many to send all."""
        last = len(self.analysis) - 1
        asked = content["indices"][:_THUMBNAILS_AT_ONCE]
        self._post_thumbnails([check_int("indices", index, minimum=0, maximum=last) for index in asked])

    def _post_thumbnails(self, indices: list[int]) -> None:
        pictures = [jpeg_bytes(thumbnail(self.analysis.images, k, _THUMBNAIL)) for k in indices]
        self.post(Message.of("thumbnails", pictures={"thumbnails": pictures}, indices=indices))

    def _send_partial(self, layer: str, kernel: str) -> None:
        """Send the baselines, which cost one product each, before the semantic RSM is there."""
        function = KERNELS[kernel]
        aligned = function(self.analysis.gram(layer, matcher=Identity()))
        self.post(partial_frame(layer, kernel, aligned, function(self.analysis.pooled_gram(layer))))

    def _send_frame(self, layer: str, kernel: str, sent: set[tuple[str, str]]) -> None:
        """Send what is computed of a layer under a kernel; an undefined RBF is said in its place."""
        rounded = not is_exact(len(self.analysis))
        shown = (layer, kernel) == (self.layer, self.kernel) and rounded  # a hover will ask for its values
        if (layer, kernel) in sent and not shown:
            return
        try:
            similarities = self.analysis.similarities(layer, KERNELS[kernel])
        except UndefinedKernelError as error:
            self.post(Message.of("undefined", layer=layer, kernel=kernel, reason=str(error)))
            sent.add((layer, kernel))
            return
        if shown:
            self._latest = kernel, similarities
        if (layer, kernel) not in sent:
            self.post(full_frame(similarities, kernel, self.analysis.images))
            sent.add((layer, kernel))

    def _by_distance(self, layer: str) -> list[str]:
        names = self.analysis.layers
        here = names.index(layer)
        return sorted(names, key=lambda name: abs(names.index(name) - here))

    def _kernels_ahead(self) -> list[str]:
        """Return the kernels under which all layers are sent ahead of the slider; none where that is too much."""
        each = len(self.analysis.layers) * frame_bytes(len(self.analysis))
        if each * len(KERNELS) <= AHEAD_BYTES:
            return list(KERNELS)
        return [self.kernel] if each <= AHEAD_BYTES else []

    def ready_text(self) -> str:
        """Return how long the shown layers took, and how many there are where some are left."""
        count, all_layers = len({layer for layer, _ in self._sent}), len(self.analysis.layers)
        some = f" · {count} of {all_layers} layers compared" if count < all_layers else ""
        return super().ready_text() + some

    def picture(self) -> Image.Image | None:
        """Return the three heatmaps as one picture, or None before the semantic RSM is there."""
        if self._windowed:
            found, limits = self._in_sight, self.colour_range
            if found is None:
                return None
            return found.picture(statistic=self.statistic, excess=self.excess, limits=limits)
        if not self.analysis.has(self.layer) or not self.analysis.has_null(self.layer):
            return None
        try:
            shown = self.analysis.similarities(self.layer, KERNELS[self.kernel])
        except UndefinedKernelError:
            return None
        baseline = getattr(shown, self.baseline)
        semantic = shown.semantic - shown.null.mean if self.excess else shown.semantic
        difference = semantic - baseline
        low, high = self.colour_range or colour_range(baseline, semantic)
        least, most = colour_range(difference)
        reaches = difference_range(max(-least, most), low, high)
        paint = partial(colour_indices, low=low, high=high)
        best = "semantic, excess over unrelated" if self.excess else SIMILARITIES["semantic"].title
        panels = {
            SIMILARITIES[self.baseline].title: (paint(baseline), PALETTE),
            best: (paint(semantic), PALETTE),
            f"semantic - {self.baseline}": (colour_indices(difference, *reaches), DIVERGING),
        }
        rows = self.rows()
        arranged = {name: (matrix[np.ix_(rows, rows)], palette) for name, (matrix, palette) in panels.items()}
        to_either_side = "difference {:.2f} to {:.2f}".format(*reaches)
        title = f"{self.layer} · {self.kernel} · {low:.2f} to {high:.2f}; {to_either_side}"
        return heatmap_still(arranged, title)

    def draw_figure(self, sheet: Sheet) -> None:
        """Draw the heatmaps."""
        from .paper import draw_rsms

        if self._windowed:
            todo = "Draw a part: RSMView(analysis.select(images))."
            got = f"an overview of {len(self.analysis):,}"
            raise ValueError(message("view", f"one of at most {large.LARGEST_FRAME:,} images", got, todo))
        draw_rsms(
            sheet,
            self.analysis,
            self.analysis.similarities(self.layer, KERNELS[self.kernel]),
            kernel=self.kernel,
            baseline=self.baseline,
            excess=self.excess,
            limits=self.colour_range,
            pair=self.pair,
            order=self.rows(),
        )
