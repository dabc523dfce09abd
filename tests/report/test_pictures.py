"""Pictures in a report: each once, and none where they are private."""

from __future__ import annotations

import base64
import io
import json

from helpers.analyses import make_analysis
from helpers.pages import Elements, unpacked_pack
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.report import report


def test_without_images_neither_pictures_nor_names_leave(tmp_path):
    names = [f"patient-{k}.png" for k in range(6)]
    analysis = make_analysis(n=6, ids=names)
    path = srsm.to_html(analysis, tmp_path / "private", images=False)
    assert path.name == "private.html"
    page = Elements(path.read_text())
    everything = path.read_bytes()
    for text in page.scripts:
        if text[0].get("id", "").startswith("srsm-pack"):
            head, planes = unpacked_pack(text[1])
            everything += json.dumps(head).encode() + planes
        if text[0].get("id", "").startswith("srsm-blob"):
            picture = base64.b64decode(text[1])
            assert Image.open(io.BytesIO(picture)).format == "PNG"
            everything += picture
    assert b"patient" not in everything
    assert b"kind 0" not in everything
    assert b"\xff\xd8\xff" not in everything
    assert base64.b64encode(b"\xff\xd8\xff") not in everything
    assert b"image 6" in everything
    assert "neither pictures nor file names nor labels" in " ".join(page.text)
    # the analysis itself is as it was
    assert analysis.images.ids == tuple(names)
    assert "kind 0" in report.static(analysis, images=False, labels=True).html


def test_a_picture_is_kept_once_and_no_larger_than_it_says(page):
    blobs = [text for attributes, text in page.scripts if attributes.get("id", "").startswith("srsm-blob")]
    assert len(set(blobs)) == len(blobs)
    sizes = [Image.open(io.BytesIO(base64.b64decode(text))).size for text in blobs]
    assert max(max(size) for size in sizes) <= 340
