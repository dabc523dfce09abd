"""`semrsm report`: one file, or why not."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import semrsm_widgets
from semrsm_widgets.cli import main


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three of the bundled photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("astronaut", "chelsea", "coffee"):
        shutil.copy(Path(semrsm_widgets.__file__).parent / "images" / "data" / f"{name}.jpg", folder)
    return folder


def test_report_writes_one_file(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = photos.parent / "out.html"
    arguments = ["report", str(photos), "-o", str(target), "--layers", "blocks.5", "--max-images", "2"]
    assert main([*arguments, "--no-images"]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(r".*out\.html: \d\.\d MB\n", said.out)
    assert said.err.splitlines()[:2] == ["Importing the libraries ...", "Opening the images ..."]
    text = target.read_text(encoding="utf-8")
    assert "EfficientNet-Lite0 · 2 images · 1 layer" in text
    assert "Showing 2 of 3 images" in text
    assert "astronaut" not in text


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nowhere"], 2, "semrsm: `images` must be a folder or file that exists; got nowhere."),
        (["PHOTOS", "--model", "resnet5"], 2, "semrsm: `model` must be a model that timm knows; got 'resnet5'."),
        (["PHOTOS", "-o", "report.pdf"], 2, "semrsm: `path` must be the name of an \".html\" file; got 'report.pdf'."),
        (["PHOTOS", "--layers", "nothing.*"], 2, "semrsm: "),
        (["PHOTOS", "--max-images", "1"], 2, "semrsm: `max_images` must be"),
    ],
)
def test_report_of_what_cannot_be(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(photos.parent)
    assert main(["report", *(str(photos) if each == "PHOTOS" else each for each in arguments)]) == status
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith(said)
    assert list(photos.parent.glob("*.html")) == []


def test_the_pair_shown_makes_a_smaller_file(photos: Path) -> None:
    sizes = {}
    for pairs in ("current", "all"):
        target = photos.parent / f"{pairs}.html"
        assert main(["report", str(photos), "-o", str(target), "--layers", "blocks.5", "--pairs", pairs]) == 0
        sizes[pairs] = target.stat().st_size
    assert sizes["current"] < sizes["all"]
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(photos), "--pairs", "some"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_it_says_how_far_it_is_and_ctrl_c_ends_it_in_a_line(photos: Path) -> None:
    from helpers.terminal import on_terminal

    target = photos.parent / "out.html"
    call = ["report", str(photos), "-o", str(target)]
    script = (
        "import sys, semrsm_widgets.cli, semrsm_widgets.common.screen as screen\n"
        f"screen.APPEARS_AFTER = 0.0\nsys.exit(semrsm_widgets.cli.main({call!r}))"
    )
    ended = on_terminal(script, interrupt_at="Writing the report:")
    assert "Comparing the images ...\n" in ended.text
    assert ended.text.rstrip().endswith("semrsm: stopped, nothing was written.")
    assert ended.status == 130
    assert not target.exists()
