"""An Analysis as one HTML file: the views with everything they need, for a colleague without Python.

The page runs the views' own modules. What the kernel would answer was recorded when the file was made, so it holds
the heatmaps of all layers under all kernels, and the patches of those pairs of images that are near each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets.analysis import Analysis, check_analysis, named
from semrsm_widgets.common import Progress, check_choice, check_int, check_number, message, written_whole
from semrsm_widgets.views.base import KERNELS, Job, default_layer

from .build import ReportBuilder

if TYPE_CHECKING:
    from semrsm_widgets.analysis import AnalysisRecipe
    from semrsm_widgets.images import Images

# Heatmaps of more images carry no exact values, and their frames alone would fill the file.
MOST_IMAGES = 300
_SUFFIXES = (".html", ".htm")


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
        path = check_path(path)
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
    neighbours: int = 5,
    max_grid: int | None = 16,
    max_megabytes: float = 10.0,
    notices: Sequence[str] = (),
    progress: Progress | None = None,
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
        neighbours: PairView opens pairs of which one image is among so many nearest of the other: at any layer, under
            the aligned, the semantic or the pooled cosine.
        max_grid: for PairView, token grids larger than this many patches a side are pooled; None keeps them.
        max_megabytes: there are fewer pairs, the nearest ones, where the file would become larger than this.
        notices: further lines for its top: what was reduced before.
        progress: called with (steps done, steps in all); may raise to cancel.

    Raises:
        TypeError: `analysis` is none.
        ValueError: it has too few or too many images, or an argument cannot be right.
        OSError: the file cannot be written.

    Example:
        >>> srsm.to_html(analysis, "report.html")
        PosixPath('report.html')
    """
    path = check_path(path)  # before anything takes long
    report = static(
        analysis,
        layer=layer,
        pair=pair,
        query=query,
        kernel=kernel,
        images=images,
        labels=labels,
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
    neighbours: int = 5,
    max_grid: int | None = 16,
    max_megabytes: float = 10.0,
    notices: Sequence[str] = (),
    progress: Progress | None = None,
) -> StaticReport:
    """Return the report of an Analysis, to be shown in a notebook where no widget gets an answer.

    The arguments are those of `to_html`.
    """
    check_analysis(analysis, at_least=2)
    if len(analysis) > MOST_IMAGES:
        todo = "Extract fewer: images.select(...), or explore(..., max_images=...)."
        raise ValueError(message("analysis", f"of at most {MOST_IMAGES} images", f"{len(analysis)}", todo))
    layer = default_layer(analysis) if layer is None else check_choice("layer", layer, analysis.layers)
    check_choice("kernel", kernel, KERNELS)
    check_int("neighbours", neighbours, minimum=1)
    check_number("max_megabytes", max_megabytes, above=0)
    if max_grid is not None:
        check_int("max_grid", max_grid, minimum=1)
    if pair is not None:
        pair = check_two_images(pair, len(analysis))
    if query is not None:
        check_int("query", query, minimum=0, maximum=len(analysis) - 1)
    builder = ReportBuilder(analysis, images=images, labels=images if labels is None else labels, progress=progress)
    builder.add_rsms(layer, kernel)
    builder.choose_pair(layer, pair, neighbours)
    builder.add_retrieval(layer, builder.pair[0] if query is None else query)
    builder.add_pairs(layer, max_grid, max_megabytes)
    return StaticReport(builder.html(notices))


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

    def extraction_progress(self, job: Job) -> Callable[[int, int], None]:
        """Return a progress callback; nothing waits for Start."""
        return job.counter("Looking at the images:")


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
    """Return two different image indices, or raise ValueError."""
    expected = f"indices of two different images, from 0 to {images - 1}"
    if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= k < images for k in pair):
        raise ValueError(message("pair", expected, f"{tuple(pair)}"))
    return check_int("pair", pair[0], minimum=0), check_int("pair", pair[1], minimum=0)


def check_path(path: str | Path) -> Path:
    """Return where the report goes, or raise if that cannot be a report."""
    path = Path(path).expanduser()
    if not path.suffix:
        path = path.with_suffix(".html")
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(message("path", 'the name of an ".html" file', repr(path.name), "It would be replaced."))
    if not path.parent.is_dir():
        raise ValueError(message("path", "in a folder that exists", f"{path}", f"Make {path.parent} first."))
    return path
