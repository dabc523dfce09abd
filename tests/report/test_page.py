"""The report as a page: which scripts run, what it asks of others, and names with markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from helpers.analyses import make_analysis
from helpers.pages import Elements

from semrsm_widgets.report import report

NASTY = "</script><script>alert(1)</script>"


def test_the_policy_names_exactly_the_scripts_that_run(page):
    running = [text for attributes, text in page.scripts if attributes.get("type", "module") == "module"]
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in running}
    assert len(running) == len(hashes) == 2  # BokehJS and ours
    allowed = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
    assert set(re.findall(r"'sha256-([^']+)'", allowed["script-src"])) == hashes
    assert "unsafe" not in allowed["script-src"]
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data: blob:"


def test_the_page_names_no_other_host(page):
    own = [text for attributes, text in page.scripts if attributes.get("type") == "module"]
    assert len(own) == 1
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", " ".join(own)))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_names_with_markup_are_data(tmp_path):
    analysis = make_analysis(n=4, ids=["a", "b", NASTY, "<img src=x onerror=alert(2)>"])
    text = report.static(analysis, notices=[NASTY]).html
    assert NASTY not in text
    assert "<img" not in text
    page = Elements(text)
    assert NASTY in "".join(page.text)  # the notice, as text
    ids = [row["id"] for row in json.loads(page.data("srsm-page"))["parts"][0]["traits"]["_images"]]
    assert ids == list(analysis.images.ids)
