"""An Analysis as one HTML file: the views with everything they need, for a colleague without Python.

The page runs the views' own modules. What the kernel would answer was recorded when the file was made, so it holds
the heatmaps of all layers under all kernels, and the patches of those pairs of images that are near each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets.analysis import Analysis, check_analysis, named
from semrsm_widgets.common import (
    Meter,
    ProgressOption,
    check_choice,
    check_html_path,
    check_int,
    check_number,
    check_several,
    message,
    written_whole,
)
from semrsm_widgets.views.base import KERNELS, Job, default_layer

from .build import ReportBuilder, guessed_pairs
from .near_pairs import PAIRS

if TYPE_CHECKING:
    from semrsm_widgets.analysis import AnalysisRecipe
    from semrsm_widgets.images import Images

# Heatmaps of more images carry no exact values, and their frames alone would fill the file.
MOST_IMAGES = 300
NEAREST_MEGABYTES = 10.0
"""How large a file with the nearest pairs may become unless told otherwise."""
_KEPT = "No report was written; the RSMs that were done are kept in the Analysis."


@dataclass(frozen=True)
class StaticReport:
    """A report to be shown in a notebook without a kernel behind it: an `<iframe>` that holds the whole page.

    Attributes:
        html: the page.
        height: of the frame, in pixels.
    """

    html: str = field(repr=False)
    height: int = 1180

    def save(self, path: str | Path) -> Path:
        """Write the page to a file and return its path; the file appears whole or not at all."""
        path = check_html_path(path)
        with written_whole(path) as file:
            file.write(self.html.encode())
        return path

    def __repr__(self) -> str:
        return f"StaticReport({len(self.html.encode()) / 1e6:.1f} MB)"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        # Without allow-same-origin the page can reach nothing of the notebook's.
        frame = (
            f'<iframe title="semantic RSMs" sandbox="allow-scripts" srcdoc="{escape(self.html)}" '
            f'style="width: 100%; height: {self.height}px; border: 0; resize: vertical; overflow: auto"></iframe>'
        )
        return {"text/html": frame, "text/plain": repr(self)}


def to_html(
    analysis: Analysis,
    path: str | Path,
    *,
    layer: str | None = None,
    pair: tuple[int, int] | None = None,
    query: int | None = None,
    kernel: str = "cosine",
    images: bool = True,
    labels: bool | None = None,
    pairs: str = "nearest",
    neighbours: int = 5,
    max_grid: int | None = 16,
    max_megabytes: float | None = None,
    notices: Sequence[str] = (),
    progress: ProgressOption = None,
) -> Path:
    """Write an Analysis as one HTML file that needs neither Python nor a network, and return its path.

    It has the layer slider, the heatmaps under every kernel, and PairView for the pairs of images that are near each
    other. What was left out or rounded stands at its top. What has not been computed yet is computed. The file appears
    whole or not at all; an older report at `path` is replaced.

    Args:
        analysis: of 2 to 300 images.
        path: where to; ".html" is added if there is no suffix.
        layer: the layer shown first; two thirds into the model unless given.
        pair: the pair shown first; unless given, of the nearest ones that to which matching adds most.
        query: the image whose nearest are shown first; the first of the pair unless given.
        kernel: the kernel shown first: "cosine", "inner product" or "RBF".
        images: whether pictures and names of the images may be in the file. Without, they are "image 1", "image 2" ...
        labels: whether labels may be; as `images` unless given.
        pairs: which pairs PairView opens with their patches: "nearest", "current" (the one shown first, which makes a
            small file in seconds), or "all".
        neighbours: of the "nearest" pairs one image is among so many nearest of the other: at any layer, under the
            aligned, the semantic or the pooled cosine.
        max_grid: for PairView, token grids larger than this many patches a side are pooled; None keeps them.
        max_megabytes: there are fewer pairs, the nearest ones, where the file would become larger than this. None: 10
            for the nearest pairs, no limit for all.
        notices: further lines for its top: what was reduced before.
        progress: None shows how far it is, once it has lasted 2 s, in a notebook or on a terminal (`options.progress`);
            False does not. A function is called instead, with (per cent done, 100); it may raise to cancel.

    Raises:
        TypeError: `analysis` is none.
        ValueError: it has too few or too many images, or an argument cannot be right.
        OSError: the file cannot be written.

    Example:
        >>> srsm.to_html(analysis, "report.html")
        PosixPath('report.html')
    """
    path = check_html_path(path)  # before anything takes long
    report = static(
        analysis,
        layer=layer,
        pair=pair,
        query=query,
        kernel=kernel,
        images=images,
        labels=labels,
        pairs=pairs,
        neighbours=neighbours,
        max_grid=max_grid,
        max_megabytes=max_megabytes,
        notices=notices,
        progress=progress,
    )
    return report.save(path)


def static(
    analysis: Analysis,
    *,
    layer: str | None = None,
    pair: tuple[int, int] | None = None,
    query: int | None = None,
    kernel: str = "cosine",
    images: bool = True,
    labels: bool | None = None,
    pairs: str = "nearest",
    neighbours: int = 5,
    max_grid: int | None = 16,
    max_megabytes: float | None = None,
    notices: Sequence[str] = (),
    progress: ProgressOption = None,
) -> StaticReport:
    """Return the report of an Analysis, to be shown in a notebook where no widget gets an answer.

    The arguments are those of `to_html`.
    """
    check_analysis(analysis, at_least=2)
    if len(analysis) > MOST_IMAGES:
        todo = "Take some of them: to_html(analysis.select(images), ...), or explore(..., max_images=...)."
        raise ValueError(message("analysis", f"of at most {MOST_IMAGES} images", f"{len(analysis)}", todo))
    layer = default_layer(analysis) if layer is None else check_choice("layer", layer, analysis.layers)
    check_choice("kernel", kernel, KERNELS)
    check_int("neighbours", neighbours, minimum=1)
    check_choice("pairs", pairs, PAIRS)
    for name, value in (("images", images), ("labels", labels)):
        if not isinstance(value, bool) and not (name == "labels" and value is None):
            raise TypeError(message(name, "True or False", value))
    if max_megabytes is None:
        max_megabytes = NEAREST_MEGABYTES if pairs == "nearest" else math.inf
    else:
        check_number("max_megabytes", max_megabytes, above=0)
    if max_grid is not None:
        check_int("max_grid", max_grid, minimum=1)
    notices = check_several("notices", notices, "a list of lines")
    if not all(isinstance(each, str) for each in notices):
        raise TypeError(message("notices", "a list of lines", notices))
    if pair is not None:
        pair = check_two_images(pair, len(analysis))
    if query is not None:
        check_int("query", query, minimum=0, maximum=len(analysis) - 1)
    near = {"current": 0, "nearest": neighbours, "all": len(analysis) - 1}[pairs]
    with Meter("Writing the report", progress, in_percent=True, kept=_KEPT) as meter:
        labels = images if labels is None else labels
        builder = ReportBuilder(analysis, images=images, labels=labels, meter=meter)
        builder.weigh(guessed_pairs(len(analysis), near))
        builder.step(0)
        builder.add_rsms(layer, kernel)
        builder.choose_pair(layer, pair, near)
        builder.step(1)
        builder.add_retrieval(layer, builder.pair[0] if query is None else query)
        builder.step(2)
        builder.add_pairs(layer, max_grid, max_megabytes)
        builder.step(3)
        html = builder.html(notices)
        builder.step(4)
    return StaticReport(html)


class _SilentObserver:
    """Where a recipe puts its notices when there is no explorer to show them."""

    pair = None  # nothing is shown before all is there

    def __init__(self, *, save_images: bool) -> None:
        self.save_images = save_images
        self.notices: list[str] = []

    def notice(self, text: str, names: Sequence[str] = ()) -> None:
        """Keep a line about what was reduced; it names pictures only where they may be."""
        self.notices.append(named(text, names if self.save_images else ()))

    def show_images(self, images: Images) -> None:
        """Show nothing."""

    def preview(self, analysis: Analysis, pair: tuple[int, int]) -> None:
        """Show nothing."""

    def extraction_progress(self, job: Job) -> None:
        """Have the extraction show how far it is by itself; nothing waits for Start."""


def analysis_at_once(
    recipe: AnalysisRecipe,
    report: Callable[[str, float | None], None] = lambda text, fraction: None,
    *,
    save_images: bool = True,
) -> tuple[Analysis, list[str]]:
    """Return the Analysis that a recipe makes, and what it says was reduced.

    Args:
        recipe: what is to be analysed.
        report: called with what is being done and how far it is (0 to 1, None: unknown).
        save_images: whether what it says may name files.
    """
    observer = _SilentObserver(save_images=save_images)
    return recipe.make(Job(report), observer), observer.notices


def check_two_images(pair: Sequence[int], images: int) -> tuple[int, int]:
    """Return two different image indices, or raise ValueError; TypeError for what is no pair."""
    expected = f"indices of two different images, from 0 to {images - 1}"
    if not isinstance(pair, tuple | list):
        raise TypeError(message("pair", expected, pair))
    if len(pair) != 2 or pair[0] == pair[1] or not all(k in range(images) for k in pair):
        raise ValueError(message("pair", expected, f"{tuple(pair)}"))
    return int(pair[0]), int(pair[1])
