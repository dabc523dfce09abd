"""What a view shows, written as a figure for a paper."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import check_number, home_expanded, message, optional, shown_path

if TYPE_CHECKING:
    from semrsm_widgets.figures.sheet import Sheet

FORMATS = (".svg", ".pdf", ".png")
NARROWEST_MM = 70.0
"""Below this, three panels leave no room for text of 6 points."""


class SavesFigure:
    """A view that can be written as a figure; it draws itself in `draw_figure`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take a view of somebody's own that draws itself under the name that was documented before, `_draw_figure`."""
        super().__init_subclass__(**kwargs)
        own = cls.__dict__
        if "_draw_figure" in own and "draw_figure" not in own:
            cls.draw_figure = own["_draw_figure"]  # type: ignore[method-assign]
        elif "draw_figure" in own:
            cls._draw_figure = own["draw_figure"]  # type: ignore[attr-defined]

    def save_figure(self, path: str | Path, *, width_mm: float = 85.0) -> Path:
        """Write what the view shows as a figure for a paper, and return where; no browser is needed.

        Light ground, text of 6 to 8 points at the given width, as text in SVG and PDF; what the numbers come from
        stands beneath. The same view gives the same file. What has not been computed yet is computed.

        Args:
            path: a file in a folder that exists, ending in .svg, .pdf or .png (400 pixels to the inch).
            width_mm: width in millimetres, at least 70; a column is about 85, a page 180.

        Raises:
            TypeError: a path that is none.
            ValueError: another suffix, too narrow a figure, or nothing to draw (the text says why).
            FileNotFoundError: there is no such folder.
            ImportError: matplotlib is not installed; the text says what to install.

        Example:
            >>> srsm.RSMView(analysis).save_figure("rsm.pdf", width_mm=180)
        """
        if not isinstance(path, str | Path):
            raise TypeError(message("path", f"a file name ending in {', '.join(FORMATS)}", path))
        target = home_expanded("path", path)
        if target.suffix.lower() not in FORMATS:
            todo = "The suffix says which format is written."
            raise ValueError(
                message("path", f"a file name ending in {', '.join(FORMATS)}", repr(shown_path(target)), todo)
            )
        if not os.path.isdir(target.parent):
            raise FileNotFoundError(
                message("path", "in a folder that exists", repr(shown_path(target)), "Make it first.")
            )
        todo = "A column of a journal is about 85 mm wide, a page 180."
        width = check_number("width_mm", width_mm, minimum=NARROWEST_MM, todo=todo)
        optional("matplotlib", extra="figures")
        from semrsm_widgets.figures.sheet import Sheet, paper_style

        with paper_style():
            sheet = Sheet(width)
            self.draw_figure(sheet)
            sheet.write(target)
        return target

    def draw_figure(self, sheet: Sheet) -> Any:
        """Draw the view on a sheet (see `figures.sheet.Sheet`); `paper.py` in its folder knows how."""
        raise ValueError(message("view", "one that can be drawn as a figure", type(self).__name__))
