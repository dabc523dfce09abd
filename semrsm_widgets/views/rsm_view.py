"""The RSMs of a model by layer: aligned and semantic side by side, on one colour range."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t
from bokeh.palettes import Viridis256

from semrsm_widgets.analysis import Analysis, Similarities
from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import Kernel, UndefinedKernelError, cosine, inner_product, rbf
from semrsm_widgets.views import _pictures
from semrsm_widgets.views._base import check_trait, esm, guarded_method, jpeg_bytes
from semrsm_widgets.views._bokeh_pane import BokehPane, colour_indices, heatmap_item
from semrsm_widgets.views._cost import describe_cost, long_cost, make_ready
from semrsm_widgets.views._shown import (
    PATIENCE_SECONDS,
    check_analysis,
    checked_pair,
    default_layer,
    image_rows,
    layer_rows,
)
from semrsm_widgets.views._worker import DEBOUNCE_SECONDS, CancelledError, Job

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from semrsm_widgets.views._paper import Sheet

KERNELS: dict[str, Kernel] = {"cosine": cosine, "inner product": inner_product, "RBF": rbf}
"""The kernels that a view offers, by the name on its button."""

# 255 colours; the 256th index is "not computed yet".
PALETTE = tuple(Viridis256[round(k * 255 / 254)] for k in range(255))
# Up to this many images every cell's exact values go to the browser with the colours (at most 1.4 MB a frame).
EXACT_IMAGES = 300
# Frames of all layers and kernels are sent ahead of the slider when they fit into this many bytes.
AHEAD_BYTES = 8 * 2**20
_THUMBNAIL = 72
_FLOAT_MATRICES = 4
_BYTE_MATRICES = 2


class RSMView(BokehPane):
    """Layer slider and kernel choice over the aligned and the semantic RSM.

    Hovering a cell names both images and gives every similarity with the certificate of the semantic one; a click (or
    Enter) sets `pair`. Layers are computed in the background, the one on screen first, and reach the browser ahead
    of the slider when they are small.

    Args:
        analysis: what to show.
        layer: the layer on screen; the middle one unless given.
        kernel: "cosine", "inner product" or "RBF".
        pair: indices of the two images of the selected cell.
        patience: a computation estimated to take more seconds than this waits for Start.

    Example:
        >>> view = srsm.RSMView(analysis, layer="blocks.4")
        >>> view.kernel = "RBF"
    """

    _esm = esm("_shared.js", "_bokeh_pane.js", "rsm_view.js")

    layer = t.Unicode(help="The layer on screen.").tag(sync=True)
    kernel = t.Unicode("cosine", help='"cosine", "inner product" or "RBF".').tag(sync=True)
    pair = t.Tuple(t.Int(), t.Int(), default_value=(0, 0), help="Indices of the selected cell's images.").tag(sync=True)

    _layers: t.List[Any] = t.List().tag(sync=True)
    _images: t.List[Any] = t.List().tag(sync=True)
    _kernels = t.List(list(KERNELS)).tag(sync=True)
    _palette = t.List(list(PALETTE)).tag(sync=True)
    _own_status = t.Bool(True).tag(sync=True)

    _handlers = {  # noqa: RUF012 (never mutated)
        **BokehPane._handlers,
        "ready": "_send_everything",
        "cancel": "_cancel",
        "resume": "resume",
        "start": "start",
        "value": "_send_value",
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
        self.analysis = check_analysis(analysis, at_least=2)
        if pair is None:
            pair = (0, min(1, len(analysis) - 1))
        super().__init__(
            layer=default_layer(analysis) if layer is None else layer,
            kernel=kernel,
            pair=pair,
            _layers=layer_rows(analysis),
            _images=image_rows(analysis),
            **kwargs,
        )
        self.patience = patience
        self._sent: set[tuple[str, str]] = set()
        self._agreed: set[str] = set()  # the layers whose cost was shown and started
        self._latest: tuple[str, Similarities] | None = None  # the last shown, with the name of its kernel
        self.observe(guarded_method(self, "_request"), names=["layer", "kernel"])
        self._request(None)

    @t.validate("layer")
    def _check_layer(self, proposal: Any) -> str:
        return check_trait("layer", proposal["value"], self.analysis.layers)

    @t.validate("kernel")
    def _check_kernel(self, proposal: Any) -> str:
        return check_trait("kernel", proposal["value"], tuple(KERNELS))

    @t.validate("pair")
    def _check_pair(self, proposal: Any) -> tuple[int, int]:
        return checked_pair(self.analysis, proposal["value"])

    def __repr__(self) -> str:
        return f"RSMView({self.layer!r}, {self.kernel!r}, {len(self.analysis)} images)"

    # -- what the browser asks ----------------------------------------------------------------------------------

    def _send_everything(self, _content: dict[str, Any]) -> None:
        """Answer a page that shows this view anew: figures, thumbnails, and every frame that is known."""
        size = len(self.analysis)
        thumbnails = []
        if size <= EXACT_IMAGES:
            thumbnails = [jpeg_bytes(self.analysis.images.thumbnail(k, _THUMBNAIL)) for k in range(size)]
        items = [heatmap_item(name, PALETTE, size) for name in ("aligned", "semantic")]
        self.send({"kind": "setup", "items": items}, buffers=thumbnails)
        # A new set, not an emptied one: a job that is still running goes on to note in the old one what it sent.
        self._sent = set()
        self._request(None)

    def _request(self, change: Any) -> None:
        self.run(self._work, debounce=0.0 if change is None else DEBOUNCE_SECONDS)

    def _cancel(self, _content: dict[str, Any]) -> None:
        self.worker.cancel()

    def resume(self, _content: dict[str, Any] | None = None) -> None:
        """Go on after a cancel."""
        self._request(None)

    def _send_value(self, content: dict[str, Any]) -> None:
        """Answer a hover for which the browser has colours only."""
        i, j = checked_pair(self.analysis, (content["i"], content["j"]))
        thumbnails = [jpeg_bytes(self.analysis.images.thumbnail(k, _THUMBNAIL)) for k in (i, j)]
        latest = self._latest  # what is not there yet is the worker's to compute
        values = None
        if latest is not None and (latest[0], latest[1].layer) == (self.kernel, self.layer):
            values = [float(matrix[i, j]) for matrix in _exact(latest[1])]
        where = {"layer": self.layer, "kernel": self.kernel, "i": i, "j": j}
        self.send({"kind": "value", **where, "values": _finite(values)}, buffers=thumbnails)

    # -- the worker ---------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        """Compute and send: the shown layer (aligned, then semantic), then the others, the nearest first.

        A layer that fails does not keep the others from the slider; its error is shown once they are there.
        """
        layer, kernel, sent = self.layer, self.kernel, self._sent
        failure: Exception | None = None
        for name in self._by_distance(layer) if self._fits_ahead() else [layer]:
            try:
                self._send_layer(job, name, kernel, sent)
            except CancelledError:
                raise
            except Exception as error:  # raised below
                error.add_note(f"Layer {name!r}")
                failure = failure or error
        if failure is not None:
            raise failure

    def _send_layer(self, job: Job, layer: str, kernel: str, sent: set[tuple[str, str]]) -> None:
        analysis = self.analysis
        if (layer, kernel) not in sent:
            job.step(f"Comparing {layer}")
            if not analysis.has(layer):
                if KERNELS[kernel] is not rbf:  # the RBF's σ is the semantic Gram's
                    self._send_partial(layer, kernel)
                self.prepare(job, layer)
                analysis.gram(layer, progress=job.counter(f"Matching {layer}:"))
            analysis.null(layer, progress=job.counter(f"Calibrating {layer}:"))
        self._send_frame(layer, kernel, sent)
        if self._fits_ahead():  # the other kernels cost nothing once a layer is matched
            for name in KERNELS:
                self._send_frame(layer, name, sent)

    def prepare(self, job: Job, layer: str) -> None:
        """Compile the matcher if it must be, and wait for Start where matching would take long."""
        make_ready(self.analysis.matcher, self.analysis.tokens[layer].values.shape[1], job)
        if layer in self._agreed:
            return
        waiting = self._by_distance(layer) if self._fits_ahead() else [layer]
        waiting = [name for name in waiting if not self.analysis.has(name)]
        cost = long_cost(self.analysis, waiting, self.patience)
        if cost is not None:
            self.await_start(job, f"{describe_cost(cost)} Any pair can be opened before.")
            self._agreed.update(waiting)

    def _send_partial(self, layer: str, kernel: str) -> None:
        """Send the aligned RSM, which costs one product, before the semantic one is there."""
        function = KERNELS[kernel]
        aligned = function(self.analysis.gram(layer, matcher=Identity()))
        pooled = function(self.analysis.pooled_gram(layer))
        unknown = np.full_like(aligned, np.nan)
        self._post(layer, kernel, aligned, unknown, unknown, pooled, complete=False)

    def _send_frame(self, layer: str, kernel: str, sent: set[tuple[str, str]]) -> None:
        """Send what is computed of a layer under a kernel; an undefined RBF is said in its place."""
        exact = len(self.analysis) <= EXACT_IMAGES
        shown = (layer, kernel) == (self.layer, self.kernel) and not exact  # a hover will ask for its values
        if (layer, kernel) in sent and not shown:
            return
        try:
            similarities = self.analysis.similarities(layer, KERNELS[kernel])
        except UndefinedKernelError as error:
            self.send({"kind": "undefined", "layer": layer, "kernel": kernel, "reason": str(error)})
            sent.add((layer, kernel))
            return
        if shown:
            self._latest = kernel, similarities
        if (layer, kernel) in sent:
            return
        null = similarities.null
        self._post(
            layer,
            kernel,
            *_exact(similarities),
            complete=True,
            null={"mean": null.mean, "quantile95": null.quantile95, "n": null.n},
            sigma=similarities.sigma,
        )
        sent.add((layer, kernel))

    def _post(
        self,
        layer: str,
        kernel: str,
        aligned: NDArray[np.float64],
        semantic: NDArray[np.float64],
        upper: NDArray[np.float64],
        pooled: NDArray[np.float64],
        **facts: Any,
    ) -> None:
        low, high = colour_range(aligned, semantic)
        buffers: list[bytes] = [colour_indices(matrix, low, high).tobytes() for matrix in (aligned, semantic)]
        if len(self.analysis) <= EXACT_IMAGES:
            buffers += [matrix.astype(np.float32).tobytes() for matrix in (aligned, semantic, upper, pooled)]
        facts["off_scale"] = bool(aligned.diagonal().max() > high)
        self.send({"kind": "frame", "layer": layer, "kernel": kernel, "low": low, "high": high, **facts}, buffers)

    def _by_distance(self, layer: str) -> list[str]:
        names = self.analysis.layers
        here = names.index(layer)
        return sorted(names, key=lambda name: abs(names.index(name) - here))

    def _fits_ahead(self) -> bool:
        cells = len(self.analysis) ** 2
        exact = 4 * _FLOAT_MATRICES if len(self.analysis) <= EXACT_IMAGES else 0
        return len(self.analysis.layers) * len(KERNELS) * cells * (_BYTE_MATRICES + exact) <= AHEAD_BYTES

    def ready_text(self) -> str:
        """Return how long the shown layers took."""
        count = len({layer for layer, _ in self._sent})
        return f"{super().ready_text()} · {count} of {len(self.analysis.layers)} layers compared"

    def picture(self) -> Image.Image | None:
        """Return both heatmaps as one picture, or None before the semantic RSM is there."""
        if not self.analysis.has(self.layer):
            return None
        try:
            kernel, _ = self.analysis.shared_kernel(self.layer, KERNELS[self.kernel])
        except UndefinedKernelError:
            return None
        aligned, semantic = (self.analysis.rsm(self.layer, kernel, matcher=m) for m in (Identity(), None))
        low, high = colour_range(aligned, semantic)
        paint = partial(colour_indices, low=low, high=high)
        title = f"{self.layer} · {self.kernel} · {low:.2f} to {high:.2f}"
        maps = {"aligned (same position)": aligned, "semantic (best match)": semantic}
        return _pictures.heatmaps({name: paint(matrix) for name, matrix in maps.items()}, PALETTE, title)

    def _draw_figure(self, sheet: Sheet) -> None:
        from semrsm_widgets.views._plots_rsm import draw_rsms

        similarities = self.analysis.similarities(self.layer, KERNELS[self.kernel])
        limits = colour_range(similarities.aligned, similarities.semantic)
        draw_rsms(sheet, self.analysis, similarities, kernel=self.kernel, limits=limits, pair=self.pair)


def _exact(similarities: Similarities) -> tuple[NDArray[np.float64], ...]:
    """Return the matrices whose exact values the browser shows, in the order that rsm_view.js reads."""
    return similarities.aligned, similarities.semantic, similarities.upper, similarities.pooled


def _finite(values: list[float] | None) -> list[float | None] | None:
    """Return values as JSON can carry them: no NaN, no infinity."""
    return None if values is None else [value if np.isfinite(value) else None for value in values]


def colour_range(aligned: NDArray[np.float64], semantic: NDArray[np.float64]) -> tuple[float, float]:
    """Return (low, high) of the one colour range that both RSMs share: from 0 or the least value to the largest.

    The diagonal is left out: it is known (1 for cosine and RBF), and would take most of the range from the rest.
    """
    off_diagonal = ~np.eye(len(aligned), dtype=bool) if len(aligned) > 1 else np.ones_like(aligned, dtype=bool)
    values = np.concatenate([aligned[off_diagonal], semantic[off_diagonal]])
    values = values[np.isfinite(values)]
    low, high = min(0.0, float(values.min())), float(values.max())
    return low, high if high > low else low + 1.0
