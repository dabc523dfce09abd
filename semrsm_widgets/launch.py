"""`explore`: an explorer, or the report in its place, from a model and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from semrsm_widgets.analysis import AnalysisRecipe
from semrsm_widgets.common import check_number, message
from semrsm_widgets.report import StaticReport, analysis_at_once, static, to_html
from semrsm_widgets.views.base import PATIENCE_SECONDS
from semrsm_widgets.views.explorer import Explorer

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.matching import Matcher
    from semrsm_widgets.models import VisionModel


def explore(
    model: str | VisionModel | Analysis | None = None,
    images: Any = None,
    *,
    skip_unreadable: bool = False,
    layers: Any = None,
    layer: str | None = None,
    pair: tuple[int, int] = (0, 1),
    query: int = 0,
    kernel: str = "cosine",
    matcher: Matcher | None = None,
    max_images: int | None = AnalysisRecipe.max_images,
    max_grid: int | None = AnalysisRecipe.max_grid,
    batch_size: int = AnalysisRecipe.batch_size,
    device: str | None = None,
    seed: int = 0,
    patience: float = PATIENCE_SECONDS,
    save_images: bool = True,
    live: bool = True,
) -> Explorer | StaticReport:
    """Return an explorer of what a model finds alike; it shows at once and works in the background.

    Args:
        model: a timm name, a `VisionModel`, an `Analysis` that is there already, or None for the bundled
            EfficientNet-Lite0.
        images: `Images`, or anything that `load_images` takes (a folder, say); None for the bundled photographs.
        skip_unreadable: go on without files that cannot be decoded, and say how many there were.
        layers: which layers, as in `extract`; the default ones unless given.
        layer: the layer on screen first.
        pair: indices of the two images shown first.
        query: index of the image whose nearest are shown first.
        kernel: "cosine", "inner product" or "RBF".
        matcher: how tokens are paired; `Auction()` unless given.
        max_images: take at most this many images, spread over their labels; None takes all.
        max_grid: pool token grids larger than this many patches a side; None keeps them.
        batch_size: images per forward pass.
        device: where the model runs, such as "cuda"; where it is unless given.
        seed: of the choice of images.
        patience: a step estimated to take more seconds than this shows its cost and waits for Start.
        save_images: whether the saved notebook may contain pictures and their names; what you print stays yours to
            watch.
        live: False shows the report of `to_html` in place of widgets, once everything is computed: for places where
            widgets get no answer from the kernel. The saved notebook then contains the whole report.

    Raises:
        TypeError, ValueError: an argument that cannot be right. What fails later, in the background, is shown in the
            explorer's status line, with the traceback in `explorer.last_error`.

    Example:
        >>> srsm.explore()  # bundled model and photographs, no network
        >>> explorer = srsm.explore("resnet50", images="photos/")
    """
    recipe = AnalysisRecipe(
        model=model,
        images=images,
        skip_unreadable=skip_unreadable,
        layers=layers,
        matcher=matcher,
        max_images=max_images,
        max_grid=max_grid,
        batch_size=batch_size,
        device=device,
        seed=seed,
    )
    check_number("patience", patience, above=0)
    if layer is not None and not isinstance(layer, str):
        raise TypeError(message("layer", "None or the name of a layer", layer))
    for name, value in (("save_images", save_images), ("live", live)):
        if not isinstance(value, bool):
            raise TypeError(message(name, "True or False", value))
    if not live:
        analysis, notices = analysis_at_once(recipe, save_images=save_images)
        return static(analysis, layer=layer, pair=pair, query=query, kernel=kernel, images=save_images, notices=notices)
    return Explorer(
        recipe.make,
        recipe=recipe,
        patience=patience,
        layer=layer or "",
        pair=pair,
        query=query,
        kernel=kernel,
        save_images=save_images,
        write_report=to_html,
    )
