"""The wheel carries what the package needs at run time: tutorials, images, JavaScript, types."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import semrsm_widgets
from semrsm_widgets.cli.lab import QUICKSTART

PACKAGE = Path(semrsm_widgets.__file__).resolve().parent
ROOT = PACKAGE.parent

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not a checkout")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout, built with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_carries_every_file_of_the_package(names: set[str]) -> None:
    # All that is no Python is needed at run time: py.typed, images, JavaScript, style sheets.
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "semrsm_widgets/py.typed" in wanted
    assert {Path(name).suffix for name in wanted} >= {".py", ".js", ".jpg"}
    assert wanted - names == set()


def test_it_carries_the_tutorials(names: set[str]) -> None:
    wanted = {f"semrsm_widgets/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert f"semrsm_widgets/notebooks/{QUICKSTART}" in wanted
    assert wanted - names == set()


def test_it_carries_nothing_else(names: set[str]) -> None:
    strangers = {name for name in names if not name.startswith(("semrsm_widgets/", "semrsm_widgets-"))}
    assert strangers == set()
    assert not [name for name in names if "__pycache__" in name or ".ipynb_checkpoints" in name]


def test_it_installs_the_command_and_the_licence(wheel: Path, names: set[str]) -> None:
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        assert "semrsm = semrsm_widgets.cli:main" in archive.read(entry_points).decode()
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_its_tutorials_are_found_once_unpacked(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "import pathlib, semrsm_widgets; from semrsm_widgets.cli import lab\n"
        "print(pathlib.Path(semrsm_widgets.__file__).parent)\n"
        "print(lab.tutorials_folder())\n"
        "print(sorted(lab.copy_tutorials(pathlib.Path('mine'))))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    package = tmp_path / "site" / "semrsm_widgets"
    shipped = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert result.stdout.splitlines() == [str(package), str(package / "notebooks"), str(shipped)]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == shipped
