"""The command line.

`semrsm lab` opens the tutorials in JupyterLab, `semrsm report` writes what a model finds alike into one HTML file,
`semrsm layers` shows what a model has to extract, and `semrsm check` says what is installed and works.

Every command imports what it needs when it runs, so `semrsm --help` answers at once, and `semrsm check` can report
a broken installation instead of failing on it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from semrsm_widgets._installation import INSTALL_LAB, WEIGHTS_PACKAGE, check
from semrsm_widgets.common import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICKSTART = "01_quickstart.ipynb"
"""The tutorial that `semrsm lab` opens."""

ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"
"""JupyterLab's plugin that asks about news and looks for newer versions."""


class CommandError(Exception):
    """A command cannot go on: `text` is for the user, `code` is the exit status (2: wrong use)."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong use."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Split by hand: argparse would take the first word after "--" for FOLDER when FOLDER is left out.
    split = given.index("--") if "--" in given else len(given)
    given, for_jupyter = given[:split], given[split + 1 :]
    parser = _parser()
    options, unknown = parser.parse_known_args(given)
    is_lab = options.run is _lab_command
    if unknown:
        hint = " (JupyterLab's own options go after --)" if is_lab else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    if for_jupyter and not is_lab:
        parser.error(f"only `semrsm lab` takes arguments after --; got {' '.join(for_jupyter)}")
    options.for_jupyter = for_jupyter
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, `head` say, has seen enough; Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except CommandError as error:
        print(f"semrsm: {error}", file=sys.stderr)
        return error.code
    return status


def _parser() -> argparse.ArgumentParser:
    """Return the parser: each command sets `run`."""
    parser = argparse.ArgumentParser(
        prog="semrsm", description="See what a vision model finds alike, in JupyterLab.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"semrsm-widgets {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    lab_command = commands.add_parser(
        "lab",
        help="copy the tutorials to a folder of yours and open JupyterLab on the quickstart",
        description="Copy the tutorials to FOLDER (a file that exists is never overwritten) "
        "and open JupyterLab on the quickstart. Stop it with Ctrl-C.",
        epilog="Arguments after -- go to JupyterLab: semrsm lab -- --port 9000",
        allow_abbrev=False,
    )
    lab_command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        default=Path("semrsm-tutorials"),
        help="default: ./semrsm-tutorials",
    )
    lab_command.add_argument(
        "--no-browser", action="store_true", help="print the address, do not open a browser window"
    )
    lab_command.set_defaults(run=_lab_command)

    check_command = commands.add_parser(
        "check",
        help="print versions, devices and the matching engine; exit with 1 if something needed is broken",
        description="Print versions, devices and the matching engine; exit with 1 if something needed is broken.",
        allow_abbrev=False,
    )
    check_command.set_defaults(run=lambda _: check())

    layers_command = commands.add_parser(
        "layers",
        help="print the layers of a model: which there are, and where their tokens stand",
        description="Print the table of a model's layers. Its weights are random: nothing is downloaded.",
        allow_abbrev=False,
    )
    layers_command.add_argument(
        "name", metavar="NAME", nargs="?", help="any name timm knows; default: the bundled EfficientNet-Lite0"
    )
    layers_command.add_argument("--image-size", metavar="PIXELS", type=int, help="side of the input; default: its own")
    layers_command.add_argument("--all", action="store_true", help="every submodule, not only stages and blocks")
    layers_command.set_defaults(run=lambda options: layers(options.name, options.image_size, every=options.all))
    _add_report_command(commands)
    return parser


def _add_report_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `semrsm report`."""
    command = commands.add_parser(
        "report",
        help="write what a model finds alike among your images into one HTML file",
        description="Compare the images of a folder, layer by layer, and write the result as one HTML file: heatmaps "
        "and matched patches to click through, without Python and without a network.",
        epilog="Example: semrsm report photos/ --model resnet50 -o report.html",
        allow_abbrev=False,
    )
    command.add_argument("images", metavar="IMAGES", help="a folder of pictures, or a .csv or .tsv with a column path")
    command.add_argument("--model", metavar="NAME", help="any name timm knows; default: the bundled EfficientNet-Lite0")
    command.add_argument(
        "-o", "--output", metavar="FILE", default="report.html", help="default: report.html; an older one is replaced"
    )
    command.add_argument(
        "--layers", metavar="PATTERN", help='which layers, such as "blocks.*"; default: one for each stage or block'
    )
    command.add_argument(
        "--max-images", metavar="N", type=int, default=64, help="at most so many, spread over labels; default: 64"
    )
    command.add_argument("--device", help='where the model runs, such as "cuda"; default: cpu')
    command.add_argument(
        "--no-images", action="store_true", help="write neither pictures nor file names nor labels into the file"
    )
    command.add_argument("--skip-unreadable", action="store_true", help="go on without files that cannot be decoded")
    command.set_defaults(run=report)


def _lab_command(options: argparse.Namespace) -> int:
    """Run `semrsm lab`."""
    return lab(options.folder, browser=not options.no_browser, extra=options.for_jupyter)


# --- semrsm lab -------------------------------------------------------------------------------------------------


def tutorials_folder() -> Path:
    """Return the folder of the tutorials: inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    # In site-packages a folder "notebooks" beside the package would be a stranger's, so ask for the checkout's mark.
    checkout = package.parent if (package.parent / "pyproject.toml").is_file() else package
    for folder in (package / "notebooks", checkout / "notebooks"):
        if (folder / QUICKSTART).is_file():
            return folder
    raise CommandError(
        f"the tutorials are missing: no notebooks/{QUICKSTART} in or beside {package}. Reinstall semrsm-widgets."
    )


def copy_tutorials(folder: Path) -> dict[str, bool]:
    """Copy the tutorials to `folder` and return, by file name, whether it was copied (False: yours was kept)."""
    source = tutorials_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CommandError(f"{folder} is a file; give a folder: semrsm lab FOLDER", code=2) from None
    except OSError as error:
        raise CommandError(
            f"cannot make the folder {folder}: {error.strerror}. Give another: semrsm lab FOLDER"
        ) from None
    return {notebook.name: _copy_new(notebook, folder / notebook.name) for notebook in sorted(source.glob("*.ipynb"))}


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
    for name, copied in tutorials.items():
        print(f"  {name}: {'copied' if copied else 'kept yours'}")
    print("Starting JupyterLab. Stop it with Ctrl-C here.", flush=True)
    with tempfile.TemporaryDirectory(prefix="semrsm-lab-", ignore_cleanup_errors=True) as scratch:
        command = lab_command_line(folder, Path(scratch), browser=browser, extra=extra)
        return _run_until_stopped(command, lab_environment(Path(scratch)))


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


def _run_until_stopped(command: list[str], environment: dict[str, str]) -> int:
    """Run `command` in the foreground and return its exit status; Ctrl-C and SIGTERM are the child's to answer."""
    process = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The terminal sent it to JupyterLab too, which asks whether to stop: wait for the answer.
            continue


# --- semrsm layers ----------------------------------------------------------------------------------------------


def layers(name: str | None, image_size: int | None = None, *, every: bool = False) -> int:
    """Print the table of a model's layers."""
    from semrsm_widgets import extraction
    from semrsm_widgets.models import load_model

    try:
        table = extraction.layers(load_model(name, pretrained=False, image_size=image_size))
    except ValueError as error:
        raise CommandError(str(error), code=2) from None
    print(table.text(every=every))
    return 0


# --- semrsm report ----------------------------------------------------------------------------------------------


def report(options: argparse.Namespace) -> int:
    """Write the report of a folder of images; what is being done goes to the standard error."""
    from semrsm_widgets.analysis import Recipe
    from semrsm_widgets.report import analysis_at_once, checked_path, to_html

    said = ""

    def say(text: str, fraction: float | None = None) -> None:
        nonlocal said
        if text != said:
            said = text
            print(f"{text.rstrip(':')} ...", file=sys.stderr, flush=True)

    try:
        path = checked_path(options.output)
        recipe = Recipe(
            model=options.model,
            images=options.images,
            skip_unreadable=options.skip_unreadable,
            layers=options.layers,
            max_images=options.max_images,
            device=options.device,
        )
        analysis, notices = analysis_at_once(recipe, say, save_images=not options.no_images)
        say("Comparing the images")
        to_html(analysis, path, images=not options.no_images, notices=notices)
    except (ValueError, TypeError) as error:
        raise CommandError(str(error), code=2) from None
    except (OSError, ImportError) as error:
        raise CommandError(str(error)) from None
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
