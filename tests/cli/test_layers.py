"""`semrsm layers`: the table."""

from __future__ import annotations

import pytest
from helpers.command_line import run

from semrsm_widgets.cli import main


def test_layers_prints_the_table() -> None:
    done = run("layers", "test_vit", "--image-size", "64")
    assert done.returncode == 0
    head, *rows, footer = done.stdout.splitlines()
    assert head.split() == ["name", "kind", "calls", "shape", "layout", "S", "grid", "D", "prefix", "note"]
    assert any(row.split() == ["*", "blocks.0", "Block", "17×64", "NLC", "16", "4×4", "64", "1"] for row in rows)
    assert footer.startswith("7 layers by default (*)")


def test_layers_of_the_bundled_model_and_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers"]) == 0
    short = capsys.readouterr().out
    assert main(["layers", "--all"]) == 0
    every = capsys.readouterr().out
    assert "* conv_stem" in " ".join(short.split())
    assert every.count("\n") > 5 * short.count("\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["layers", "resnet5"], "semrsm: `name` must be a model that timm knows; got 'resnet5'. Did you mean"),
        (["layers", "test_vit", "--image-size", "0"], "semrsm: `image_size` must be"),
    ],
)
def test_layers_of_what_there_is_not(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert text in capsys.readouterr().err
