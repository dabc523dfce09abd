"""A query and what each similarity retrieves for it, side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from semrsm_widgets.analysis import check_analysis
from semrsm_widgets.common import check_choice, check_int, check_several, describe_seconds, message
from semrsm_widgets.images import sorted_labels
from semrsm_widgets.retrieval import LARGEST_K, Lookup, Query, Ranked
from semrsm_widgets.rsm import NULL_PAIRS, NullLevel, UndefinedKernelError, rbf
from semrsm_widgets.tokens import PatchBox, check_box, moved_box
from semrsm_widgets.views.base import (
    KERNELS,
    PATIENCE_SECONDS,
    ImagesSelected,
    KernelChosen,
    LayerChosen,
    Message,
    PlacedPicture,
    SimilaritiesTold,
    View,
    bundle,
    guarded_method,
    jpeg_bytes,
    make_ready,
    picture_place,
    placed_picture,
    search_seconds,
)

from .messages import QueryKernel, RetrievalState, query_kernel, ranked_by, rankings, results_message
from .outside import OutsidePicture, beside, extract_outside, needed_model, opened, opened_file
from .still import retrieval_still

if TYPE_CHECKING:
    from PIL import Image

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.figures.sheet import Sheet
    from semrsm_widgets.images import Images
    from semrsm_widgets.views.base import Job

OUTSIDE = -1
"""The query that is a picture from outside the set."""
LARGEST_FILE = 64 * 2**20
"""Bytes of a file chosen on screen; photographs are smaller."""
_PICTURE = 360
_THUMBNAIL = 96
_THUMBNAILS_AT_ONCE = 64
_DEBOUNCE_SECONDS = 0.03


class RetrievalView(ImagesSelected, LayerChosen, KernelChosen, SimilaritiesTold, View):
    """A query image and its nearest images under aligned, semantic and pooled similarity, as rows one below the other.

    Lines join an image's places in neighbouring rows; pointing at it shows its similarity and rank in every row. With
    labels, right and wrong answers are marked, and each row has its F1@k and average precision beside chance. Beside
    the semantic row stands the level that unrelated tokens reach. A box drawn on the query searches with its patches
    only. A click (or Enter) on an answer sets `pair`, so that a PairView linked to it opens the two images.

    Args:
        analysis: what to search in.
        layer: the layer on screen; two thirds into the model unless given.
        kernel: "cosine", "inner product" or "RBF".
        query: index of the query image.
        k: how many answers each row shows, 1 to 20; 5, or as many as there are.
        box: (row0, column0, row1, column1), half-open, in tokens: search with these patches only; None for all.
        pair: the query and the chosen answer.
        selection: ids or indices of images; a row's answers become the selection at a click.
        rankings: similarities of your own to stand beside the others: name -> (N, N), row i of query i, larger is more
            similar.
        patience: a search estimated to take more seconds than this waits for Start.

    Raises:
        TypeError: `analysis` is none, or `rankings` is no mapping of matrices.
        ValueError: a ranking that is not (N, N) or not finite.
        TraitError: a layer, kernel, query, k, box or pair that cannot be.

    Example:
        >>> view = srsm.RetrievalView(analysis, layer="blocks.4", query=3, rankings={"captions": K})
        >>> view.box = (4, 4, 9, 10)  # these 30 patches only
        >>> view.search("holiday.jpg")  # a picture from outside the set
    """

    _esm = bundle("retrieval.js")

    query = t.Int(0, help="Index of the query image; -1: the picture given to `search`.").tag(sync=True)
    k = t.Int(5, help=f"How many answers each row shows, 1 to {LARGEST_K}.").tag(sync=True)
    box: Any = t.Tuple(
        allow_none=True, default_value=None, help="(row0, column0, row1, column1) in tokens, half-open; None: all."
    ).tag(sync=True)

    _kernels = t.List(list(KERNELS)).tag(sync=True)
    _largest_k = t.Int(LARGEST_K).tag(sync=True)
    _largest_file = t.Int(LARGEST_FILE).tag(sync=True)
    _outside_name = t.Unicode("", help="The picture from outside that was given last.").tag(sync=True)

    _opens_outside = t.Bool(help="Whether an answer opens beside a picture from outside.").tag(sync=True)
    parts = ("layers", "kernels", "files", "boxes")
    handlers = {  # noqa: RUF012 (never mutated)
        "outside pair": "_on_outside_pair",
        "ready": "_send_everything",
        "thumbnails": "_send_asked_thumbnails",
        "file": "_take_file",
    }

    def __init__(
        self,
        analysis: Analysis,
        *,
        layer: str | None = None,
        kernel: str = "cosine",
        query: int = 0,
        k: int | None = None,
        box: PatchBox | None = None,
        pair: tuple[int, int] | None = None,
        rankings: Mapping[str, Any] | None = None,
        patience: float = PATIENCE_SECONDS,
        offers: Sequence[str] = parts,
        **kwargs: Any,
    ) -> None:
        self._lookup = Lookup(check_analysis(analysis), rankings)
        parts = [check_choice("offers", part, self.parts) for part in check_several("offers", offers, "names of parts")]
        self._outside: OutsidePicture | None = None
        self._show_outside_pair: Callable[[Analysis], None] | None = None
        super().__init__(
            analysis,
            layer=layer,
            kernel=kernel,
            query=query,
            k=max(1, min(5, len(analysis) - 1)) if k is None else k,
            box=box,
            pair=pair,
            # a picture from outside must be seen by the model
            offers=[part for part in parts if part != "files" or analysis.model is not None],
            **kwargs,
        )
        self.patience = patience
        self._cost_accepted: set[str] = set()  # the layers whose cost was shown and started
        self._sent: set[int] = set()  # the thumbnails that the browser has
        self._pictured: Any = None  # the query whose picture the browser has
        self._parts: list[bytes] = []  # of the file that is coming
        self._latest: tuple[RetrievalState, list[Ranked], NullLevel | None] | None = None  # what was shown last
        self.observe(guarded_method(self, "_move_box"), names="layer")
        self.observe(guarded_method(self, "_drop_box"), names="query")
        self.observe(guarded_method(self, "request"), names=["layer", "kernel", "query", "box"])
        self.request(None)

    # -- what may be set --------------------------------------------------------------------------------------------

    @t.validate("query")
    def _check_query(self, proposal: Any) -> int:
        return self.check_query(proposal["value"])

    def check_query(self, value: int) -> int:
        """Return an index that `query` may have, or raise TraitError."""
        value, last = int(value), len(self.analysis) - 1
        if 0 <= value <= last or (value == OUTSIDE and self._outside is not None):
            return value
        todo = "A picture from outside the set is given to view.search(picture)."
        raise t.TraitError(message("query", f"an image's index from 0 to {last}", str(value), todo))

    @t.validate("k")
    def _check_k(self, proposal: Any) -> int:
        most = max(1, min(LARGEST_K, len(self.analysis) - 1))
        try:
            return check_int("k", proposal["value"], minimum=1, maximum=most, todo=f"There are {most} other images.")
        except ValueError as error:
            raise t.TraitError(str(error)) from None

    @t.validate("box")
    def _check_box(self, proposal: Any) -> PatchBox | None:
        if not proposal["value"]:
            return None
        grid = self.analysis.tokens[self.layer].grid
        try:
            box = check_box(proposal["value"], grid)
        except (TypeError, ValueError) as error:
            raise t.TraitError(str(error)) from None
        return None if grid is not None and box == (0, 0, *grid) else box

    def __repr__(self) -> str:
        query = self._outside_name if self.query == OUTSIDE else self.analysis.images.ids[self.query]
        part = "" if self.box is None else f", box={self.box}"
        return f"RetrievalView({self.layer!r}, {self.kernel!r}, {query!r}{part})"

    def search(self, picture: Any, labels: Any = None) -> None:
        """Search with a picture from outside the set; `query` becomes -1.

        Args:
            picture: a path, a PIL image, an array or a tensor, as for `load_images`.
            labels: a label, or a set of labels, if right and wrong answers are to be marked.

        Raises:
            ValueError: the analysis has no model, which must see the picture; or it is no picture.
            OSError: its file cannot be read.
            TypeError: it is none of the above.
        """
        needed_model(self.analysis)
        self._show_outside(opened(picture, labels, scale=self.analysis.images.scale))

    def _show_outside(self, picture: OutsidePicture) -> None:
        self._outside = picture
        self._outside_name = picture.name
        if self.query == OUTSIDE:
            self.box = None  # it was drawn on another picture
            self.request(None)
        else:
            self.query = OUTSIDE

    # -- what the browser asks --------------------------------------------------------------------------------------

    def _send_everything(self, _content: dict[str, Any]) -> None:
        """Answer a page that shows this view anew."""
        self._sent, self._pictured = set(), None
        self.request(None)

    def _send_asked_thumbnails(self, content: dict[str, Any]) -> None:
        last = len(self.analysis) - 1
        asked = content["indices"][:_THUMBNAILS_AT_ONCE]
        self._send_thumbnails([check_int("indices", index, minimum=0, maximum=last) for index in asked])

    def _take_file(self, content: dict[str, Any]) -> None:
        """Collect a file that comes in parts, as a large message would close the connection; then search with it."""
        if content["part"] == 0:
            self._parts = []
            if content["size"] > LARGEST_FILE:
                expected = f"of at most {LARGEST_FILE // 2**20} MB"
                got = f"{content['size'] / 2**20:.0f} MB"
                raise ValueError(message(str(content["name"]), expected, got, "Make the picture smaller first."))
        self._parts += [bytes(buffer) for buffer in content["buffers"]]
        if content["part"] == content["parts"] - 1:
            whole, self._parts = b"".join(self._parts), []
            needed_model(self.analysis)
            self._show_outside(opened_file(str(content["name"]), whole, scale=self.analysis.images.scale))

    def open_outside_with(self, show: Callable[[Analysis], None]) -> None:
        """Have an answer to a picture from outside open with it: `show` gets an Analysis of the two."""
        self._show_outside_pair = show
        self._opens_outside = True

    def _on_outside_pair(self, content: dict[str, Any]) -> None:
        outside = self._outside
        if self._show_outside_pair is not None and outside is not None and outside.tokens is not None:
            self._show_outside_pair(beside(self.analysis, outside, int(content["index"])))

    def _move_box(self, change: Any) -> None:
        """Keep the box at its place in the image where the new layer has another grid."""
        if self.box is not None:
            old, new = (self.analysis.tokens[name].grid for name in (change["old"], change["new"]))
            self.box = moved_box(self.box, old, new)

    def _drop_box(self, _change: Any) -> None:
        self.box = None  # it was drawn on another image

    def request(self, change: Any) -> None:
        """Have the worker send what is retrieved on screen."""
        self.run(partial(self._work, self._state()), debounce=0.0 if change is None else _DEBOUNCE_SECONDS)

    def _state(self) -> RetrievalState:
        outside = self._outside if self.query == OUTSIDE else None
        return RetrievalState(self.layer, self.kernel, self.query, self.box, outside)

    # -- the worker -------------------------------------------------------------------------------------------------

    def _work(self, state: RetrievalState, job: Job) -> None:
        """Send the query's picture, the rankings that cost one product, the semantic one, and then its null."""
        layer, outside = state.layer, state.outside
        self._send_query(state)
        if outside is not None and outside.tokens is None:
            job.step("The model looks at the picture")
            outside.tokens = extract_outside(self.analysis, outside)
        query = state.as_query()
        if not self._lookup.has(layer, query):
            job.step(f"Comparing {layer}")
            if KERNELS[state.kernel] is not rbf:  # the RBF's σ is the semantic Gram's
                self._send_results(state, query, None, without="semantic")
            make_ready(self.analysis.matcher, self.analysis.tokens[layer].values.shape[1], job)
            self._await_search(job, layer, query)
            self._lookup.match(layer, query, progress=job.counter(f"Matching {layer}:"))
        null = None
        with contextlib.suppress(UndefinedKernelError):  # it is said in the rows; nothing is unrelated to it
            null = self._null_of(job, state, query)
        self._send_results(state, query, null, complete=True)
        if state.box is not None:
            job.step("Looking where it was found")
            self._send_where(state, query)

    def _send_where(self, state: RetrievalState, query: Query) -> None:
        """Send which patches of each answer the box is matched with; of all that may be shown, as they are few."""
        assert self._latest is not None
        semantic = next(row for row in self._latest[1] if row.name == "semantic")
        nearest = [int(index) for index in semantic.order[:LARGEST_K]]
        placed = {k: picture_place(self.analysis.images, k, self.analysis.model) for k in nearest}
        known = {k: each for k, each in placed.items() if each is not None}
        if not known:
            return
        self.post(
            Message.of(
                "where",
                arrays={"tokens": self._lookup.partners(state.layer, query, [*known]).astype(np.int32)},
                layer=state.layer,
                query=state.query,
                box=state.box,
                grid=self.analysis.tokens[state.layer].grid,
                images=[*known],
                places=[place for place, _ in known.values()],
                sizes=[size for _, size in known.values()],
            )
        )

    def _null_of(self, job: Job, state: RetrievalState, query: Query) -> NullLevel | None:
        """Return the level of unrelated tokens, None for a single image; wait for Start where it takes long.

        Raises:
            UndefinedKernelError: the kernel has no value for this query.
        """
        layer, kernel = state.layer, query_kernel(self._lookup, state, query)
        if len(self.analysis) < 2:
            return None
        if not self._lookup.has_null(layer, query):
            self._send_results(state, query, None)
            self._await_search(job, layer, query)
        report = job.counter(f"Calibrating {layer}:")
        return self._lookup.null(layer, query, kernel.function, progress=report)

    def _await_search(self, job: Job, layer: str, query: Query) -> None:
        """Wait for Start where what is still to be matched will take long; once for each layer."""
        if layer in self._cost_accepted:
            return
        pairs = 0 if self._lookup.has(layer, query) else len(self.analysis)
        pairs += 0 if len(self.analysis) < 2 or self._lookup.has_null(layer, query) else NULL_PAIRS
        looked_up, of = self._lookup.patches(layer, query)
        seconds = search_seconds(self.analysis, layer, pairs, share=looked_up / of, patience=self.patience)
        if seconds is not None:
            self.await_start(job, f"{pairs:,} pairs to match, about {describe_seconds(seconds)}.")
        self._cost_accepted.add(layer)

    def _send_query(self, state: RetrievalState) -> None:
        """Send the query's picture, unless the browser has it."""
        key = state.query if state.outside is None else state.outside
        if self._pictured == key:
            return
        picture, box, problem = self._placed(state, _PICTURE)
        self.post(
            Message.of(
                "query",
                pictures={"pictures": [jpeg_bytes(picture)]},
                index=state.query,
                id=state.outside.name if state.outside else self.analysis.images.ids[state.query],
                labels=sorted_labels(self._labels(state)),
                box=box,
                problem=problem,
            )
        )
        self._pictured = key

    def _placed(self, state: RetrievalState, side: int) -> PlacedPicture:
        images, k = self._source(state)
        return placed_picture(images, k, self.analysis.model, side)

    def _source(self, state: RetrievalState) -> tuple[Images, int]:
        return (self.analysis.images, state.query) if state.outside is None else (state.outside.images, 0)

    def _labels(self, state: RetrievalState) -> frozenset[str]:
        images, k = self._source(state)
        return frozenset() if images.labels is None else images.labels[k]

    def _send_thumbnails(self, indices: list[int]) -> None:
        """Send thumbnails; an empty one for a file that is gone, so that the rest still shows."""
        thumbnails = []
        for index in indices:
            try:
                thumbnails.append(jpeg_bytes(self.analysis.images.thumbnail(index, _THUMBNAIL)))
            except OSError:
                thumbnails.append(b"")
        self.post(Message.of("thumbnails", pictures={"thumbnails": thumbnails}, indices=indices))
        self._sent.update(indices)

    def _send_results(
        self, state: RetrievalState, query: Query, null: NullLevel | None, *, without: str = "", complete: bool = False
    ) -> None:
        """Send the rankings, but for one that is still being computed, after the thumbnails that they need."""
        ranked = rankings(self._lookup, state, query, without=without)
        new = {int(index) for row in ranked.rows for index in row.order[: self.k]} - self._sent
        if new:
            self._send_thumbnails(sorted(new))
        self._latest = state, ranked.rows, null
        self.post(results_message(self._lookup, state, query, ranked, null=null, complete=complete))

    def ready_text(self) -> str:
        """Return what was searched, and how long that took."""
        return f"{super().ready_text()} · {len(self.analysis):,} images searched"

    def picture(self) -> Image.Image | None:
        """Return the query and the rows as one picture, or None before there are any."""
        latest = self._latest
        if latest is None or not any(len(row.order) for row in latest[1]):
            return None
        state, rows, null = latest
        return retrieval_still(
            self._placed(state, _PICTURE)[:2],
            rows,
            self.analysis.images,
            k=self.k,
            box=state.box,
            grid=self.analysis.tokens[state.layer].grid,
            title=f"{state.layer} · {state.kernel}",
            labels=self._labels(state),
            null=None if null is None else null.mean,
        )

    def draw_figure(self, sheet: Sheet) -> None:
        """Draw the query and its rows of answers."""
        from .paper import Drawn, draw_retrieval

        state, layer = self._state(), self.layer
        if state.outside is not None and state.outside.tokens is None:
            state.outside.tokens = extract_outside(self.analysis, state.outside)
        query = state.as_query()
        gram = self._lookup.match(layer, query)
        kernel: QueryKernel | None = None
        null, reason = None, ""
        try:
            kernel = query_kernel(self._lookup, state, query)
        except UndefinedKernelError as error:
            reason = str(error)
        if kernel is not None and len(self.analysis) > 1:
            null = self._lookup.null(layer, query, kernel.function)
        drawn = Drawn(
            name=self._source(state)[0].ids[self._source(state)[1]],
            labels=sorted_labels(self._labels(state)),
            picture=self._placed(state, _PICTURE)[:2],
            box=state.box,
            patches=self._lookup.patches(layer, query),
            layer=layer,
            kernel=state.kernel,
            rows=[ranked_by(self._lookup, name, layer, query, kernel, reason) for name in self._lookup.names(layer)],
            k=self.k,
            answers=self._lookup.answers(query),
            null=null,
            gap=float(gram.gap.max(initial=0.0)),
        )
        draw_retrieval(sheet, self.analysis, drawn)
