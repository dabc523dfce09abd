"""The HTML of a stand-alone report: static text, data that no browser runs, and scripts that a policy names by hash."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from semrsm_widgets.common import __version__
from semrsm_widgets.views.base import bokehjs, bundle_text


@dataclass(frozen=True, kw_only=True)
class Words:
    """What stands around the views, as plain text.

    Attributes:
        title: the heading.
        badge: what is to be known of the model first; empty for nothing.
        lead: one line below it.
        facts: what the file holds and what was reduced, a line each.
        made: how it was made.
        provenance: name -> value.
    """

    title: str
    badge: str
    lead: str
    facts: Sequence[str]
    made: str
    provenance: Mapping[str, str]


def page_html(words: Words, sections: Sequence[str], data: Any, stored: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        words: its text.
        sections: the names of the views, in their order.
        data: what `page.js` reads, as JSON values.
        stored: id -> base64, for `page.js` to read when it is needed.
    """
    scripts = [("", bokehjs().decode()), (' type="module"', bundle_text("report.js"))]
    scripts = [(kind, _safe(text)) for kind, text in scripts]
    hashes = " ".join(f"'sha256-{_hash(text)}'" for _, text in scripts)
    # Bokeh and the views write style attributes and style elements, which can reach nothing under this policy.
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    badge = f' <span class="srsm-caution">{escape(words.badge)}</span>' if words.badge else ""
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in words.facts)
    provenance = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in words.provenance.items())
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="semrsm_widgets {__version__}">',
            f"<title>{escape(words.title)}</title>",
            f"<style>{bundle_text('report.css')}</style>",
            "</head>",
            "<body>",
            f"<header><h1>{escape(words.title)}{badge}</h1><p>{escape(words.lead)}</p><ul>{facts}</ul></header>",
            "<main>",
            "<noscript><p>This page draws with JavaScript, which is switched off here.</p></noscript>",
            *(f'<section id="srsm-part-{k}" data-view="{escape(name)}"></section>' for k, name in enumerate(sections)),
            "</main>",
            f"<footer><p>{escape(words.made)}</p><details><summary>Provenance</summary><dl>{provenance}</dl></details>",
            "</footer>",
            f'<script type="application/json" id="srsm-page">{json_block(data)}</script>',
            *(f'<script type="text/plain" id="{name}">{text}</script>' for name, text in stored.items()),
            *(f"<script{kind}>{text}</script>" for kind, text in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


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
