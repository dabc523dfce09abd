"""An auction of patches, step by step, with what is proved after each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets as t

from semrsm_widgets.analysis import Analysis, check_analysis
from semrsm_widgets.common import check_choice, check_html_path, in_words_of, message, written_whole
from semrsm_widgets.figures import CORNERS, weights_badge
from semrsm_widgets.matching import MOST_BIDS, AuctionTrace, auction_plan, auction_trace, check_order, check_plan
from semrsm_widgets.tokens import cell_box
from semrsm_widgets.views.base import (
    Message,
    PlacedPicture,
    View,
    bundle,
    check_pair,
    check_trait,
    default_layer,
    guarded_method,
    image_rows,
    jpeg_bytes,
    layer_rows,
    placed_picture,
)
from semrsm_widgets.views.pair import PairView

from .page import stepper_html
from .source import GRIDS, Lot, matrix_lot, patch_lot
from .still import auction_still

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from semrsm_widgets.figures.sheet import Sheet
    from semrsm_widgets.views.base import Job

_PICTURE = 360


class AuctionStepper(View):
    """A certified auction on a small affinity, bid by bid, forward and back.

    The rows are patches of image A, the columns patches of B. Each patch of A bids for the patch of B that leaves it
    most, affinity less price, and the price rises; who is outbid bids again. Below, the best bound comes down and the
    value comes up: what lies between them is all that any other matching could still gain. Beside them stand what a
    greedy matching, the same positions (aligned) and all matchings on average are worth.

    It runs in the page: no step asks the kernel. Arrow keys step, Home and End jump, space plays. The bids are those of
    `Auction`, without its shortcuts.

    Args:
        source: an affinity (n, n) with n up to 16, or an `Analysis` whose images' patches are averaged to a small grid.
        layer: of an Analysis: the layer; two thirds into the model unless given.
        pair: of an Analysis: indices (i, j) of images A and B; the first two unless given.
        grid: of an Analysis: 2, 3 or 4 patches a side.
        step: the step on screen, from 0.
        eps: ε of one phase, or of each of several; the plan of `auction_plan` unless given. A bid raises a price by at
            least ε, and a phase ends within n ε of the optimum.
        order: the rows in the order in which they bid first; from the top unless given.
        your_bid: whether the column of each bid is asked for before it is shown.
        save_images: whether the saved notebook may contain pictures and their names.

    Attributes:
        affinity: (n, n) float64, what is auctioned; of patches in units of cosine.
        trace: the `AuctionTrace`: all steps with their numbers.

    Raises:
        TypeError, ValueError, TraitError: an argument that cannot be right.

    Example:
        >>> srsm.AuctionStepper([[10, 9.9, 0], [10, 9.9, 0], [10, 9.9, 0]], eps=0.1)
        >>> srsm.AuctionStepper(analysis, layer="blocks.4", pair=(8, 9), grid=2)
        >>> srsm.AuctionStepper.of(pair_view)  # the pair on screen, which it follows
    """

    _esm = bundle("stepper.js")

    layer = t.Unicode("", help="The layer on screen; empty for a matrix.").tag(sync=True)
    pair = t.Tuple(t.Int(), t.Int(), default_value=(0, 0), help="Indices of images A and B.").tag(sync=True)
    grid = t.Int(2, help="Patches a side, 2, 3 or 4.").tag(sync=True)
    step = t.Int(0, help="The step on screen, from 0.").tag(sync=True)
    eps: Any = t.Any(None, help="ε of each phase; None: the plan.").tag(
        sync=True,
        to_json=lambda eps, _view: [] if eps is None else list(eps),
        from_json=lambda eps, _view: list(eps) or None,
    )
    order: Any = t.Any(None, help="The rows in the order in which they bid first; None: from the top.").tag(
        sync=True,
        to_json=lambda order, _view: [] if order is None else list(order),
        from_json=lambda order, _view: list(order) or None,
    )
    your_bid = t.Bool(False, help="Whether the column of each bid is asked for before it is shown.").tag(sync=True)
    pointed = t.Tuple(
        t.Int(), t.Int(), default_value=(-1, -1), help="The row and the column pointed at, where a PairView shows them."
    ).tag(sync=True)

    _layers: t.List[Any] = t.List().tag(sync=True)
    _images: t.List[Any] = t.List().tag(sync=True)
    _model_badge = t.Unicode("").tag(sync=True)
    _most_bids = t.Int(MOST_BIDS).tag(sync=True)
    _corners = t.List(list(CORNERS)).tag(sync=True)
    _linked = t.Bool(False, help="Whether a PairView outlines what is pointed at.").tag(sync=True)

    parts = ("layers",)

    handlers = {  # noqa: RUF012 (never mutated)
        "ready": "_send_everything",
    }

    def __init__(
        self,
        source: Any,
        *,
        layer: str | None = None,
        pair: tuple[int, int] | None = None,
        grid: int = 2,
        step: int = 0,
        eps: float | Sequence[float] | None = None,
        order: Sequence[int] | None = None,
        your_bid: bool = False,
        save_images: bool = True,
        **kwargs: Any,
    ) -> None:
        self.analysis: Analysis | None = source if isinstance(source, Analysis) else None
        self.pair_view: PairView | None = None
        about: dict[str, Any] = {}
        if self.analysis is None:
            if layer is not None or pair is not None:
                todo = "A matrix has neither: AuctionStepper(affinity)."
                raise TypeError(message("source", "an Analysis where layer or pair is given", source, todo))
            if not hasattr(source, "__array__") and not isinstance(source, list | tuple):
                raise TypeError(message("source", "an Analysis, or a square matrix of affinities", source))
            with in_words_of({"`affinity`": "`source`"}):
                self.lot = matrix_lot(source)
        else:
            analysis = check_analysis(self.analysis)
            layer = default_layer(analysis) if layer is None else check_choice("layer", layer, analysis.layers)
            pair = (0, min(1, len(analysis) - 1)) if pair is None else check_pair(analysis, pair)
            self.lot = patch_lot(analysis, layer, pair, _check_side(grid))
            about = {
                "layer": layer,
                "pair": pair,
                "_layers": [row for row in layer_rows(analysis) if row["grid"] and min(row["grid"]) >= GRIDS[0]],
                "_images": image_rows(analysis),
                "_model_badge": weights_badge(analysis.provenance),
            }
        self._told: AuctionTrace | None = None
        self._told_of: tuple[Lot | None, Any, Any] = (None, None, None)
        self._pictured: tuple[int, int] | None = None  # the pair whose pictures the page has
        super().__init__(
            grid=grid, eps=eps, order=order, step=step, your_bid=your_bid, save_images=save_images, **about, **kwargs
        )
        self.observe(guarded_method(self, "_retell"), names=["eps", "order"])
        self.observe(guarded_method(self, "_take"), names=["layer", "pair", "grid"])
        self.run(self._work)

    @classmethod
    def of(cls, pair_view: PairView, *, grid: int = 2, **options: Any) -> AuctionStepper:
        """Return the auction of the pair that a PairView shows; it follows that view's pair and layer.

        What is pointed at here is outlined there.

        Args:
            pair_view: a PairView, such as `explorer.pair_view`.
            grid: 2, 3 or 4 patches a side.
            **options: others of AuctionStepper.

        Raises:
            TypeError: it is no PairView.
        """
        given: Any = pair_view
        if not isinstance(given, PairView):
            todo = "For an Analysis: AuctionStepper(analysis, layer=..., pair=...)."
            raise TypeError(message("pair_view", "a PairView", pair_view, todo))
        shown = {"layer": pair_view.layer, "pair": pair_view.pair, "save_images": pair_view.save_images}
        stepper = cls(pair_view.analysis, grid=grid, offers=[], **{**shown, **options})
        stepper.pair_view, stepper._linked = pair_view, True
        pair_view.observe(stepper._follow, names=["layer", "pair"])
        stepper.observe(guarded_method(stepper, "_outline"), names=["pointed", "grid", "pair"])
        return stepper

    # -- what may be set ------------------------------------------------------------------------------------------

    @t.validate("layer")
    def _check_layer(self, proposal: Any) -> str:
        if self.analysis is None:
            return self._only_of_patches("layer", proposal["value"], "")
        return check_trait("layer", proposal["value"], self.analysis.layers)

    @t.validate("pair")
    def _check_pair(self, proposal: Any) -> tuple[int, int]:
        if self.analysis is None:
            return self._only_of_patches("pair", proposal["value"], (0, 0))
        return check_pair(self.analysis, proposal["value"])

    def _only_of_patches(self, name: str, value: Any, empty: Any) -> Any:
        if value == empty:
            return value
        raise t.TraitError(message(name, "left as it is: a matrix has none", repr(value)))

    @t.validate("grid")
    def _check_grid(self, proposal: Any) -> int:
        with _as_trait_error():
            return _check_side(proposal["value"])

    @t.validate("eps")
    def _check_eps(self, proposal: Any) -> tuple[float, ...] | None:
        with _as_trait_error():
            return None if proposal["value"] is None else check_plan(proposal["value"])

    @t.validate("order")
    def _check_order(self, proposal: Any) -> tuple[int, ...] | None:
        with _as_trait_error():
            return None if proposal["value"] is None else check_order(proposal["value"], len(self.lot.affinity))

    @t.validate("step")
    def _check_step(self, proposal: Any) -> int:
        value = int(proposal["value"])
        if value >= 0 and (value == 0 or value < len(self.trace)):
            return value
        raise t.TraitError(message("step", f"a step from 0 to {len(self.trace) - 1}", str(value)))

    # -- the auction ----------------------------------------------------------------------------------------------

    @property
    def affinity(self) -> Any:
        """(n, n) float64, what is auctioned; of patches in units of cosine."""
        return self.lot.affinity

    @property
    def trace(self) -> AuctionTrace:
        """All steps of the auction with their numbers."""
        lot, eps, order = self._told_of
        if self._told is None or lot is not self.lot or (eps, order) != (self.eps, self.order):
            self._told = auction_trace(self.affinity, eps=self.eps, order=self.order)
            self._told_of = self.lot, self.eps, self.order
        return self._told

    def __repr__(self) -> str:
        if self.analysis is None:
            return f"AuctionStepper({self.lot.words})"
        a, b = (self.analysis.images.ids[k] for k in self.pair)
        return f"AuctionStepper({self.layer!r}, {a!r}, {b!r}, grid={self.grid})"

    def _retell(self, _change: Any) -> None:
        self.step = min(self.step, len(self.trace) - 1)

    def _take(self, _change: Any) -> None:
        """Auction what is on screen now, from its first step."""
        if self.analysis is None:
            return
        self.lot = patch_lot(self.analysis, self.layer, self.pair, self.grid)
        if self.order is not None and len(self.order) != len(self.affinity):
            self.order = None
        self.step = 0
        self.run(self._work)

    # -- a PairView beside it -------------------------------------------------------------------------------------

    def _follow(self, change: Any) -> None:
        """Show the pair that the PairView shows; a layer that cannot be auctioned is said in the status line."""
        try:
            beside = self.pair_view
            if beside is not None and beside.analysis is not self.analysis:  # more images have come
                self.analysis, self._images = beside.analysis, image_rows(beside.analysis)
            setattr(self, change["name"], change["new"])
        except t.TraitError as error:
            self.show_error(error)

    def _outline(self, _change: Any) -> None:
        if self.pair_view is None:
            return
        size = (self.grid, self.grid)
        self.pair_view.outlined = [
            [side, *cell_box(token, size, (0.0, 0.0, 1.0, 1.0))]
            for side, token in enumerate(self.pointed)
            if 0 <= token < self.grid**2
        ]

    def close(self) -> None:
        """Free the thread and the widget, and let go of the PairView."""
        beside: PairView | None = getattr(self, "pair_view", None)  # ipywidgets closes what never got through __init__
        if beside is not None:
            with suppress(ValueError):
                beside.unobserve(self._follow, names=["layer", "pair"])
            beside.outlined = []
            self.pair_view = None
        super().close()

    # -- what the page is told ------------------------------------------------------------------------------------

    def _send_everything(self, _content: dict[str, Any]) -> None:
        self._pictured = None
        self.run(self._work)

    def _work(self, job: Job) -> None:
        if self.analysis is not None and self._pictured != self.pair:
            pair = self.pair
            job.step("Reading the pictures")
            placed = self._placed(pair)
            self._pictured = pair  # before they are sent: a page that opens meanwhile asks for them anew
            self.post(pictures_message(pair, placed))
        self.post(auction_message(self.lot, self.layer, self.pair))

    def _placed(self, pair: tuple[int, int]) -> list[PlacedPicture]:
        assert self.analysis is not None
        return [placed_picture(self.analysis.images, k, self.analysis.model, _PICTURE) for k in pair]

    def ready_text(self) -> str:
        """Return nothing: what there is to say stands beside the board."""
        return ""

    # -- without a kernel -----------------------------------------------------------------------------------------

    def to_html(self, path: str | Path, *, images: bool | None = None) -> Path:
        """Write the auction as one HTML file that needs neither Python nor a network, and return its path.

        All of it works there: forward, back and play, bids of one's own, another ε, another order.

        Args:
            path: where to; ".html" is added if there is no suffix.
            images: whether pictures and names of the images may be in the file; as `save_images` unless given.

        Raises:
            ValueError: that cannot be a report.
            OSError: the file cannot be written.

        Example:
            >>> stepper.to_html("auction.html")
            PosixPath('auction.html')
        """
        target = check_html_path(path)
        shown = self.save_images if images is None else images
        messages = [auction_message(self.lot, self.layer, self.pair)]
        if self.analysis is not None and shown:
            messages.insert(0, pictures_message(self.pair, self._placed(self.pair)))
        html = stepper_html(self, self.lot, messages, images=shown)
        with written_whole(target) as file:
            file.write(html.encode())
        return target

    def picture(self) -> Image.Image:
        """Return the board at the last step, and value and bound on the way there."""
        return auction_still(self.trace, self.lot, self._sides(), self._names())

    def _sides(self) -> list[PlacedPicture]:
        return [] if self.analysis is None else self._placed(self.pair)

    def _names(self) -> str:
        return "" if self.analysis is None else " → ".join(self.analysis.images.ids[k] for k in self.pair)

    def draw_figure(self, sheet: Sheet) -> None:
        """Draw the board at the step on screen, and value and bound until there."""
        from .paper import draw_auction

        draw_auction(sheet, self.trace, self.lot, self._sides(), self._names(), step=self.step, analysis=self.analysis)


@contextmanager
def _as_trait_error() -> Iterator[None]:
    """Raise what a check refuses as what a trait refuses."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise t.TraitError(str(error)) from None


def auction_message(lot: Lot, layer: str, pair: tuple[int, int]) -> Message:
    """Return a message with what is auctioned, in full precision: the page tells the auction itself."""
    return Message.of(
        "auction",
        affinity=lot.affinity,
        plan=auction_plan(lot.affinity),
        levels=lot.levels,
        grid=lot.grid,
        words=lot.words,
        layer=layer,
        pair=pair,
    )


def pictures_message(pair: tuple[int, int], placed: Sequence[PlacedPicture]) -> Message:
    """Return a message with both pictures and where their token grids lie."""
    return Message.of(
        "pictures",
        pictures={"pictures": [jpeg_bytes(each.picture) for each in placed]},
        pair=pair,
        boxes=[each.place for each in placed],
        problems=[each.problem for each in placed],
    )


def _check_side(grid: Any) -> int:
    if isinstance(grid, int) and not isinstance(grid, bool) and grid in GRIDS:
        return grid
    raise ValueError(message("grid", f"one of {', '.join(map(str, GRIDS))}: patches a side", repr(grid)))
