"""Dependencies run downward only, and heavy packages stay where they belong. The imports are read, not run.

The levels, from the top (a module may import its own level and those below it, but never in a circle):

    cli -> views, report -> experiments -> analysis -> rsm, retrieval, comparison -> matching -> features -> models,
    images, geometry

A module that is missing from LEVELS fails its test: give it a place there.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import semrsm_widgets

PACKAGE = Path(semrsm_widgets.__file__).resolve().parent

LEVELS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "common _check statistics",
        "models images tokens geometry _checkpoint _decode _hub _load _ramps _vision _warp",
        "features extraction",
        "matching",
        "rsm",
        "analysis",
        "retrieval experiments",
        "figures",
        "views",
        "report",
        "launch",
        "cli _installation",
    )
)
"""From the bottom to the top; a package stands for all its modules. The package's own `__init__` is above all."""

ONLY_IN: dict[tuple[str, ...], tuple[str, ...]] = {
    ("ipywidgets", "anywidget", "traitlets", "bokeh"): (
        "views",
        "views.*",
        "report",
        "report.*",
        "figures.*",
        "launch",
    ),
    # _engine tries numba and says why it cannot be used.
    ("numba", "llvmlite"): ("matching.solvers.*",),
    ("timm",): ("models", "models.load"),
    ("matplotlib",): ("figures.sheet", "views.*.paper", "views._plots_*"),
}
"""Packages that only the given modules may import, inside functions too."""

FROM_ROOT = frozenset({"__version__"})
"""What a module may take from the package's own `__init__`; anything else comes from the module that defines it."""


class Import(NamedTuple):
    """One import: `target` is a dotted name, `typing_only` says that it never runs."""

    target: str
    line: int
    typing_only: bool


def modules(package: Path) -> dict[str, Path]:
    """Return the modules of a package by their name within it; its own `__init__` is ""."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, module: str, package: str, *, is_package: bool) -> list[Import]:
    """Return every import of a file: anywhere in it, relative ones resolved, `import_module("...")` too.

    Args:
        path: the file.
        module: its name within the package.
        package: the package's name.
        is_package: whether the file is an `__init__`.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    here = [package, *filter(None, module.split("."))]
    found = []
    for node in ast.walk(tree):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + is_package] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            targets = [f"{source}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
                targets = [first.value]
        found += [Import(target, getattr(node, "lineno", 0), id(node) in typing_only) for target in targets]
    return found


def level(module: str) -> int | None:
    """Return the level of a module, 0 at the bottom; None if it has no place."""
    if module == "":
        return len(LEVELS)
    top = module.split(".")[0]
    return next((i for i, names in enumerate(LEVELS) if top in names), None)


def violations(package: Path) -> list[str]:
    """Return what is wrong with the imports of a package, one line for each fault."""
    found = modules(package)
    faults = []
    edges: dict[str, set[str]] = {module: set() for module in found}
    for module, path in found.items():
        own = level(module)
        if own is None:
            faults.append(f"{module}: has no place in LEVELS")
            continue
        for imported in imports(path, module, package.name, is_package=path.name == "__init__.py"):
            where = f"{module or '__init__'}:{imported.line}"
            top, _, rest = imported.target.partition(".")
            if top != package.name:
                faults += [f"{where}: {top} belongs in {', '.join(ok)}" for ok in _refusing(top, module)]
                continue
            target = _module_of(rest, found)
            if target == "":
                if module and rest not in FROM_ROOT:
                    faults.append(f"{where}: takes {rest or 'everything'} from the package; name the module it is in")
                continue
            if not imported.typing_only:
                edges[module].add(target)
            other = level(target)
            if other is not None and other > own:
                faults.append(f"{where}: imports {target}, which is above it")
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        faults.append(f"imports in a circle: {' <- '.join(error.args[1])}")
    return faults


def _refusing(package: str, module: str) -> list[tuple[str, ...]]:
    """Return the places where `package` may be imported, if `module` is none of them."""
    return [
        places
        for packages, places in ONLY_IN.items()
        if package in packages and not any(fnmatchcase(module, place) for place in places)
    ]


def _module_of(name: str, found: dict[str, Path]) -> str:
    """Return the module that a dotted name within the package is, or is defined in."""
    while name and name not in found:
        name = name.rpartition(".")[0]
    return name


def test_imports_run_downward_and_heavy_packages_stay_in_their_place() -> None:
    assert violations(PACKAGE) == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import sys, semrsm_widgets; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"ipywidgets", "anywidget", "traitlets", "bokeh", "matplotlib", "numba", "llvmlite", "timm", "torchvision"}
    assert "semrsm_widgets" in loaded
    assert heavy.isdisjoint(loaded)


GOOD = {
    "__init__.py": "from importlib import import_module\nfrom house.analysis import Analysis\n",
    "_check.py": "import math\n",
    "images.py": "from ._check import message\n",
    "models.py": "def load(): import timm\n",
    "features.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.models import Model\n",
    "matching/__init__.py": "from house.matching.exact import Exact\n",
    "matching/exact.py": "from ..features import Tokens\nfrom house import __version__\n",
    "matching/solvers/cpu.py": "import numba.core\n",
    "analysis.py": "from house import images\nfrom house.matching import Exact\n",
    "views/__init__.py": "from . import pane\n",
    "views/pane.py": "import bokeh.models\nfrom house.analysis import Analysis\n",
}


def build(folder: Path, files: dict[str, str]) -> Path:
    """Write a package called house and return its folder."""
    package = folder / "house"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def test_the_checker_passes_a_good_tree(tmp_path: Path) -> None:
    assert violations(build(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("images.py", "from house.analysis import Analysis", "images:1: imports analysis, which is above it"),
        ("images.py", "def f():\n    from .views.pane import Pane", "images:2: imports views.pane, which is above it"),
        ("matching/exact.py", "from .. import analysis", "matching.exact:1: imports analysis, which is above it"),
        ("matching/__init__.py", "from ..analysis import A", "matching:1: imports analysis, which is above it"),
        (
            "models.py",
            "if TYPE_CHECKING:\n    from house.features import Tokens",
            "models:2: imports features, which is above it",
        ),
        ("analysis.py", "import_module('house.cli')\nimport house.cli", "analysis:1: imports cli, which is above it"),
        (
            "analysis.py",
            "import traitlets as t",
            "analysis:1: traitlets belongs in views.*, report.*, figures.*, launch",
        ),
        ("features.py", "def f():\n    import timm.data", "features:2: timm belongs in models, models.load"),
        (
            "matching/exact.py",
            "from numba import njit",
            "matching.exact:1: numba belongs in matching.solvers.*",
        ),
        ("rsm.py", "from house import Analysis", "rsm:1: takes Analysis from the package; name the module it is in"),
        ("helpers.py", "", "helpers: has no place in LEVELS"),
    ],
)
def test_the_checker_finds_a_violation(tmp_path: Path, name: str, text: str, fault: str) -> None:
    assert fault in violations(build(tmp_path, {**GOOD, "cli.py": "", name: text}))


def test_the_checker_finds_a_circle(tmp_path: Path) -> None:
    circle = {"images.py": "from house.models import load", "models.py": "from house.images import Images"}
    (fault,) = violations(build(tmp_path, {**GOOD, **circle}))
    assert fault in (
        "imports in a circle: images <- models <- images",
        "imports in a circle: models <- images <- models",
    )
