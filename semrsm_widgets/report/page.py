"""The HTML of a stand-alone report: its text, and a place for each view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from semrsm_widgets.views.base import bokehjs, bundle_text, standalone_html


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
    badge = f' <span class="srsm-caution">{escape(words.badge)}</span>' if words.badge else ""
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in words.facts)
    provenance = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in words.provenance.items())
    body = [
        f"<header><h1>{escape(words.title)}{badge}</h1><p>{escape(words.lead)}</p><ul>{facts}</ul></header>",
        "<main>",
        "<noscript><p>This page draws with JavaScript, which is switched off here.</p></noscript>",
        *(f'<section id="srsm-part-{k}" data-view="{escape(name)}"></section>' for k, name in enumerate(sections)),
        "</main>",
        f"<footer><p>{escape(words.made)}</p><details><summary>Provenance</summary><dl>{provenance}</dl></details>",
        "</footer>",
    ]
    scripts = [("", bokehjs().decode()), (' type="module"', bundle_text("report.js"))]
    return standalone_html(words.title, body, data=data, scripts=scripts, stored=stored)
