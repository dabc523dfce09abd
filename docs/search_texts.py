"""The texts of the site's pages in one script, so that search shows what stands around the words it finds.

Sphinx's own search fetches each page that it finds, which a browser refuses a page opened from a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

NAME = "search_texts.js"
_LEFT_OUT = ("script", "style", "h1", "h2", "h3", "h4")  # a heading is the title of what is found


class _Sections(HTMLParser):
    """The text of a page, section by section: [anchor, text], also of each name that is documented."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self._is_article = False
        self._left_out = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        kinds = given.get("class", "").split()
        if tag == "article" and "bd-article" in kinds:
            self._is_article = True
        if not self._is_article or self._left_out:
            return
        if tag in _LEFT_OUT or "headerlink" in kinds:
            self._left_out = tag
        elif tag in ("section", "dt") and given.get("id"):
            self.found.append([given["id"], ""])

    def handle_endtag(self, tag: str) -> None:
        if tag == self._left_out:
            self._left_out = ""
        if tag == "article":
            self._is_article = False

    def handle_data(self, data: str) -> None:
        if self._is_article and not self._left_out and self.found:
            self.found[-1][1] += data


def sections(page: str) -> list[list[str]]:
    """Return [anchor, text] of the sections of a page's HTML, without headings and those that hold nothing else."""
    reader = _Sections()
    reader.feed(page)
    lines = [[anchor, " ".join(text.split())] for anchor, text in reader.found]
    return [line for line in lines if line[1]]


def write(site: Path, pages: Iterable[str]) -> None:
    """Write the texts of pages, named as Sphinx names them, beside the site's other scripts."""
    texts = {name: sections((site / f"{name}.html").read_text(encoding="utf-8")) for name in sorted(pages)}
    script = f"window.searchTexts = {json.dumps(texts, ensure_ascii=False, separators=(',', ':'))};\n"
    (site / "_static" / NAME).write_text(script, encoding="utf-8")
