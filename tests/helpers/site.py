"""The documentation site, built once for all tests that look at it, and its pages as their links show them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from helpers.command_line import ROOT

SITE = ROOT / "build" / "site"
COMMAND = ("-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-c", "docs", ".", str(SITE))
"""What the README says, with every page read anew: of a page that is not read no warning comes."""

_FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}


@cache
def built() -> subprocess.CompletedProcess[str]:
    """Build the site and return what was said."""
    return subprocess.run([sys.executable, *COMMAND], cwd=ROOT, capture_output=True, text=True, check=False)


@dataclass
class SitePage(HTMLParser):
    """A page: the anchors it has, what it links to, and what a browser fetches for it.

    Attributes:
        path: where it lies.
    """

    path: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := found.get(key))}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if (address := found.get(_FETCHED.get(tag, ""))) is not None:
            self.fetched.append(address)
        if found.get("srcset"):
            self.fetched += [each.split()[0] for each in str(found["srcset"]).split(",")]

    def target(self, link: str) -> tuple[Path, str] | None:
        """Return the file and the anchor that a link within the site leads to; None for one that leaves it."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return None
        path = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return path, unquote(parts.fragment)


@cache
def pages() -> dict[Path, SitePage]:
    """Return the pages by their paths, without the live ones, which are reports and have tests of their own."""
    built()
    found = sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)
    return {path: SitePage(path) for path in found if path.parent != SITE / "live"}
