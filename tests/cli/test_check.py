"""`semrsm check`: what it reports, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.command_line import run

import semrsm_widgets
from semrsm_widgets.cli import check


def test_check_reports_everything_and_exits_with_0() -> None:
    result = run("check")
    lines = dict(re.findall(r"^(\S+) +(.*)$", result.stdout, flags=re.MULTILINE))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("All is well.\n")
    assert set(lines) >= {
        "semrsm_widgets",
        "python",
        *check.REQUIRED,
        "jupyterlab",
        "devices",
        "matching",
        "weights",
    }
    assert lines["semrsm_widgets"].startswith(semrsm_widgets.__version__)
    assert lines["devices"].startswith("cpu")
    assert re.search(r"ready in \d+\.\d s; (cache |no cache)", lines["matching"])


def broken(folder: Path, name: str, text: str) -> Path:
    """Write a package that fails when it is imported, and return its folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text)
    return folder


def test_check_says_that_torch_and_torchvision_do_not_fit(tmp_path: Path) -> None:
    fault = "raise RuntimeError('operator torchvision::nms does not exist\\nlong trace')"
    result = run("check", path=[broken(tmp_path, "torchvision", fault)])
    assert result.returncode == 1
    assert "broken: RuntimeError: operator torchvision::nms does not exist\n" in result.stdout
    assert "^ Install versions that fit together: pip install --upgrade torch torchvision\n" in result.stdout
    assert "ready in" in result.stdout, "the rest of the report must still come"
    assert "long trace" not in result.stdout


def test_check_says_that_torch_is_broken_once(tmp_path: Path) -> None:
    result = run("check", path=[broken(tmp_path, "torch", "raise OSError('libcudart.so.12: cannot open')")])
    assert result.returncode == 1
    assert re.search(r"^torch .*broken: OSError: libcudart\.so\.12: cannot open$", result.stdout, flags=re.MULTILINE)
    assert re.search(r"^devices +not tried, torch must work first$", result.stdout, flags=re.MULTILINE)
    assert re.search(r"^matching +not tried, torch must work first$", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "fault", "value", "todo"),
    [
        ("absent_one", None, "not installed", "Install it with: pip install absent_one"),
        (
            "needy",
            "import absent_two",
            "broken: ModuleNotFoundError: No module named 'absent_two'",
            "Install what it misses: pip install absent_two",
        ),
    ],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str | None, value: str, todo: str
) -> None:
    if fault is not None:
        monkeypatch.syspath_prepend(broken(tmp_path, name, fault))
    assert check.import_line(name) == check.Line(name, value, todo)


def test_what_is_optional_is_no_problem() -> None:
    line = check._optional_line("weights", "absent_one", "only the bundled model needs them")
    assert line.problem == ""
    assert (
        line.value
        == 'not installed: only the bundled model needs them. Install with: pip install "semrsm-widgets[lab]"'
    )


def test_a_broken_engine_is_reported_and_the_rest_goes_on() -> None:
    def fail() -> check.Line:
        raise RuntimeError("no such instruction")

    line = check._guarded_line("matching", fail)
    assert line.value == "broken: RuntimeError: no such instruction"
    assert line.problem
