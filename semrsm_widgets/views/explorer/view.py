"""The explorer: views laid out and linked over one analysis, which is made in the background."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import traitlets as t

from semrsm_widgets.analysis import Analysis, AnalysisRecipe, named
from semrsm_widgets.common import check_flag, check_function, check_number, describe_seconds, message, suggest
from semrsm_widgets.figures import stacked, title_still, weights_badge
from semrsm_widgets.images import Images, Selection
from semrsm_widgets.views.base import (
    PATIENCE_SECONDS,
    CancelledError,
    Checked,
    ComposedView,
    View,
    ViewPlace,
    check_kernel_name,
    check_pair,
    check_selection,
    check_trait,
    default_layer,
)
from semrsm_widgets.views.pair import PairView, check_top_k
from semrsm_widgets.views.retrieval import RetrievalView
from semrsm_widgets.views.rsm import RSMView

from .header import ARRANGEMENTS, PARTS, ExplorerHeader
from .reporter import Reporter, WritesReport
from .script import ExplorerState, code_of

if TYPE_CHECKING:
    from PIL import Image

    from semrsm_widgets.figures.sheet import Sheet
    from semrsm_widgets.views.base import Job

_GLANCE_SECONDS = 0.02


class Explorer(ComposedView):
    """RSMView, PairView and RetrievalView over one analysis, linked.

    A click in a heatmap, or on an answer of the retrieval, opens the two images between them.

    It appears at once; images, model and layers come in the background, what is on screen first. Made by `explore`.

    Attributes:
        analysis: the Analysis, or None until the model has seen the images.
        layer: the layer on screen.
        kernel: "cosine", "inner product" or "RBF".
        pair: indices of the two images shown.
        query: index of the image whose nearest are shown; -1 for one from outside.
        selection: the images selected, in order: a sequence of ids with `to_frame()`; a block of a heatmap, the answers
            of a row, or images that were clicked. Ids or indices may be set, once there is an analysis.
        top_k: how many of the strongest matches are drawn.
        arrangement: "one screen": one heatmap and the pair beside each other, layer and values always in sight (where
            that has no room, as "tabs"); "columns": all heatmaps, and the pair below; "tabs": one at a time. The
            browser remembers what a person chose on screen, for explorers in which it was not set from Python.
        part: which view "tabs" shows: "heatmaps", "pair" or "retrieval".
        rsm_view: the RSMView, or None until there is an analysis.
        pair_view: the PairView, or None until there is an analysis.
        retrieval_view: the RetrievalView, or None until there is an analysis.
        outside_view: a PairView of a picture from outside and an answer to it, or None.
        below: the explorer of the selected images that "open below" opened on screen, or None.
    """

    analysis = t.Instance(Analysis, allow_none=True)
    layer = t.Unicode("", help="The layer on screen.")
    kernel = t.Unicode("cosine", help='"cosine", "inner product" or "RBF".')
    pair = t.Tuple(t.Int(), t.Int(), default_value=(0, 1), help="Indices of the two images shown.")
    query = t.Int(0, help="Index of the image whose nearest are shown; -1: a picture from outside.")
    selection: Any = Checked(Selection(Images(ids=(), sources=())), help="The images selected, in order.")
    top_k = t.Int(20, help="How many of the strongest matches are drawn.")
    arrangement = t.Unicode("one screen", help='How the views stand: "one screen", "columns" or "tabs".')
    part = t.Unicode("heatmaps", help='The view that "tabs" shows: "heatmaps", "pair" or "retrieval".')

    def __init__(
        self,
        make: Callable[[Job, Explorer], Analysis],
        *,
        recipe: AnalysisRecipe | None = None,
        patience: float = PATIENCE_SECONDS,
        save_images: bool = True,
        write_report: WritesReport | None = None,
        **kwargs: Any,
    ) -> None:
        check_function("make", make, "a function (job, explorer) -> Analysis")
        if not isinstance(recipe, AnalysisRecipe | None):
            raise TypeError(message("recipe", "an AnalysisRecipe, or None", recipe))
        given = recipe is not None and isinstance(recipe.model, Analysis)
        save_images = check_flag("save_images", save_images)
        check_number("patience", patience, above=0)
        self.header = ExplorerHeader(save_images=save_images, loading=not given)
        self._patience = patience
        self._lifetime = threading.Lock()  # a view that opens while the explorer closes must be closed, too
        self._closed = False
        self.rsm_view: RSMView | None = None
        self.pair_view: PairView | None = None
        self.retrieval_view: RetrievalView | None = None
        self.outside_view: PairView | None = None
        self.below: Explorer | None = None
        super().__init__(_look="srsm-explorer-root", save_images=save_images, **kwargs)
        for name in ("arrangement", "part"):
            t.link((self, name), (self.header, name))
        self.observe(self._arrange, names=["arrangement", "part"])
        self._arrange(None)
        self._place_views()
        t.dlink((self, "save_images"), (self.header, "save_images"))
        self.kept.watch(self.header)
        self.header.actions = {"cancel": self.cancel, "resume": self.resume, "start": self.start}
        self._make, self._recipe, self._write_report = make, recipe, write_report
        self.reporter = None if write_report is None else Reporter(write_report, self.header.post)
        if self.reporter is not None:
            self.header.actions |= {"cancel report": self.reporter.cancel, "repeat report": self.reporter.repeat}
            self.header.on_report = self._report
        self._reduced: list[tuple[str, Sequence[str]]] = []
        self.resume()

    def _arrange(self, _change: Any) -> None:
        """Tell the style sheet how the views stand; none is drawn anew."""
        self._arranged = f"srsm-{self.arrangement.replace(' ', '-')} srsm-tab-{self.part}"

    def _place_views(self) -> None:
        """Show the views that are there, each in its place."""
        views = (self.rsm_view, self.pair_view, self.retrieval_view)
        rest = []  # titles without names: they are saved
        if self.outside_view is not None:
            rest.append(ViewPlace("outside", self.outside_view, "Your picture, with an answer"))
        if self.below is not None:
            rest.append(ViewPlace("below", self.below, "The images that were selected"))
        self.show_places(*map(ViewPlace, PARTS, views), *rest)

    @t.validate("arrangement", "part")
    def _check_arrangement(self, proposal: Any) -> str:
        name = proposal["trait"].name
        value = check_trait(name, proposal["value"], ARRANGEMENTS if name == "arrangement" else PARTS)
        if name == "arrangement":
            self.header.recalls = False  # also where it is set to what it is
        return value

    @t.validate("selection")
    def _check_selection(self, proposal: Any) -> Selection:
        if self.rsm_view is None:
            todo = "Call explorer.wait() before."
            raise t.TraitError(message("selection", "set once there are images", "none yet", todo))
        return check_selection(self.rsm_view.analysis.images, proposal["value"])

    @t.validate("layer", "kernel", "pair", "query", "top_k")
    def _check(self, proposal: Any) -> Any:
        """Refuse what the views would refuse, before anything changes; before there are views, take it as a wish."""
        name, value = proposal["trait"].name, proposal["value"]
        if name == "kernel":
            return check_kernel_name(value)
        if name == "top_k":
            return check_top_k(value)
        if name == "layer":
            known = None if self.pair_view is None else self.pair_view.analysis.layers
            return value if known is None else check_trait(name, value, known)
        if name == "query":
            return self._check_query(value)
        if self.analysis is not None:
            return check_pair(self.analysis, value)
        if min(value) < 0:
            raise t.TraitError(message("pair", "two image indices, 0 or more", str(value)))
        return value

    def _check_query(self, value: int) -> int:
        if self.retrieval_view is not None:
            return self.retrieval_view.check_query(value)
        if value < 0:
            raise t.TraitError(message("query", "an image's index, 0 or more", str(value)))
        return value

    # -- what the user may do from Python ------------------------------------------------------------------------

    @property
    def views(self) -> list[View]:
        """The header and the views that are there."""
        views = (self.header, self.rsm_view, self.pair_view, self.retrieval_view, self.outside_view)
        return [view for view in views if view is not None]

    @property
    def at_work(self) -> list[View]:
        """The views that `cancel` stops and `resume` lets go on."""
        # the header works until there are views, whose work it then shows; it still opens the last of them
        return [self.header] if self.rsm_view is None else self.views[1:]

    def resume(self) -> None:
        """Go on after a cancel."""
        if self.rsm_view is None:
            self.header.run(self._work)
        else:
            super().resume()

    def open_selection(self) -> Explorer:
        """Return an explorer of the selected images only; it shows the same layer, and matches nothing again.

        Raises:
            ValueError: fewer than two images are selected.

        Example:
            >>> explorer.selection = ["coffee/0", "coffee/1", "chelsea/0"]
            >>> explorer.open_selection()
        """
        if self.analysis is None or len(self.selection) < 2:
            got = f"{len(self.selection)} selected"
            todo = 'Drag over a heatmap with the tool "select", or set explorer.selection = [...].'
            raise ValueError(message("selection", "at least two images", got, todo))
        recipe = AnalysisRecipe(model=self.analysis.select(self.selection))
        return Explorer(
            recipe.make,
            recipe=recipe,
            patience=self._patience,
            layer=self.layer,
            kernel=self.kernel,
            top_k=self.top_k,
            save_images=self.save_images,
            write_report=self._write_report,
        )

    def _report(self, pairs: str, with_images: bool) -> None:
        """Write what is shown into a file; pictures that are private stay out of it."""
        if self.reporter is None or self.analysis is None:
            return
        images = with_images and self.save_images
        self.reporter.start(
            self.analysis,
            pairs=pairs,
            images=images,
            layer=self.layer,
            kernel=self.kernel,
            pair=self.pair if self.pair[0] != self.pair[1] else None,
            query=self.query if self.query >= 0 else None,
            notices=[named(text, names if images else ()) for text, names in self._reduced],
        )

    def _show_outside_pair(self, analysis: Analysis | None) -> None:
        """Open a picture from outside with an answer, or close them."""
        opened, self.outside_view = self.outside_view, None
        if analysis is not None:
            with self._opening():
                self.outside_view = view = PairView(
                    analysis,
                    layer=self.layer,
                    top_k=self.top_k,
                    patience=self._patience,
                    offers=["probe"],
                    save_images=self.save_images,
                )
            t.link((self, "layer"), (view, "layer"))
            t.dlink((self, "save_images"), (view, "save_images"))
            self.kept.watch(view)
        if opened is not None or analysis is not None:
            self._place_views()
        if opened is not None:
            opened.close()

    def _toggle_below(self) -> bool:
        """Open the selected images below, or close what stands there; return whether something now does."""
        opened, self.below = self.below, None
        if opened is None:
            with self._opening():
                self.below = self.open_selection()
        self._place_views()
        if opened is not None:
            opened.close()
        return self.below is not None

    def to_code(self) -> str:
        """Return a script that shows again what is on screen: model, seed, the images' ids, layers and settings.

        Raises:
            RuntimeError: the explorer has nothing to show yet: `wait()` first.

        Example:
            >>> print(explorer.to_code())
        """
        if self.analysis is None:
            raise RuntimeError(message("explorer", "one that has opened its views", repr(self), "Call wait() before."))
        shown: dict[str, tuple[View | None, tuple[str, ...]]] = {
            "rsm_view": (self.rsm_view, ("baseline", "order", "selected", "excess", "colour_range")),
            "pair_view": (
                self.pair_view,
                ("token", "top_k", "similarity", "one_to_one", "expected", "above_unrelated", "heat"),
            ),
            "retrieval_view": (self.retrieval_view, ("k", "box")),
        }
        settings = {
            place: {name: getattr(view, name) for name in names if getattr(view, name) != view.trait_defaults(name)}
            for place, (view, names) in shown.items()
            if view is not None
        }
        if self.selection:  # all views share it
            settings["rsm_view"] = {"selection": list(self.selection), **settings["rsm_view"]}
        return code_of(
            ExplorerState(
                analysis=self.analysis,
                recipe=self._recipe,
                on_screen={"layer": self.layer, "kernel": self.kernel, "pair": self.pair, "query": max(0, self.query)},
                settings=settings,
            )
        )

    def close(self) -> None:
        """Free the threads and the widgets, also while they are being made."""
        if hasattr(self, "_lifetime"):  # ipywidgets also closes what was never made
            with self._lifetime:
                self._closed = True
        if hasattr(self, "reporter") and self.reporter is not None:
            self.reporter.close()
        if hasattr(self, "below") and self.below is not None:
            self.below.close()
        super().close()

    def __repr__(self) -> str:
        return f"Explorer({'loading' if self.analysis is None else repr(self.analysis)})"

    # -- in the background ---------------------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        analysis = self._make(job, self)
        job.step("Opening the views")
        self._show(analysis)
        self._show_retrieval(job, analysis)

    def preview(self, analysis: Analysis, pair: tuple[int, int]) -> None:
        """Show a pair from an analysis of the first images, before the others were seen."""
        self._title(analysis, "")
        self._show_pair(analysis, self._wished_layer(analysis), pair, preview=True)

    def _show_pair(self, analysis: Analysis, layer: str, pair: tuple[int, int], *, preview: bool = False) -> None:
        if self.pair_view is not None:
            self.pair_view.show(analysis)
            return
        with self._opening():
            self.pair_view = PairView(
                analysis,
                layer=layer,
                pair=pair,
                top_k=self.top_k,
                patience=self._patience,
                offers=["comparison", "probe"],
                preview=preview,
                save_images=self.save_images,
            )
        self.kept.watch(self.pair_view)
        t.dlink((self, "save_images"), (self.pair_view, "save_images"))
        self.layer = layer
        for name in ("layer", "top_k"):
            t.link((self, name), (self.pair_view, name))
        self._place_views()
        self.header.loading = False

    def _show(self, analysis: Analysis) -> None:
        """Lay the views out and link them."""
        self.pair = pair = self._wished_pair(analysis)
        self._show_pair(analysis, self._wished_layer(analysis), pair)
        with self._opening():
            self.rsm_view = RSMView(
                analysis,
                layer=self.layer,
                pair=pair,
                kernel=self.kernel,
                patience=self._patience,
                offers=[],
                save_images=self.save_images,
            )
        self.rsm_view.open_below_with(self._toggle_below)
        self.kept.watch(self.rsm_view)
        t.dlink((self, "save_images"), (self.rsm_view, "save_images"))
        for name in ("layer", "kernel", "pair", "selection"):
            t.link((self.rsm_view, name), (self, name))
        t.link((self, "pair"), (self.pair_view, "pair"))  # not before: a preview has the first images only
        self.header.follow_status(self.rsm_view)
        self._title(analysis, f"{_count(len(analysis), 'image')} · {_count(len(analysis.layers), 'layer')}")
        self._place_views()
        self.analysis = analysis
        self.header.can_report = self.reporter is not None

    def _show_retrieval(self, job: Job, analysis: Analysis) -> None:
        """Show what the query retrieves, once the RSM on screen is there or waits for somebody: it comes first."""
        assert self.rsm_view is not None
        while self.rsm_view.status.state == "working" and not analysis.has(self.layer):
            job.pause(_GLANCE_SECONDS)
        with self._opening():
            self.retrieval_view = RetrievalView(
                analysis,
                layer=self.layer,
                kernel=self.kernel,
                query=self._wished_query(analysis),
                pair=self.pair,
                patience=self._patience,
                offers=["files", "boxes"],
                save_images=self.save_images,
            )
        self.retrieval_view.open_outside_with(self._show_outside_pair)
        self.retrieval_view.observe(lambda _: self._show_outside_pair(None), names="query")
        self.kept.watch(self.retrieval_view)
        t.dlink((self, "save_images"), (self.retrieval_view, "save_images"))
        for name in ("layer", "kernel", "query", "pair"):
            t.link((self.retrieval_view, name), (self, name))
        t.link((self, "selection"), (self.retrieval_view, "selection"))
        self._place_views()

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """Make a view that will be closed with the explorer; where that is closed already, none is made."""
        with self._lifetime:
            if self._closed:
                raise CancelledError
            yield

    def _wished_layer(self, analysis: Analysis) -> str:
        """Return the layer asked for before there were any; where there is none of that name, say so."""
        if not self.layer or self.layer in analysis.layers:
            return self.layer or default_layer(analysis)
        instead = default_layer(analysis)
        self.notice(f"There is no layer {self.layer!r}: showing {instead!r}. {suggest(self.layer, analysis.layers)}")
        return instead

    def _wished_pair(self, analysis: Analysis) -> tuple[int, int]:
        """Return the pair asked for before there were images; where there are fewer, say so."""
        if max(self.pair) < len(analysis):
            return self.pair
        self.notice(f"There is no pair {self.pair} among {len(analysis)} images: showing (0, 1).")
        return 0, 1

    def _wished_query(self, analysis: Analysis) -> int:
        """Return the query asked for before there were images; where there are fewer, say so."""
        if self.query < len(analysis):
            return self.query
        self.notice(f"There is no query {self.query} among {len(analysis)} images: showing 0.")
        return 0

    def _title(self, analysis: Analysis, size: str) -> None:
        self.header.badge = weights_badge(analysis.provenance)
        self.header.title = ["Tokens" if analysis.model is None else analysis.model.name, size]

    def notice(self, text: str, names: Sequence[str] = ()) -> None:
        """Add a line to what the header says was reduced, with the names of the pictures that it is about."""
        self._reduced.append((text, names))
        self.header.notices = [*self.header.notices, named(text, names)]

    def show_images(self, images: Images) -> None:
        """Show the images while the model looks at them."""
        self.header.show_film(images)

    def extraction_progress(self, job: Job) -> Callable[[int, int], None]:
        """Return a progress callback that waits for Start once a first batch shows that it will take long."""
        begun = time.monotonic()
        asked = False

        def progress(done: int, total: int) -> None:
            nonlocal asked
            expected = (time.monotonic() - begun) * total / done if done else 0.0
            if not asked and done < total and expected > self._patience:
                asked = True
                cost = describe_seconds(expected * (1 - done / total))
                self.header.await_start(job, f"The model needs about {cost} more for {total} images.")
            job.step("Looking at the images:", done / total if total else None)

        return progress

    def picture(self) -> Image.Image | None:
        """Return a picture of the views, or None while there is nothing to show."""
        pictures = [picture for view in self.views if (picture := view.picture()) is not None]
        if pictures:
            pictures.insert(0, title_still(" · ".join(filter(None, self.header.title)), self.header.badge))
        return stacked(pictures)

    def draw_figure(self, sheet: Sheet) -> None:
        """Draw the views below each other."""
        views = (self.rsm_view, self.pair_view, self.retrieval_view)
        if self.rsm_view is None:
            raise ValueError(message("explorer", "ready to be drawn", "one that is loading", "Call explorer.wait()."))
        for view in views:
            if view is not None:
                sheet.start_part()
                view.draw_figure(sheet)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
