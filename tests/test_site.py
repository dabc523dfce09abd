"""The documentation site: it builds without a warning, every link leads somewhere, nothing comes from other hosts."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from helpers.command_line import ROOT
from helpers.site import SITE, built, pages

import semrsm_widgets as srsm
from semrsm_widgets.cli import main

pytest.importorskip("sphinx", reason='the site needs: pip install ".[docs]"')
pytest.importorskip("myst_nb", reason='the site needs: pip install ".[docs]"')
pytestmark = pytest.mark.skipif(not (ROOT / "docs" / "conf.py").is_file(), reason="not a checkout")

LIVE = {"photographs", "shifts", "scenes", "auction", "untrained"}


def test_it_builds_without_a_warning() -> None:
    done = built()
    assert (done.returncode, done.stderr) == (0, "")


def test_every_source_is_a_page() -> None:
    sources = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("notebooks/*.ipynb"), ROOT / "CHANGELOG.md"]
    assert len(sources) > 35
    assert [path for path in sources if not (SITE / path.relative_to(ROOT).with_suffix(".html")).is_file()] == []


def test_every_link_image_and_anchor_within_it_is_there() -> None:
    broken = []
    for page in pages().values():
        for link in [*page.links, *page.fetched]:
            found = page.target(link)
            if found is None:
                continue
            path, anchor = found
            known = pages().get(path)
            if not path.is_file() or (known is not None and anchor and anchor not in known.anchors):
                broken.append((page.path.relative_to(SITE).as_posix(), link))
    assert broken == []
    assert sum(len(page.links) for page in pages().values()) > 1000


def test_no_page_asks_another_host() -> None:
    foreign = []
    for page in pages().values():
        foreign += [link for link in page.fetched if page.target(link) is None and not link.startswith("data:")]
    for style in SITE.rglob("*.css"):
        foreign += re.findall(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]*)", style.read_text(encoding="utf-8"))
    assert foreign == []


def test_search_has_the_text_of_every_page() -> None:
    script = (SITE / "_static" / "search_texts.js").read_text(encoding="utf-8")
    texts = json.loads(script.removeprefix("window.searchTexts = ").removesuffix(";\n"))
    assert len(texts) > 35
    words = {name: " ".join(text for _, text in found) for name, found in texts.items()}
    assert [name for name, text in words.items() if len(text) < 100] == []
    anchors = {anchor for anchor, _ in texts["docs/api/statistics"]}
    assert {"semrsm_widgets.cka", "semrsm_widgets.jackknife"} <= anchors
    for name, found in texts.items():
        assert {anchor for anchor, _ in found} <= pages()[SITE / f"{name}.html"].anchors


def test_every_public_name_is_documented_once() -> None:
    names = [
        anchor.removeprefix("semrsm_widgets.")
        for page in pages().values()
        for anchor in page.anchors
        if re.fullmatch(r"semrsm_widgets\.\w+", anchor)
    ]
    assert sorted(names) == sorted(srsm.__all__)


def test_every_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, flags=re.MULTILINE)
    assert {"lab", "warm"} <= set(commands)
    text = (ROOT / "docs" / "api" / "command-line.md").read_text(encoding="utf-8")
    assert [name for name in commands if f"| `semrsm {name}" not in text] == []


def test_a_reader_of_the_first_page_has_a_live_report_before_them() -> None:
    assert "../live/photographs.html" in pages()[SITE / "docs" / "index.html"].fetched
    assert {path.stem for path in (SITE / "live").glob("*.html")} >= LIVE
    for name in LIVE:
        assert pages()[SITE / "docs" / "live" / f"{name}.html"].fetched.count(f"../../live/{name}.html") == 1


def test_each_saved_picture_of_a_view_is_on_its_page() -> None:
    for path in sorted(ROOT.glob("notebooks/0*.ipynb")):
        page = pages()[SITE / "notebooks" / f"{path.stem}.html"]
        saved = path.read_text(encoding="utf-8").count('"image/png"')
        assert saved
        assert sum("_images/" in link for link in page.fetched) >= saved


def test_the_figures_of_a_lecture_are_drawn_by_one_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    figures = importlib.import_module("figures")
    names = ["patches-astronaut", "auction-start", "auction-phase-4"]
    drawn = list(figures.draw(tmp_path / "new", "svg", names))
    assert [path.name for path in drawn] == [f"{name}.svg" for name in names]
    texts = [path.read_text(encoding="utf-8") for path in drawn]
    assert all("semrsm_widgets" in text for text in texts)
    assert len(set(texts)) == 3
