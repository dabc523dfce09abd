"""Two models, or two checkpoints of one, on the same images: where their layers agree, and on which pairs not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets as t

from semrsm_widgets.analysis import check_analysis
from semrsm_widgets.common import check_flag, check_number, message
from semrsm_widgets.experiments import check_same_images
from semrsm_widgets.figures import stacked
from semrsm_widgets.rsm import PATCH_SIMILARITIES
from semrsm_widgets.tokens import moved_token
from semrsm_widgets.views.base import (
    PATIENCE_SECONDS,
    ComposedView,
    View,
    ViewPlace,
    check_kernel_name,
    check_pair,
    check_trait,
    default_layer,
)
from semrsm_widgets.views.pair import PairView

from .layer_map import PALETTES, Cell, LayerMap, check_cell

if TYPE_CHECKING:
    from PIL import Image

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.experiments import Comparison
    from semrsm_widgets.figures.sheet import Sheet


class CompareView(ComposedView):
    """A map of layers against layers, each cell the CKA of their RSMs with its interval; a cell opens what differs.

    Below an opened cell stand both RSMs as CKA compares them, their difference, and the pairs of images that are most
    of all more alike in one than in the other; one pair is shown in two linked PairViews. Layers, grids and input
    sizes of the two may differ.

    Args:
        analysis_a: images and tokens of one model.
        analysis_b: of another model, or of another checkpoint, the same images in the same order.
        names: what to call the two; the models' names unless given.
        similarity: whose RSMs are compared: "aligned", "semantic" or "pooled".
        kernel: "cosine", "inner product" or "RBF".
        cell: the layers (of A, of B) to open; two thirds into both models unless given. `view.cell = None` closes it.
        pair: indices of the two images chosen.
        patience: matching that is estimated to take more seconds than this waits for Start.
        save_images: whether the saved notebook may contain pictures and their names.

    Attributes:
        analysis_a: the first analysis.
        analysis_b: the second.
        pair_views: the two PairViews, or None before a cell was opened.

    Raises:
        TypeError: not two analyses.
        ValueError: different images or another order (the text names what differs), or fewer than 4.

    Example:
        >>> before, after = (srsm.Analysis(images, srsm.extract(m, images), model=m) for m in checkpoints)
        >>> view = srsm.CompareView(before, after, names=("epoch 1", "epoch 90"))
        >>> view.cell = ("blocks.4", "blocks.4")
        >>> view.comparison.to_frame()
    """

    similarity = t.Unicode("semantic", help='"aligned", "semantic" or "pooled".')
    kernel = t.Unicode("cosine", help='"cosine", "inner product" or "RBF".')
    cell: Any = t.Tuple(
        t.Unicode(), t.Unicode(), allow_none=True, default_value=None, help="The layers (of A, of B) opened, or None."
    )
    pair = t.Tuple(t.Int(), t.Int(), default_value=(0, 1), help="Indices of the two images chosen.")

    def __init__(
        self,
        analysis_a: Analysis,
        analysis_b: Analysis,
        *,
        names: tuple[str, str] | None = None,
        similarity: str = "semantic",
        kernel: str = "cosine",
        cell: Cell | None = None,
        pair: tuple[int, int] = (0, 1),
        patience: float = PATIENCE_SECONDS,
        save_images: bool = True,
    ) -> None:
        self.analysis_a = check_analysis(analysis_a, name="analysis_a", at_least=4)
        self.analysis_b = check_analysis(analysis_b, name="analysis_b", at_least=4)
        check_same_images(analysis_a, analysis_b)
        self.names = _check_names(names, self._analyses)
        self._patience = check_number("patience", patience, above=0)
        save_images = check_flag("save_images", save_images)
        self.pair_views: tuple[PairView, PairView] | None = None
        self._following = False  # whether a pin is being carried over to the other PairView
        if cell is None:  # what differs is what one has come for: a map alone does not show it
            cell = default_layer(analysis_a), default_layer(analysis_b)
        state: dict[str, Any] = {"similarity": similarity, "kernel": kernel, "cell": cell, "pair": pair}
        self.header = LayerMap(self._analyses, self.names, patience, save_images=save_images, **state)
        super().__init__(_look="srsm-compare-root", save_images=save_images, **state)
        for name in state:
            t.link((self, name), (self.header, name))
        self.kept.watch(self.header)
        t.dlink((self, "save_images"), (self.header, "save_images"))
        self.observe(self._on_cell, names="cell")
        self._on_cell(None)

    @property
    def _analyses(self) -> tuple[Analysis, Analysis]:
        return self.analysis_a, self.analysis_b

    @t.validate("similarity", "kernel", "cell", "pair")
    def _check(self, proposal: Any) -> Any:
        """Refuse what the map would refuse, before anything changes."""
        name, value = proposal["trait"].name, proposal["value"]
        if name == "cell":
            return check_cell(self._analyses, value)
        if name == "pair":
            return check_pair(self.analysis_a, value)
        return check_trait(name, value, PATCH_SIMILARITIES) if name == "similarity" else check_kernel_name(value)

    def __repr__(self) -> str:
        return f"CompareView({self.names[0]!r}, {self.names[1]!r}, {len(self.analysis_a)} images)"

    # -- what the user may do from Python ------------------------------------------------------------------------

    @property
    def comparison(self) -> Comparison | None:
        """The table behind the map (all similarities, under the kernel on screen), or None until it is complete."""
        return self.header.comparison

    @property
    def views(self) -> list[View]:
        """The map and the two PairViews, if they are there."""
        return [self.header, *(self.pair_views or ())]

    def picture(self) -> Image.Image | None:
        """Return a picture of the map and of what is open below it, or None while there is nothing to show."""
        pictures = [view.picture() for view in self.views] if self.cell is not None else [self.header.picture()]
        return stacked([picture for picture in pictures if picture is not None])

    def draw_figure(self, sheet: Sheet) -> None:
        """Draw the map, and below it the opened cell and the pair."""
        from .paper import draw_comparison, draw_difference

        comparison = self.comparison
        if comparison is None:
            raise ValueError(message("view", "ready to be drawn", "one that is comparing", "Call view.wait()."))
        sides = list(zip(self.names, self._analyses, strict=True))
        opened = self.cell is not None and self.pair_views is not None
        if opened:
            sheet.start_part()
        draw_comparison(sheet, comparison, self.similarity, sides, PALETTES["map"])
        difference = self.header.difference
        if opened and difference is not None:
            sheet.start_part()
            draw_difference(sheet, difference, self.cell, sides, PALETTES)

    # -- the two PairViews ---------------------------------------------------------------------------------------

    def _on_cell(self, _change: Any) -> None:
        """Show the pair at the layers of the opened cell; an error here would be invisible to the browser's user."""
        try:
            self._open_pairs()
        except Exception as error:  # shown, with its traceback in last_error
            self.header.show_error(error)

    def _open_pairs(self) -> None:
        if self.cell is None:
            self.show_places()
            return
        if self.pair_views is None:
            first, second = (
                PairView(
                    analysis,
                    layer=layer,
                    pair=self.pair,
                    patience=self._patience,
                    save_images=self.save_images,
                    offers=["comparison"],
                )
                for analysis, layer in zip(self._analyses, self.cell, strict=True)
            )
            self.pair_views = first, second
            for view in self.pair_views:
                self.kept.watch(view)
                t.link((self, "pair"), (view, "pair"))
                t.dlink((self, "save_images"), (view, "save_images"))
                view.observe(self._follow_pin, names="token")
            t.link((first, "top_k"), (second, "top_k"))
        places = []
        for letter, name, view, layer in zip("AB", self.names, self.pair_views, self.cell, strict=True):
            view.layer = layer
            places.append(ViewPlace(f"pair-{letter.lower()}", view, f"In model {letter} · {name} · {layer}"))
        self.show_places(*places)

    def _follow_pin(self, change: Any) -> None:
        """Pin in the other PairView the patch at the same place of the image."""
        if self._following or self.pair_views is None:
            return
        self._following = True
        try:
            view = change["owner"]
            other = self.pair_views[view is self.pair_views[0]]
            grids = [each.analysis.tokens[each.layer].grid for each in (view, other)]
            other.token = moved_token(change["new"], *grids)
        finally:
            self._following = False


def _check_names(names: Any, analyses: tuple[Analysis, Analysis]) -> tuple[str, str]:
    """Return what the two are called: as told, or as their models are, or A and B."""
    if names is None:
        own = [analysis.model.name if analysis.model is not None else "" for analysis in analyses]
        return own[0] or "tokens", own[1] or "tokens"
    if not isinstance(names, tuple | list) or len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise TypeError(message("names", "two strings", names, 'Such as ("epoch 1", "epoch 90").'))
    return names[0], names[1]
