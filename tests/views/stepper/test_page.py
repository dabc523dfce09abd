"""The stepper as a page: whole, asking nothing of others, and without names where these are private."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from helpers.analyses import make_analysis
from helpers.pages import Elements

MATRIX = [[0.2, 0.1], [0.3, 0.2]]
NASTY = "</script><script>alert(1)</script>"


def test_the_page_holds_the_auction_and_its_script_alone(open_stepper, tmp_path):
    stepper = open_stepper(MATRIX, step=2)
    page = Elements(stepper.to_html(tmp_path / "auction").read_text(encoding="utf-8"))
    running = [text for attributes, text in page.scripts if attributes.get("type", "module") == "module"]
    assert len(running) == 1
    assert base64.b64encode(hashlib.sha256(running[0].encode()).digest()).decode() in page.policy
    assert "default-src 'none'" in page.policy
    assert set(re.findall(r"https?://[^\s\"'`)]+", running[0])) == {"http://www.w3.org/2000/svg"}
    data = json.loads(page.data("srsm-page"))
    assert [each["content"]["kind"] for each in data["messages"]] == ["auction"]
    assert data["messages"][0]["content"]["affinity"] == MATRIX
    assert (data["traits"]["step"], data["traits"]["offers"]) == (2, [])


def test_names_with_markup_are_data(open_stepper, tmp_path):
    analysis = make_analysis(n=3, ids=["a", NASTY, "other"])
    text = open_stepper(analysis, layer="a", pair=(0, 1)).to_html(tmp_path / "a.html").read_text(encoding="utf-8")
    assert NASTY not in text
    data = json.loads(Elements(text).data("srsm-page"))
    assert [row["id"] for row in data["traits"]["_images"]] == ["a", NASTY, ""]  # the third one is not shown
    assert "other" not in json.dumps(data["traits"]["_images"])
    assert [len(each["buffers"]) for each in data["messages"]] == [2, 0]


@pytest.mark.parametrize("how", ["private view", "asked"])
def test_private_pictures_are_not_in_the_file(open_stepper, tmp_path, how):
    analysis = make_analysis(n=3, ids=["Jane Doe", "John Doe", "scan"])
    stepper = open_stepper(analysis, layer="a", save_images=how == "asked")
    path = stepper.to_html(tmp_path / "a.html", images=False if how == "asked" else None)
    text = path.read_text(encoding="utf-8")
    assert "Doe" not in text
    assert "/9j/" not in text
    assert "image 1 → image 2" in text
    shown = stepper.to_html(tmp_path / "b.html", images=True).read_text(encoding="utf-8")
    assert "Jane Doe" in shown  # so that the test above can fail
    assert "/9j/" in shown


def test_a_path_that_is_no_page_is_refused(open_stepper, tmp_path):
    stepper = open_stepper(MATRIX)
    with pytest.raises(ValueError, match=r'`path` must be the name of an ".html" file'):
        stepper.to_html(tmp_path / "auction.npz")
    with pytest.raises(ValueError, match="`path` must be in a folder that exists"):
        stepper.to_html(tmp_path / "none" / "auction.html")
