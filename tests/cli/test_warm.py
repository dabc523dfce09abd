"""`semrsm warm`: it does what a first session waits for, and says what it did."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from helpers.command_line import run

from semrsm_widgets.cli import main, warm


def test_it_compiles_loads_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = tmp_path / "kernels"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(kernels))
    result = run("warm")
    assert result.returncode == 0, result.stderr
    steps = re.findall(r"^(\w+) +\d+\.\d s  (.*)$", result.stdout, flags=re.MULTILINE)
    assert [name for name, _ in steps] == ["libraries", "matching", "model", "views"]
    said = dict(steps)
    assert said["matching"].startswith(f"compiled for small and large grids, kept in {kernels}")
    assert said["model"] == "the bundled model has seen 8 photographs at 8 layers"
    assert result.stdout.splitlines()[-1].startswith("Ready in ")
    assert any(name.endswith(".nbc") for _, _, names in os.walk(kernels) for name in names)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "find_spec", lambda name: None)
    assert warm._model().startswith("left out: the bundled model's weights are not installed. Install with: pip")


def test_a_broken_part_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(warm, "REQUIRED", ("no_such_library",))
    assert main(["warm"]) == 1
    said = capsys.readouterr().err
    assert "libraries cannot be made ready: ImportError: no_such_library is not installed. Install it with: pip" in said
