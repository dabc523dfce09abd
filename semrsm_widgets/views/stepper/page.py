"""The stepper as a page that stands alone."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import __version__
from semrsm_widgets.figures import model_sentence
from semrsm_widgets.views.base import bundle_text, page_traits, standalone_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semrsm_widgets.views.base import Message

    from .source import Lot

_LEAD = (
    "The rows bid for the columns, and the prices of the columns prove that no other matching is much better. Step "
    "with the arrow keys, or press space; switch “your bid” on to bid yourself."
)


def stepper_html(view: Any, lot: Lot, messages: Sequence[Message], *, images: bool) -> str:
    """Return the page of a stepper.

    Args:
        view: the stepper.
        lot: what is auctioned.
        messages: what its page is told.
        images: whether names of the images may be in the file.
    """
    traits = page_traits(view)
    # Neither another layer nor another grid is in the file, and of the images these two.
    rows = [{"id": "", "labels": []} for _ in view._images]
    shown = []
    if view.analysis is not None:
        for k in view.pair:
            rows[k] = view._images[k] if images else {"id": f"image {k + 1}", "labels": []}
            shown.append(rows[k]["id"])
    traits |= {"offers": [], "_layers": [], "_private": False, "_linked": False, "your_bid": False, "_images": rows}
    title = " · ".join(["Auction", *([" → ".join(shown)] if shown else []), lot.words])
    made = (
        f"Made by semrsm_widgets {__version__} on {datetime.now(UTC):%Y-%m-%d}. The file is complete: it runs without "
        "Python and asks nothing of a network."
    )
    origin = model_sentence(view.analysis) if view.analysis is not None else ""
    body = [
        f"<header><h1>An auction, step by step</h1><p>{escape(_LEAD)}</p></header>",
        "<main>",
        "<noscript><p>This page draws with JavaScript, which is switched off here.</p></noscript>",
        '<section id="srsm-stepper"></section>',
        "</main>",
        f"<footer><p>{escape(origin)}</p><p>{escape(made)}</p></footer>",
    ]
    packed = [
        {"content": each.content, "buffers": [b64encode(buffer).decode("ascii") for buffer in each.buffers]}
        for each in messages
    ]
    scripts = [(' type="module"', bundle_text("stepper_page.js"))]
    return standalone_html(title, body, data={"traits": traits, "messages": packed}, scripts=scripts)
