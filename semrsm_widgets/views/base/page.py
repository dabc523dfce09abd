"""A page that stands alone: text, data that no browser runs, and scripts that a policy names by hash."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import __version__

from .view import bundle_text
from .wire import plain

if TYPE_CHECKING:
    from .view import View

# Traits that are ipywidgets' and anywidget's own affair.
_OWN_TRAITS = frozenset({"layout", "tabbable", "tooltip"})
_OWN_PREFIXES = ("_model_", "_view_", "_dom_", "_esm", "_css", "_anywidget_")
# Numbers are shown with at most six digits; certified gaps are read from the eighth.
PAGE_DIGITS = 8


def standalone_html(
    title: str,
    body: Sequence[str],
    *,
    data: Any,
    scripts: Sequence[tuple[str, str]],
    stored: Mapping[str, str] | None = None,
) -> str:
    """Return a page that asks nothing of a network.

    Args:
        title: of the page, as plain text.
        body: what stands on it, as HTML.
        data: what its script reads in the element "srsm-page", as JSON values.
        scripts: (attributes, text) of each.
        stored: id -> base64, for the script to read when it is needed.
    """
    scripts = [(kind, _safe(text)) for kind, text in scripts]
    hashes = " ".join(f"'sha256-{_hash(text)}'" for _, text in scripts)
    # Bokeh and the views write style attributes and style elements, which can reach nothing under this policy.
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="semrsm_widgets {__version__}">',
            f"<title>{escape(title)}</title>",
            f"<style>{bundle_text('report.css')}</style>",
            "</head>",
            "<body>",
            *body,
            f'<script type="application/json" id="srsm-page">{json_block(data)}</script>',
            *(f'<script type="text/plain" id="{name}">{text}</script>' for name, text in (stored or {}).items()),
            *(f"<script{kind}>{text}</script>" for kind, text in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def page_traits(view: View) -> dict[str, Any]:
    """Return the traits that the view's page reads, as JSON values."""
    state = view.get_state()
    own = {name for name in state if name in _OWN_TRAITS or name.startswith(_OWN_PREFIXES)}
    traits = {name: value for name, value in state.items() if name not in own}
    found: dict[str, Any] = plain({**traits, "_status": {"state": "ready", "text": "", "fraction": None}}, PAGE_DIGITS)
    return found


def json_block(data: Any) -> str:
    """Return JSON that cannot end the script element it stands in: it has no `<`."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # U+2028 and U+2029 are line ends to some readers of JavaScript.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _safe(script: str) -> str:
    """Return a script that the HTML parser reads to its end, and whose line ends it leaves as they are."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")
    # Both can only stand inside strings, regular expressions and comments of our scripts and of BokehJS.
    return re.sub(r"</(?=script)", r"<\\/", script, flags=re.I).replace("<!--", "\\x3c!--")


def _hash(script: str) -> str:
    return b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
