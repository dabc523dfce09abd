"""One command of the command line, from its arguments to its exit status.

`semrsm lab` opens the tutorials in JupyterLab, `semrsm report` writes what a model finds alike into one HTML file,
`semrsm layers` shows what a model has to extract, `semrsm run` fills stores with what a file asks for, and
`semrsm check` says what is installed and works.

Every command imports what it needs when it runs, so `semrsm --help` answers at once, and `semrsm check` can report
a broken installation instead of failing on it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from semrsm_widgets.common import __version__, end_soon, printable

from .check import check
from .errors import INTERRUPTED, CommandError
from .lab import lab
from .layers import layers
from .report import report
from .run import run
from .warm import warm

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong use, 130 stopped by Ctrl-C.

    Args:
        arguments: of the command; None: those of the process, which ends with it.
    """
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
        # It may name what a file says, and that is not to drive the terminal.
        print("semrsm:", "\n".join(map(printable, str(error).split("\n"))), file=sys.stderr)
        status = error.code
    except KeyboardInterrupt:
        print("semrsm: stopped.", file=sys.stderr)
        status = INTERRUPTED
    if status == INTERRUPTED and arguments is None:
        end_soon(status)
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
    lab_command.add_argument(
        "--fresh",
        action="store_true",
        help="put a new copy beside each tutorial that you changed or that is outdated (NAME.new.ipynb); yours stays",
    )
    lab_command.set_defaults(run=_lab_command)

    check_command = commands.add_parser(
        "check",
        help="print versions, devices and the matching engine; exit with 1 if something needed is broken",
        description="Print versions, devices and the matching engine; exit with 1 if something needed is broken.",
        allow_abbrev=False,
    )
    check_command.set_defaults(run=lambda _: check())

    warm_command = commands.add_parser(
        "warm",
        help="compile and load ahead what the first cells of a first session wait for",
        description="Import the libraries, compile the matching, run the bundled model and draw a view once, and say "
        "how long each took. What is compiled stays on the disk. For a class: run it on every machine before.",
        allow_abbrev=False,
    )
    warm_command.set_defaults(run=lambda _: warm())

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
    _add_run_command(commands)
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
    command.add_argument(
        "--pairs",
        choices=("current", "nearest", "all"),
        default="nearest",
        help="which pairs of images have their patches in the file: the one shown first (small, in seconds), the "
        "nearest ones (default), or all",
    )
    command.add_argument("--skip-unreadable", action="store_true", help="go on without files that cannot be decoded")
    command.set_defaults(run=report)


def _add_run_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `semrsm run`."""
    command = commands.add_parser(
        "run",
        help="extract tokens and match all pairs as a file says, into stores, going on where it was stopped",
        description="Read model, images, layers, store and cluster from a TOML file, say what the work will take, and "
        "do what of it is not there yet. Stop it with Ctrl-C: the same command goes on.",
        epilog="Example: semrsm run config.toml --dry-run",
        allow_abbrev=False,
    )
    command.add_argument("config", metavar="CONFIG", type=Path, help="a .toml file")
    command.add_argument("--dry-run", action="store_true", help="say what it would take, and write nothing")
    command.set_defaults(run=run)


def _lab_command(options: argparse.Namespace) -> int:
    """Run `semrsm lab`."""
    return lab(options.folder, browser=not options.no_browser, fresh=options.fresh, extra=options.for_jupyter)
