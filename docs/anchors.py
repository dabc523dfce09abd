"""How a heading is linked to."""

import json
import re
from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).resolve().parents[1] / "notebooks" / "glossary.ipynb"


def anchor(title: str) -> str:
    """Return a heading's anchor as readers elsewhere have it, so that a link works there as it does on the site.

    In a notebook, which Jupyter shows, it is the heading with hyphens for blanks; only the glossary's are linked to. In
    a Markdown file it is what GitHub makes of the heading: small letters, no punctuation.
    """
    title = title.strip()
    if title not in _words():
        title = re.sub(r"[^\w\- ]", "", title.lower())
    return title.replace(" ", "-")


@cache
def _words() -> frozenset[str]:
    """Return the glossary's headings."""
    cells = json.loads(GLOSSARY.read_text(encoding="utf-8"))["cells"]
    return frozenset(re.findall(r"(?m)^## (.*)$", "".join(cells[0]["source"])))
