"""A report's page as a parser reads it, and its packs as its script unpacks them."""

from __future__ import annotations

import base64
import html.parser
import json
import struct
import zlib
from typing import Any


class Elements(html.parser.HTMLParser):
    """What a page holds.

    Attributes:
        scripts: its script elements, as (attributes, text).
        policy: its Content-Security-Policy.
        text: what is not in a script, piece by piece.
        tags: every element that begins, as (tag, attributes).
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, Any], str]] = []
        self.policy, self.text, self.tags = "", [], []
        self._tag = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._tag = tag
        self.tags.append((tag, attributes))
        if tag == "script":
            self.scripts.append((attributes, ""))
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_endtag(self, tag):
        self._tag = ""

    def handle_data(self, data):
        if self._tag == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        else:
            self.text.append(data)

    def data(self, name: str) -> str:
        """Return the text of the script of an id."""
        return next(text for attributes, text in self.scripts if attributes.get("id") == name)


def unpacked_pack(text: str) -> tuple[dict[str, Any], bytes]:
    """Return the head of a pack and its planes."""
    packed = zlib.decompress(base64.b64decode(text))
    (size,) = struct.unpack_from("<I", packed)
    return json.loads(packed[4 : 4 + size]), packed[4 + size :]
