"""What views have that are made of views: one state to wait for, to stop and to close."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import anywidget
import ipywidgets
import traitlets as t

from .kept_picture import KeepsPicture, with_picture
from .save_figure import SavesFigure
from .view import SHARED_STYLE, Status, View, bundle, close_with_layout


class ViewPlace(NamedTuple):
    """Where a view stands in a composed one.

    Attributes:
        name: of the place, for the style sheet; "outside" and "below" stand below all others.
        view: the view, itself perhaps a composed one, or None while there is none.
        title: a line above the view.
    """

    name: str
    view: View | ComposedView | None
    title: str = ""


class ComposedView(SavesFigure, KeepsPicture, anywidget.AnyWidget):
    """A header of its own, whose status line speaks for all, and below it places for other views.

    It is one anywidget, which has its parts drawn by whatever draws it: a box of ipywidgets would be drawn by Jupyter
    alone. A subclass makes `header`, then calls `__init__`, and says with `show_places` what stands below the header.
    """

    _esm = bundle("composed.js")
    _css = bundle("views.css")

    _look = t.Unicode("").tag(sync=True)
    """Classes of the whole, for the style sheet."""

    _arranged = t.Unicode("").tag(sync=True)
    """Classes of what holds the places below the header."""

    _places: t.List[Any] = t.List().tag(sync=True)
    """Name, title and view of each place, the header's first; a view by the reference that anywidget resolves."""

    save_images = t.Bool(True, help="Whether the saved notebook may contain pictures and their names.")

    header: View

    def __init__(self, **kwargs: Any) -> None:
        layout = ipywidgets.Layout(width="100%", overflow="visible", flex="0 0 auto")
        super().__init__(layout=layout, **SHARED_STYLE, **kwargs)
        self.show_places()

    def show_places(self, *places: ViewPlace) -> None:
        """Have the page draw views in places, in this order below the header; those that are there already stay."""
        self._places = [
            {"name": name, "title": title, "view": None if view is None else f"anywidget:{view.model_id}"}
            for name, view, title in (ViewPlace("header", self.header), *places)
        ]

    @property
    def views(self) -> list[View]:
        """The header and the views that are there."""
        return [self.header]

    @property
    def at_work(self) -> list[View]:
        """The views that `cancel` stops and `resume` lets go on."""
        return self.views

    @property
    def status(self) -> Status:
        """The status line of the header, which speaks for all."""
        return self.header.status

    @property
    def last_error(self) -> str:
        """Traceback of the last error that any part showed; empty if there was none."""
        return next((view.last_error for view in self.views if view.last_error), "")

    def cancel(self) -> None:
        """Stop what is being computed; what is there already stays."""
        for view in self.at_work:
            view.worker.cancel()

    def resume(self) -> None:
        """Go on after a cancel."""
        for view in self.at_work:
            if view.cancelled:
                view.resume()

    def start(self) -> None:
        """Go on with a computation that waits because it will take long."""
        for view in self.views:
            view.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is computed; return whether that came within `timeout` seconds.

        Errors are not raised: see `last_error`.
        """
        end = None if timeout is None else time.monotonic() + timeout

        def in_time(view: View) -> bool:
            return view.wait(None if end is None else max(0.0, end - time.monotonic()))

        return in_time(self.header) and all(in_time(view) for view in self.views)  # the header's work may add views

    def close(self) -> None:
        """Free the threads and the widgets."""
        if hasattr(self, "header"):  # ipywidgets also closes what never got through __init__
            self.kept.close()
            for view in self.views:
                view.close()
        close_with_layout(self, super().close)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_picture(self, self.widget_bundle(**kwargs))

    def widget_bundle(self, **kwargs: Any) -> Any:
        """Return what ipywidgets itself shows: MIME type -> data, or None."""
        return super()._repr_mimebundle_(**kwargs)
