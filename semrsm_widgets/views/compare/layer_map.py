"""The layer x layer map of two analyses, and below it the two RSMs of the chosen cell and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t
from bokeh.palettes import Cividis256

from semrsm_widgets.analysis import Analysis
from semrsm_widgets.common import message
from semrsm_widgets.experiments import Comparison, LayerPair, RSMDifference, compare, rsm_difference
from semrsm_widgets.figures import DIVERGING, PALETTE, stacked, weights_badge
from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import PATCH_SIMILARITIES, UndefinedKernelError
from semrsm_widgets.statistics import UndefinedStatisticError
from semrsm_widgets.views.base import (
    DEBOUNCE_SECONDS,
    EXACT_IMAGES,
    KERNELS,
    Cost,
    Job,
    KernelChosen,
    Message,
    SimilaritiesTold,
    View,
    bundle,
    check_pair,
    check_trait,
    describe_cost,
    guarded_method,
    image_rows,
    is_exact,
    jpeg_bytes,
    layer_rows,
    long_cost,
    make_ready,
)

from .messages import cells_message, detail_parts
from .still import detail_still, layer_map_still

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_THUMBNAIL = 72


PALETTES = {"map": list(Cividis256), "values": list(PALETTE), "difference": list(DIVERGING)}
"""Of a CKA from 0 to 1, of an RSM, and of a difference: from what is more alike in B to what is more alike in A."""

Cell = tuple[str, str]


class LayerMap(KernelChosen, SimilaritiesTold, View):
    """What of a `CompareView` is not a PairView: the map, and the RSMs of the chosen cell.

    Args:
        analyses: two analyses of the same images.
        names: what the two are called on screen.
        patience: matching that is estimated to take more seconds than this waits for Start.
    """

    _esm = bundle("layer_map.js")

    similarity = t.Unicode("semantic", help='"aligned", "semantic" or "pooled".').tag(sync=True)
    cell: Any = t.Tuple(
        t.Unicode(), t.Unicode(), allow_none=True, default_value=None, help="The layers (of A, of B) opened, or None."
    ).tag(sync=True)
    pair = t.Tuple(t.Int(), t.Int(), default_value=(0, 1), help="Indices of the two images chosen.").tag(sync=True)

    _sides: t.List[Any] = t.List().tag(sync=True)
    _images: t.List[Any] = t.List().tag(sync=True)

    handlers = {  # noqa: RUF012 (never mutated)
        "ready": "_send_everything",
        "value": "_send_value",
    }

    def __init__(self, analyses: tuple[Analysis, Analysis], names: tuple[str, str], patience: float, **kwargs: Any):
        self.analyses, self.names, self.patience = analyses, names, patience
        self.rows: dict[str, dict[tuple[str, str, str], LayerPair]] = {}  # kernel -> (layer, layer, similarity) -> row
        self._detail: tuple[Any, ...] | None = None  # what is shown of which cell: see _detail_of
        self._sent_cells: dict[str, set[tuple[str, str, str]]] = {}  # kernel -> the cells that the page has
        self._cost_accepted = False
        sides = [
            {"name": name, "layers": layer_rows(analysis), "badge": weights_badge(analysis.provenance)}
            for name, analysis in zip(names, analyses, strict=True)
        ]
        super().__init__(_sides=sides, _images=image_rows(analyses[0]), **kwargs)
        self.observe(guarded_method(self, "request"), names=["similarity", "kernel", "cell"])
        self.request(None)

    @t.validate("similarity")
    def _check_similarity(self, proposal: Any) -> str:
        return check_trait("similarity", proposal["value"], PATCH_SIMILARITIES)

    @t.validate("cell")
    def _check_cell(self, proposal: Any) -> Cell | None:
        return check_cell(self.analyses, proposal["value"])

    @t.validate("pair")
    def _check_pair(self, proposal: Any) -> tuple[int, int]:
        return check_pair(self.analyses[0], proposal["value"])

    def __repr__(self) -> str:
        return f"LayerMap({self.names[0]!r}, {self.names[1]!r})"

    @property
    def comparison(self) -> Comparison | None:
        """The table of all cells under the kernel on screen, or None until it is complete."""
        rows = self.rows.get(self.kernel, {})
        layers_a, layers_b = (analysis.layers for analysis in self.analyses)
        if not self._complete(self.kernel):
            return None
        order = [(a, b, name) for a in layers_a for b in layers_b for name in PATCH_SIMILARITIES]
        return Comparison(
            layers_a=layers_a, layers_b=layers_b, rows=tuple(rows[key] for key in order if key in rows)
        )  # fmt: skip

    @property
    def difference(self) -> RSMDifference | None:
        """What differs at the opened cell, or None where none is open, it is still to come, or it is undefined."""
        detail = self._detail
        if self.cell is None or detail is None or detail[0] != (self.cell, self.similarity, self.kernel):
            return None
        difference: RSMDifference | None = detail[2]
        return difference

    # -- what the browser asks ----------------------------------------------------------------------------------

    def _send_everything(self, _content: dict[str, Any]) -> None:
        """Answer a page that shows this view anew."""
        images = self.analyses[0].images
        count = len(images) if len(images) <= EXACT_IMAGES else 0
        thumbnails = [jpeg_bytes(images.thumbnail(k, _THUMBNAIL)) for k in range(count)]
        self.post(Message.of("setup", pictures={"thumbnails": thumbnails}, palettes=PALETTES))
        self._sent_cells = {}
        self.request(None)

    def request(self, change: Any) -> None:
        """Have the worker send what the map and the opened cell lack."""
        self.run(self._work, debounce=0.0 if change is None else DEBOUNCE_SECONDS / 2)

    def _send_value(self, content: dict[str, Any]) -> None:
        """Answer a hover for which the browser has colours only."""
        i, j = check_pair(self.analyses[0], (content["i"], content["j"]))
        detail = self._detail
        if detail is None or detail[0] != (self.cell, self.similarity, self.kernel):
            return
        _, rsms, difference = detail
        standard = () if difference is None else (difference.a, difference.b)
        values = [[each[i, j] for each in some] for some in (rsms, standard)]
        self.post(Message.of("value", i=i, j=j, values=values[0], standard=values[1]))

    # -- the worker ---------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        """Send the chosen cell if its layers are matched, then what the map lacks, then the cell if it had to wait."""
        kernel, cell = self.kernel, self.cell
        if len(self._sent_cells.get(kernel, ())) < len(self.rows.get(kernel, {})) or kernel not in self._sent_cells:
            self._send_cells(kernel)
        early = cell is not None and all(a.has(layer) for a, layer in zip(self.analyses, cell, strict=True))
        if early:
            self._send_detail(job)
        if not self._complete(kernel):
            self._fill(job, kernel)
        if cell is not None and not early:
            self._send_detail(job)

    def _complete(self, kernel: str) -> bool:
        first, second = (len(analysis.layers) for analysis in self.analyses)
        return len({key[:2] for key in self.rows.get(kernel, {})}) == first * second

    def _fill(self, job: Job, kernel: str) -> None:
        """Match what is not matched yet and compare: layer by layer where that is cheap, so that the map grows."""
        missing = [
            (side, layer)
            for side, analysis in enumerate(self.analyses)
            for layer in analysis.layers
            if not analysis.has(layer)
        ]
        if missing and not self._cost_accepted:
            self._await_matching(job, missing)
        a, b = self.analyses
        if len(a) > EXACT_IMAGES or not missing:
            for side, layer in missing:
                self._match(job, side, layer)
            self._compare(job, kernel, a.layers, b.layers)
            return
        done: tuple[list[str], list[str]] = ([], [])
        for side, layer in _in_turn(a.layers, b.layers):
            self._match(job, side, layer)
            done[side].append(layer)
            new = ([layer], done[1]) if side == 0 else (done[0], [layer])
            if new[0] and new[1]:
                self._compare(job, kernel, *new)

    def _await_matching(self, job: Job, missing: list[tuple[int, str]]) -> None:
        """Wait for Start where matching would take long."""
        sides = [[layer for k, layer in missing if k == side] for side in (0, 1)]

        def costs_above(seconds: float) -> list[Cost]:
            parts = [long_cost(*side, seconds) for side in zip(self.analyses, sides, strict=True)]
            return [part for part in parts if part is not None]

        if costs_above(self.patience / 2):
            costs = costs_above(0)
            total = Cost(
                pairs=sum(cost.pairs for cost in costs),
                memory=max(cost.memory for cost in costs),
                seconds=sum(cost.seconds for cost in costs),
            )
            self.await_start(job, describe_cost(total))
        self._cost_accepted = True

    def _match(self, job: Job, side: int, layer: str) -> None:
        analysis = self.analyses[side]
        if not analysis.has(layer):
            make_ready(analysis.matcher, analysis.tokens[layer].values.shape[1], job)
            analysis.gram(layer, progress=job.counter(f"Matching {layer} of {self.names[side]}:"))

    def _compare(self, job: Job, kernel: str, layers_a: Any, layers_b: Any) -> None:
        found = compare(
            *self.analyses,
            kernel=KERNELS[kernel],
            similarities=PATCH_SIMILARITIES,
            layers_a=layers_a,
            layers_b=layers_b,
            progress=job.counter("Comparing layers:"),
        )
        rows = self.rows.setdefault(kernel, {})
        rows |= {(row.layer_a, row.layer_b, row.similarity): row for row in found.rows}
        self._send_cells(kernel)

    def _send_cells(self, kernel: str) -> None:
        """Send the cells that the page does not have yet; a notebook server drops what comes too much at once."""
        sent_cells = self._sent_cells.setdefault(kernel, set())
        new = {key: row for key, row in self.rows.get(kernel, {}).items() if key not in sent_cells}
        places = [{layer: k for k, layer in enumerate(analysis.layers)} for analysis in self.analyses]
        fresh = not sent_cells
        sent_cells.update(new)
        facts = {"n": len(self.analyses[0]), "fresh": fresh, "complete": self._complete(kernel)}
        self.post(cells_message(new.values(), places, kernel=kernel, **facts))

    def _send_detail(self, job: Job) -> None:
        """Send both RSMs of the chosen cell, their difference, and the pairs that changed most."""
        cell, similarity, kernel = self.cell, self.similarity, self.kernel
        if cell is None:
            return
        job.step(f"Opening {cell[0]} and {cell[1]}")
        where = {"cell": cell, "similarity": similarity, "kernel": kernel}
        try:
            rsms = self._rsms(cell, similarity, kernel)
        except UndefinedKernelError as error:
            self._detail = None
            self.post(Message.of("detail", **where, reason=str(error)))
            return
        difference, reason = None, ""
        try:
            difference = rsm_difference(*rsms)
        except UndefinedStatisticError as error:
            reason = str(error)
        self._detail = (cell, similarity, kernel), rsms, difference
        arrays, facts = detail_parts(rsms, difference)
        pictures = {}
        if difference is not None and not is_exact(len(self.analyses[0])):
            shown = sorted({k for change in (*facts["more_a"], *facts["more_b"]) for k in change.pair})
            facts["thumbnails"] = shown
            images = self.analyses[0].images
            pictures["own_thumbnails"] = [jpeg_bytes(images.thumbnail(k, _THUMBNAIL)) for k in shown]
        facts["nulls"] = self._nulls(job, cell, kernel) if similarity == "semantic" else None
        self.post(Message.of("detail", arrays=arrays, pictures=pictures, **where, reason=reason, **facts))

    def _rsms(self, cell: Cell, similarity: str, kernel: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the RSMs of the two layers of a cell; the RBF takes the width of each layer's semantic Gram."""
        found = []
        for analysis, layer in zip(self.analyses, cell, strict=True):
            function, _ = analysis.shared_kernel(layer, KERNELS[kernel])
            gram = {
                "aligned": lambda a=analysis, name=layer: a.gram(name, matcher=Identity()),
                "semantic": lambda a=analysis, name=layer: a.gram(name),
                "pooled": lambda a=analysis, name=layer: a.pooled_gram(name),
            }[similarity]()
            found.append(function(gram))
        return found[0], found[1]

    def _nulls(self, job: Job, cell: Cell, kernel: str) -> list[float] | None:
        """Return what unrelated tokens reach at both layers, or None where that is not there and would take long."""
        levels = []
        for analysis, layer in zip(self.analyses, cell, strict=True):
            if not analysis.has_null(layer) and long_cost(analysis, [layer], self.patience, null_alone=True):
                return None
            levels.append(
                analysis.null(layer, KERNELS[kernel], progress=job.counter(f"Calibrating {layer}:")).mean
            )  # fmt: skip
        return levels

    def ready_text(self) -> str:
        """Return how long it took, and what was compared."""
        count = len({key[:2] for key in self.rows.get(self.kernel, {})})
        return f"{super().ready_text()} · {count} pairs of layers on {len(self.analyses[0])} images"

    def picture(self) -> Image.Image | None:
        """Return the map, and the RSMs of the chosen cell below it; None before the map is complete."""
        comparison = self.comparison
        if comparison is None:
            return None
        parts = [layer_map_still(comparison, self.similarity, self.names, PALETTES["map"])]
        difference = self.difference
        if difference is not None:
            parts.append(detail_still(difference, self.cell, PALETTES))
        return stacked(parts)


def check_cell(analyses: tuple[Analysis, Analysis], cell: Any) -> Cell | None:
    """Return a pair of layers (of A, of B), or None; else raise TraitError in the house's form."""
    if cell is None:
        return None
    for name, analysis, layer in zip(("A", "B"), analyses, cell, strict=True):
        if layer not in analysis.layers:
            got = f"{layer!r} for {name}"
            known = ", ".join(map(repr, analysis.layers[:12]))
            raise t.TraitError(message("cell", "a layer of A and a layer of B", got, f"Layers of {name}: {known}."))
    return str(cell[0]), str(cell[1])


def _in_turn(first: tuple[str, ...], second: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return (side, layer) of both, in turn."""
    turns: list[tuple[int, str]] = []
    for k in range(max(len(first), len(second))):
        turns += [(side, layers[k]) for side, layers in enumerate((first, second)) if k < len(layers)]
    return turns
