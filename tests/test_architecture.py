"""The house: data flows down the ladder, packages meet at their faces, heavy packages stay where they belong.

The imports are read, not run. A package may import from those before it in LADDER, never from one after it, not even
under TYPE_CHECKING; packages on one step do not import each other. `PACKAGE/__init__.py` is a package's face: it only
imports and lists `__all__`, and other packages take nothing past it. Inside a package imports are relative, across
packages absolute. No module has an underscore: what a face does not list is private.
Tests lie as their files do: tests/PACKAGE/test_FILE.py.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import semrsm_widgets

PACKAGE = Path(semrsm_widgets.__file__).resolve().parent

LADDER: tuple[tuple[str, ...], ...] = (
    ("common",),
    ("images", "models", "tokens", "statistics"),
    ("storage",),
    ("extraction", "matching"),
    ("rsm",),
    ("analysis",),
    ("retrieval",),
    ("experiments",),
    ("figures",),
    ("views.base",),
    ("views.probe",),
    ("views.pair",),
    ("views.rsm", "views.retrieval", "views.compare", "views.transform_lab", "views.stepper"),
    ("views.explorer",),
    ("views",),
    ("report",),
    ("launch",),
    ("ahead",),
    ("cli",),
)
"""From the bottom to the top. A view's folder is a package; `launch` and `ahead` are modules beside the packages."""

ONLY_IN: dict[tuple[str, ...], tuple[str, ...]] = {
    ("ipywidgets", "anywidget", "traitlets", "bokeh"): (
        "figures.palettes",
        "figures.results",
        "figures.style",
        "views.*",
        "report.*",
        "launch",
    ),
    ("numba", "llvmlite"): ("matching.solvers.*",),
    ("timm",): ("models.load",),
    ("zarr", "filelock"): ("storage.*",),
    ("dask", "distributed"): ("rsm.cluster",),
    ("matplotlib",): ("figures.sheet", "views.*.paper"),
}
"""Packages that only the given modules may import, inside functions too."""

DEFERRED = ("figures.sheet", "views.*.paper")
"""Modules that import matplotlib, which is optional: no face lists them, they are loaded inside a function (or by each
other)."""

BY_COMPUTED_NAME = ("", "common.tables", "matching.solvers.engine", "cli.check")
"""Modules that import what is only known when they run: public names, optional packages, what `semrsm check` tries."""

NO_SUBJECT = ("utils", "util", "helpers", "misc")
"""Names that say nothing of what is in a file."""

OF_THE_WHOLE = (
    "ahead",
    "any_value",
    "architecture",
    "bad_input",
    "beyond_memory",
    "benchmarks",
    "examples",
    "killed",
    "launch",
    "lifetimes",
    "no_float64",
    "packaging",
    "page_twins",
    "peers",
    "private_paths",
    "private_pictures",
    "public_doors",
    "public_names",
    "results_in_one_line",
    "site",
    "situations",
    "soak",
)
"""What tests at the top of their folder are about; every other lies as its file does: tests/PACKAGE/test_FILE.py."""

MOST_FILES = 16
"""Python files in one folder; more want a folder of their own."""


class Import(NamedTuple):
    """One import: `source` is the dotted module, `name` what is taken from it ("" for the module itself).

    `form` is "import" for the statement, "called" for a function's call, "computed" for one of an unknown module.
    """

    source: str
    name: str
    line: int
    relative: bool
    deferred: bool
    form: str = "import"

    @property
    def target(self) -> str:
        return f"{self.source}.{self.name}" if self.name else self.source


class Found(NamedTuple):
    """One module of the package: its dotted name within it, its file, its parsed text."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_face(self) -> bool:
        return self.path.name == "__init__.py"


def modules(package: Path) -> dict[str, Found]:
    """Return the modules of a package by their name within it; its own `__init__` is ""."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Found(name, path, ast.parse(path.read_text(encoding="utf-8")))
    return found


def imports(module: Found, package: str) -> Iterator[Import]:
    """Yield every import of a file: anywhere in it, relative ones resolved, `import_module("...")` too."""
    here = [package, *filter(None, module.name.split("."))]
    inside = {
        id(node)
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    typing_only = {
        id(node)
        for branch in ast.walk(module.tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(module.tree):
        deferred = id(node) in inside or id(node) in typing_only
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", line, False, deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + module.is_face] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            yield from (Import(source, alias.name, line, node.level > 0, deferred) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                level = len(first.value) - len(first.value.lstrip("."))
                base = here[: len(here) - level + module.is_face] if level else []
                source = ".".join([*base, *filter(None, [first.value.lstrip(".")])])
                yield Import(source, "", line, level > 0, deferred, "called")
            else:
                yield Import("", "", line, False, deferred, "computed")


def rung(module: str) -> tuple[int, str] | None:
    """Return the step of a module on the ladder and the package that it belongs to; None if it has no place.

    Where a package's folders stand on the ladder (views), a folder or file that does not has no place.
    """
    best: tuple[int, str] | None = None
    for step, packages in enumerate(LADDER):
        for package in packages:
            if (module == package or module.startswith(f"{package}.")) and (
                best is None or len(package) > len(best[1])
            ):
                best = step, package
    apart = {package.rpartition(".")[0] for step in LADDER for package in step}
    return None if best is not None and best[1] in apart and module != best[1] else best


def module_of(name: str, found: dict[str, Found]) -> str:
    """Return the module that a dotted name within the package is, or is defined in."""
    while name and name not in found:
        name = name.rpartition(".")[0]
    return name


def import_faults(package: Path) -> list[str]:
    """Return what is wrong with the imports of a package, one line for each fault."""
    found = modules(package)
    faults = []
    edges: dict[str, set[str]] = {name: set() for name in found}
    for module in found.values():
        place = rung(module.name)
        if module.name and place is None:
            faults.append(
                f"{module.name}: has no place on the ladder; move it into a package, or add its package to LADDER"
            )
            continue
        for each in imports(module, package.name):
            where = f"{module.name or '__init__'}:{each.line}"
            if each.form == "computed":
                if module.name not in BY_COMPUTED_NAME:
                    faults.append(f"{where}: imports by a computed name; write the import out, so that it can be read")
                continue
            top, _, rest = each.target.partition(".")
            if top != package.name:
                faults += [
                    f"{where}: {top} belongs in {', '.join(ok)}; take what you need from there"
                    for ok in refusing(top, module.name)
                ]
                continue
            target = module_of(rest, found)
            if module.name == "":
                continue
            if target == "":
                faults.append(f"{where}: takes {rest or 'everything'} from the root; import the package it is in")
                continue
            other = rung(target)
            if place is None or other is None:
                continue
            edges[module.name].add(target)
            faults += [f"{where}: {fault}" for fault in step_faults(each, module.name, place, target, other, found)]
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        faults.append(f"imports in a circle: {' <- '.join(error.args[1])}; let one hand the other plain values")
    return faults


def step_faults(
    each: Import, module: str, place: tuple[int, str], target: str, other: tuple[int, str], found: dict[str, Found]
) -> Iterator[str]:
    """Yield what is wrong with one import within the house."""
    (own_step, own), (step, package) = place, other
    if each.name.startswith("_") and not each.name.endswith("__"):
        yield f"imports {each.name}, which is private to {target}; drop its underscore there"
    if own == package:
        if not each.relative:
            yield f"imports {target} absolutely; inside {own} imports are relative"
        return
    if each.relative and not target.startswith(f"{own}."):
        yield f"imports {target} relatively; across packages imports are absolute"
    if step > own_step:
        yield f"imports {target}, which is above it; have the value handed in, or move the code up"
    elif step == own_step:
        yield f"imports {target}, which stands on the same step; join the two above them"
    elif target != package or (each.name and f"{package}.{each.name}" in found):
        deferred = each.deferred or any(fnmatchcase(module, name) for name in DEFERRED)
        if not (deferred and any(fnmatchcase(target, name) for name in DEFERRED)):
            yield f"imports {target} past the face of {package}; list the name in {package}/__init__.py"
    elif each.name and f"{each.source.partition('.')[2]}" != package:
        yield f"imports {package} as a module; import names from it: from {each.source}.{package} import ..."
    elif not each.name:
        yield f"imports {package} as a module; import names from it: from {each.source} import ..."
    elif each.name not in names_of_face(found[package]):
        yield f"imports {each.name}, which the face of {package} does not list; list it in {package}/__init__.py"


def refusing(package: str, module: str) -> list[tuple[str, ...]]:
    """Return the places where `package` may be imported, if `module` is none of them."""
    return [
        places
        for packages, places in ONLY_IN.items()
        if package in packages and not any(fnmatchcase(module, place) for place in places)
    ]


def names_of_face(face: Found) -> list[str]:
    """Return what a face lists in `__all__`."""
    for node in face.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def house_faults(package: Path) -> list[str]:
    """Return what is wrong with files and faces, one line for each fault."""
    found = modules(package)
    faults = []
    exported: dict[str, set[str]] = {}
    for module in found.values():
        parts = module.name.split(".") if module.name else []
        faults += [
            f"{module.name}: has an underscore; name it after its subject"
            for part in parts
            if re.fullmatch(r"_(?!_).*", part)
        ]
        if parts and parts[-1] in NO_SUBJECT:
            faults.append(f"{module.name}: {parts[-1]} says nothing; name it after its subject")
        if module.is_face and module.name:
            exported[module.name] = set(names_of_face(module))
            faults += face_faults(module, found)
    for name, names in exported.items():
        inner = {module.rpartition(".")[2] for module in found if module.rpartition(".")[0] == name}
        faults += [
            f"{name}.{each}: bears the name of what its face exports; name it after its subject"
            for each in sorted(inner & names)
        ]
    public = set(names_of_face(found[""])) if "" in found else set()
    faults += [
        f"{name}: hides the public name; name it after its subject"
        for name in sorted(public & {name for name in found if "." not in name})
    ]
    for folder in sorted({module.path.parent for module in found.values()}):
        count = len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        if folder / "__init__.py" not in {module.path for module in found.values()}:
            faults.append(
                f"{folder.relative_to(package)}: has no face; add an __init__.py that lists what others may use"
            )
        if count > MOST_FILES:
            faults.append(f"{folder.relative_to(package)}: {count} files; look for two subjects")
    return faults


def face_faults(face: Found, found: dict[str, Found]) -> Iterator[str]:
    """Yield what is wrong with a face: it only imports from its own package, and lists all of it once."""
    taken = []
    for node in face.tree.body:
        if isinstance(node, ast.ImportFrom) and (node.level or any(name.name == "annotations" for name in node.names)):
            taken += [alias.asname or alias.name for alias in node.names if node.level]
            source = f"{face.name}.{node.module}" if node.module else face.name
            defined = top_names(found[source]) if source in found else None
            for alias in node.names:
                if (
                    node.level
                    and defined is not None
                    and alias.name not in defined
                    and f"{source}.{alias.name}" not in found
                ):
                    yield f"{face.name}: lists {alias.name}, which {source} does not have; take it from where it is"
        elif not (is_text(node) or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")):
            rule = "a face only imports from its own package and lists __all__; move the rest into a file"
            yield f"{face.name}: {rule} (line {node.lineno})"
    listed = names_of_face(face)
    if sorted(taken) != sorted(listed):
        odd = sorted(set(taken) ^ set(listed))
        yield f"{face.name}: imports and __all__ differ: {', '.join(odd)}; have each in both"


def is_text(node: ast.stmt) -> bool:
    """Return whether a statement is nothing but a string: a docstring, or what is said of a name above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def top_names(module: Found) -> set[str]:
    """Return the names that a module defines or, being a face, hands on."""
    names: set[str] = set(names_of_face(module)) if module.is_face else set()
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return names


def test_data_flows_down_the_ladder_and_packages_meet_at_their_faces() -> None:
    assert import_faults(PACKAGE) == []


def test_every_file_has_a_name_and_every_face_lists_what_is_there() -> None:
    assert house_faults(PACKAGE) == []


def test_the_root_holds_packages_and_the_door() -> None:
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "ahead.py", "launch.py", "py.typed"}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    # The tutorials are in the wheel, but not in a checkout.
    packages = {package.partition(".")[0] for step in LADDER for package in step}
    assert folders - {"notebooks"} == packages - {"ahead", "launch"}


def mirror_faults(package: Path, tests: Path) -> list[str]:
    """Return what is wrong with where tests lie and what they import, one line for each fault."""
    faults = []
    for path in sorted(tests.rglob("test_*.py")):
        where = path.relative_to(tests)
        name = path.stem.removeprefix("test_")
        if where.parts[0] in ("browser", "js", "notebooks"):
            pass
        elif len(where.parts) == 1:
            if name not in OF_THE_WHOLE:
                faults.append(f"{where}: is not about the whole; put it beside the tests of its package")
        elif not (package / where.parent / f"{name}.py").is_file():
            faults.append(f"{where}: there is no {where.parent / name}.py; name it after the file that would break")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            sources = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            sources += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            faults += [
                f"{where}: imports {source}; move what both need to tests/helpers"
                for source in sources
                if any(part == "tests" or part.startswith("test_") for part in source.split("."))
            ]
    return faults


def test_tests_mirror_the_house() -> None:
    assert mirror_faults(PACKAGE, Path(__file__).parent) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("images/test_image_set.py", "import torch.testing", ""),
        ("views/pair/test_view.py", "", ""),
        ("browser/test_anything.py", "", ""),
        ("test_architecture.py", "", ""),
        (
            "images/test_pictures.py",
            "",
            "images/test_pictures.py: there is no images/pictures.py; name it after the file that would break",
        ),
        (
            "test_pictures.py",
            "",
            "test_pictures.py: is not about the whole; put it beside the tests of its package",
        ),
        (
            "images/test_image_set.py",
            "from .test_load import make",
            "images/test_image_set.py: imports test_load; move what both need to tests/helpers",
        ),
        (
            "images/test_image_set.py",
            "import tests.images.test_load",
            "images/test_image_set.py: imports tests.images.test_load; move what both need to tests/helpers",
        ),
    ],
)
def test_the_checker_finds_a_test_that_lies_wrong(tmp_path: Path, name: str, text: str, fault: str) -> None:
    path = tmp_path / "tests" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert mirror_faults(build(tmp_path, GOOD), tmp_path / "tests") == ([fault] if fault else [])


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import sys, semrsm_widgets; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = "ipywidgets anywidget traitlets bokeh matplotlib numba llvmlite timm torch torchvision scipy numpy"
    assert "semrsm_widgets" in loaded
    assert set(heavy.split(" ")).isdisjoint(loaded)


def test_the_core_loads_no_widgets() -> None:
    core = [package for step in LADDER[:8] for package in step]
    script = f"import sys\nfor name in {core}: __import__('semrsm_widgets.' + name)\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "semrsm_widgets.experiments" in loaded
    assert {"ipywidgets", "anywidget", "bokeh", "matplotlib"}.isdisjoint(loaded)


FACE = "from .{0} import {1}\n\n__all__ = [{1!r}]\n"
GOOD = {
    "__init__.py": "from importlib import import_module\nfrom house.analysis import Analysis\n__all__ = ['Analysis']\n",
    "launch.py": "from house.report import StaticReport\n",
    "common/__init__.py": FACE.format("checks", "message"),
    "common/checks.py": "import math\nmessage = ''\n",
    "images/__init__.py": FACE.format("image_set", "Images"),
    "images/image_set.py": "from house.common import message\nclass Images: ...\n",
    "models/__init__.py": FACE.format("load", "load_model"),
    "models/load.py": "def load_model(): import timm\n",
    "matching/__init__.py": FACE.format("auction", "Auction"),
    "matching/auction.py": "from house.common import message\nfrom .solvers.engine import kernel\nclass Auction: ...\n",
    "matching/solvers/__init__.py": "",
    "matching/solvers/engine.py": "import numba.core\nkernel = 1\n",
    "analysis/__init__.py": FACE.format("store", "Analysis"),
    "analysis/store.py": (
        "from typing import TYPE_CHECKING\nfrom house.matching import Auction\nclass Analysis: ...\n"
        "if TYPE_CHECKING:\n    from house.images import Images\n"
    ),
    "figures/__init__.py": "",
    "figures/sheet.py": "import matplotlib\nclass Sheet: ...\n",
    "views/__init__.py": "from .pair import PairView\n\n__all__ = ['PairView']\n",
    "views/pair/__init__.py": FACE.format("view", "PairView"),
    "views/pair/view.py": "import bokeh.models\nclass PairView:\n    def f(self):\n        from .paper import draw\n",
    "views/compare/__init__.py": FACE.format("view", "CompareView"),
    "views/compare/view.py": "class CompareView: ...\n",
    "views/pair/paper.py": "from house.figures.sheet import Sheet\nimport matplotlib\ndef draw(): ...\n",
    "report/__init__.py": FACE.format("page", "StaticReport"),
    "report/page.py": "from house.analysis import Analysis\nclass StaticReport: ...\n",
}


def build(folder: Path, files: dict[str, str]) -> Path:
    """Write a package called house and return its folder."""
    package = folder / "house"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def faults_of(folder: Path, files: dict[str, str]) -> list[str]:
    package = build(folder, files)
    return import_faults(package) + house_faults(package)


def test_the_checker_passes_a_good_house(tmp_path: Path) -> None:
    good = {
        **GOOD,
        "views/pair/paper.py": "import matplotlib\ndef draw():\n    from house.figures.sheet import Sheet\n",
    }
    assert faults_of(tmp_path, good) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        (
            "images/load.py",
            "from house.analysis import Analysis",
            "images.load:1: imports analysis, which is above it; have the value handed in, or move the code up",
        ),
        (
            "images/load.py",
            "def f():\n    from house.views import P",
            "images.load:2: imports views, which is above it; have the value handed in, or move the code up",
        ),
        (
            "models/hub.py",
            "if TYPE_CHECKING:\n    from house.analysis import Analysis",
            "models.hub:2: imports analysis, which is above it; have the value handed in, or move the code up",
        ),
        (
            "common/x.py",
            "import_module('house.report')",
            "common.x:1: imports report, which is above it; have the value handed in, or move the code up",
        ),
        (
            "models/hub.py",
            "from house.images import Images",
            "models.hub:1: imports images, which stands on the same step; join the two above them",
        ),
        (
            "analysis/x.py",
            "from house.images.image_set import Images",
            "analysis.x:1: imports images.image_set past the face of images; list the name in images/__init__.py",
        ),
        (
            "analysis/x.py",
            "from house.images import image_set",
            "analysis.x:1: imports images.image_set past the face of images; list the name in images/__init__.py",
        ),
        (
            "analysis/x.py",
            "from house.images import X",
            "analysis.x:1: imports X, which the face of images does not list; list it in images/__init__.py",
        ),
        (
            "analysis/x.py",
            "from house.analysis.store import Analysis",
            "analysis.x:1: imports analysis.store absolutely; inside analysis imports are relative",
        ),
        (
            "analysis/x.py",
            "from ..images import Images",
            "analysis.x:1: imports images relatively; across packages imports are absolute",
        ),
        (
            "analysis/x.py",
            "from house import Analysis",
            "analysis.x:1: takes Analysis from the root; import the package it is in",
        ),
        (
            "views/rsm/view.py",
            "from house.views.compare import CompareView",
            "views.rsm.view:1: imports views.compare, which stands on the same step; join the two above them",
        ),
        (
            "report/pairs.py",
            "from house.figures.sheet import Sheet",
            "report.pairs:1: imports figures.sheet past the face of figures; list the name in figures/__init__.py",
        ),
        (
            "analysis/x.py",
            "import traitlets as t",
            "analysis.x:1: traitlets belongs in "
            + ", ".join(next(iter(ONLY_IN.values())))
            + "; take what you need from there",
        ),
        (
            "images/load.py",
            "def f():\n    import timm.data",
            "images.load:2: timm belongs in models.load; take what you need from there",
        ),
        (
            "matching/exact.py",
            "from numba import njit",
            "matching.exact:1: numba belongs in matching.solvers.*; take what you need from there",
        ),
        (
            "figures/style.py",
            "import matplotlib",
            "figures.style:1: matplotlib belongs in figures.sheet, views.*.paper; take what you need from there",
        ),
        (
            "helpers.py",
            "",
            "helpers: has no place on the ladder; move it into a package, or add its package to LADDER",
        ),
        (
            "views/map/view.py",
            "",
            "views.map.view: has no place on the ladder; move it into a package, or add its package to LADDER",
        ),
        (
            "views/marks.py",
            "",
            "views.marks: has no place on the ladder; move it into a package, or add its package to LADDER",
        ),
        (
            "analysis/x.py",
            "import house.images.image_set",
            "analysis.x:1: imports images.image_set past the face of images; list the name in images/__init__.py",
        ),
        (
            "analysis/x.py",
            "import house.images",
            "analysis.x:1: imports images as a module; import names from it: from house.images import ...",
        ),
        (
            "analysis/x.py",
            "from house import images",
            "analysis.x:1: imports images as a module; import names from it: from house.images import ...",
        ),
        (
            "analysis/x.py",
            "def f():\n    import_module('..images.image_set', __package__)",
            "analysis.x:2: imports images.image_set past the face of images; list the name in images/__init__.py",
        ),
        (
            "analysis/x.py",
            "import_module(f'{__package__}.y')",
            "analysis.x:1: imports by a computed name; write the import out, so that it can be read",
        ),
        (
            "images/load.py",
            "from .image_set import _hidden",
            "images.load:1: imports _hidden, which is private to images.image_set; drop its underscore there",
        ),
        ("images/utils.py", "", "images.utils: utils says nothing; name it after its subject"),
        ("images/raw/read.py", "", "images/raw: has no face; add an __init__.py that lists what others may use"),
        (
            "images/__init__.py",
            "from .image_set import Images\n__all__ = ['Images']\nkept = {}",
            "images: a face only imports from its own package and lists __all__; move the rest into a file (line 3)",
        ),
        ("images/_load.py", "", "images._load: has an underscore; name it after its subject"),
        (
            "models/load_model.py",
            "",
            "models.load_model: bears the name of what its face exports; name it after its subject",
        ),
        ("Analysis.py", "", "Analysis: hides the public name; name it after its subject"),
        (
            "images/__init__.py",
            "from .image_set import Gone\n__all__ = ['Gone']",
            "images: lists Gone, which images.image_set does not have; take it from where it is",
        ),
        (
            "images/__init__.py",
            "from .image_set import Images",
            "images: imports and __all__ differ: Images; have each in both",
        ),
        (
            "images/__init__.py",
            "from .image_set import Images\n__all__ = ['Images']\ndef f(): ...",
            "images: a face only imports from its own package and lists __all__; move the rest into a file (line 3)",
        ),
        (
            "images/image_set.py",
            "from .image_set import Images",
            "imports in a circle: images.image_set <- images.image_set; let one hand the other plain values",
        ),
    ],
)
def test_the_checker_finds_a_fault(tmp_path: Path, name: str, text: str, fault: str) -> None:
    assert fault in faults_of(tmp_path, {**GOOD, name: text})


def test_the_checker_finds_a_circle_of_types(tmp_path: Path) -> None:
    circle = {
        "images/image_set.py": "from .load import load\nclass Images: ...\n",
        "images/load.py": "if TYPE_CHECKING:\n    from .image_set import Images\nload = 1\n",
    }
    faults = faults_of(tmp_path, {**GOOD, **circle})
    assert [fault for fault in faults if fault.startswith("imports in a circle: images.")]


def test_the_checker_finds_a_crowd(tmp_path: Path) -> None:
    crowd = {f"images/part{k}.py": "" for k in range(MOST_FILES)}
    assert f"images: {MOST_FILES + 1} files; look for two subjects" in faults_of(tmp_path, {**GOOD, **crowd})
