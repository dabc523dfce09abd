"""The wheel carries what the package needs at run time: tutorials, images, the page's bundles, types."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import semrsm_widgets
from semrsm_widgets.cli.lab import LESSONS, QUICKSTART

PACKAGE = Path(semrsm_widgets.__file__).resolve().parent
ROOT = PACKAGE.parent

BUNDLES = PACKAGE / "views" / "static"
TUTORIALS = [*sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb")), LESSONS]

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


def is_source_of_the_page(path: Path) -> bool:
    """Return whether the bundles are built from a file."""
    return path.suffix in (".js", ".css") and path.parent != BUNDLES


def test_it_carries_every_file_of_the_package(names: set[str]) -> None:
    # All that is no Python is needed at run time: py.typed, images, bundles.
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not is_source_of_the_page(path)
    }
    assert "semrsm_widgets/py.typed" in wanted
    assert {Path(name).suffix for name in wanted} >= {".py", ".js", ".css", ".jpg"}
    assert wanted - names == set()


def test_of_the_page_it_carries_the_bundles_only(names: set[str]) -> None:
    assert any(is_source_of_the_page(path) for path in PACKAGE.rglob("*"))
    bundles = {path.relative_to(ROOT).as_posix() for path in BUNDLES.iterdir()}
    page = {name for name in names if Path(name).suffix in (".js", ".mjs", ".ts", ".css", ".json", ".jsonc", ".map")}
    assert page == bundles
    assert not [name for name in names if "node_modules" in name or Path(name).name == ".npmrc"]


def test_it_carries_the_tutorials(names: set[str]) -> None:
    wanted = {f"semrsm_widgets/notebooks/{name}" for name in TUTORIALS}
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
    assert result.stdout.splitlines() == [str(package), str(package / "notebooks"), str(TUTORIALS)]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == TUTORIALS


OPEN_VIEWS = """
import json, sys
import numpy as np, torch
import semrsm_widgets as srsm
from semrsm_widgets.views import RSMView, PairView, RetrievalView

rng = np.random.default_rng(0)
images = srsm.load_images([rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(4)])
values = torch.from_numpy(rng.normal(size=(4, 4, 8)).astype(np.float32))
tokens = {"a": srsm.Tokens(values=values, grid=(2, 2), native_grid=(2, 2), layer="a")}
analysis = srsm.Analysis(images, tokens, matcher=srsm.Exact())
shown = {}
for kind in (RSMView, PairView, RetrievalView):
    view = kind(analysis)
    assert view.wait(60) and not view.last_error, view.last_error
    state = view.get_state()
    shown[kind.__name__] = [state["_esm"], state["_css"]]
    view.close()
print(json.dumps({"package": srsm.__file__, "views": shown, "report": srsm.to_html(analysis, sys.argv[1]).read_text()}))
"""


def test_installed_in_an_environment_of_its_own_it_opens_views_and_writes_a_report(wheel: Path, tmp_path: Path) -> None:
    """The checkout is out of reach there: what is shown comes from the wheel."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    # What the package depends on is borrowed. A line of a .pth file is a folder: the .pth files in there, by which a
    # checkout is installed, are not followed.
    borrowed = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (own / "dependencies.pth").write_text("\n".join(borrowed))
    # -I: neither PYTHONPATH nor the working directory is searched.
    command = [str(python), "-I", "-c", OPEN_VIEWS, str(tmp_path / "report.html")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert Path(shown["package"]).is_relative_to(own)
    style = (BUNDLES / "views.css").read_text(encoding="utf-8")
    scripts = {"RSMView": "rsm.js", "PairView": "pair.js", "RetrievalView": "retrieval.js"}
    assert shown["views"] == {
        view: [(BUNDLES / script).read_text(encoding="utf-8"), style] for view, script in scripts.items()
    }
    assert (BUNDLES / "report.js").read_text(encoding="utf-8") in shown["report"]


OF_NUMPY_2 = {
    "acos", "acosh", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bitwise_count", "bitwise_invert",
    "bitwise_left_shift", "bitwise_right_shift", "bool", "concat", "cumulative_prod", "cumulative_sum", "isdtype",
    "long", "matrix_transpose", "matvec", "permute_dims", "pow", "trapezoid", "ulong", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "unstack", "vecdot", "vecmat",
}  # fmt: skip
"""Names that NumPy 1.26 has not, which pyproject.toml allows."""


def test_numpy_1_has_all_names_that_are_used():
    assert '"numpy>=1.26"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8"), "with NumPy 2 this test may go"
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno} np.{node.attr}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
        if node.attr in OF_NUMPY_2
    ]
    assert used == []
