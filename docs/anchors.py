"""How a heading is linked to."""

import json
import re
from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).resolve().parents[1] / "notebooks" / "glossary.ipynb"


def anchor(title: str) -> str:
    """Return a heading's anchor as readers elsewhere have it, so that a link works there as it does on the site.

    In the glossary it is the id of the word's cell, see `links_of_the_site`. In a Markdown file it is what GitHub makes
    of the heading: small letters, no punctuation, hyphens for blanks.
    """
    title = title.strip()
    return _words().get(title) or re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def links_of_the_site(text: str) -> str:
    """Return a page with its links to a cell of the glossary as links to a heading.

    JupyterLab finds a heading only in a cell that it has drawn, and so not in a notebook that the click opens; it finds
    a cell by its id.
    """
    return text.replace("(glossary.ipynb#cell-id=", "(glossary.ipynb#")


@cache
def _words() -> dict[str, str]:
    """Return the glossary's headings, each with the id of its cell."""
    cells = json.loads(GLOSSARY.read_text(encoding="utf-8"))["cells"]
    return {"".join(cell["source"]).split("\n")[0].removeprefix("## "): cell["id"] for cell in cells[1:]}
