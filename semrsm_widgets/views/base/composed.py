"""What views have that are made of views: one state to wait for, to stop and to close."""

from __future__ import annotations

import time
from typing import Any

import ipywidgets
import traitlets as t

from .kept_picture import KeepsPicture, with_picture
from .save_figure import SavesFigure
from .view import Status, View, close_with_layout


class ComposedView(SavesFigure, KeepsPicture, ipywidgets.VBox):
    """A column of views: a header of its own, whose status line speaks for all, and others below it.

    A subclass makes `header` and puts the boxes, labels and the like between its views into `frame`, both before
    ipywidgets' own `__init__`.
    """

    save_images = t.Bool(True, help="Whether the saved notebook may contain pictures and their names.")

    header: View
    frame: list[Any]

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
        if hasattr(self, "frame"):  # ipywidgets also closes what never got through __init__
            self.kept.close()
            for view in self.views:
                view.close()
            for widget in self.frame:
                if isinstance(widget, ipywidgets.Label):
                    widget.style.close()
                close_with_layout(widget, widget.close)
        close_with_layout(self, super().close)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_picture(self, self.widget_bundle(**kwargs))

    def widget_bundle(self, **kwargs: Any) -> Any:
        """Return what ipywidgets itself shows: MIME type -> data, or None."""
        return super()._repr_mimebundle_(**kwargs)
