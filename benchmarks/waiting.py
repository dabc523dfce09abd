"""What a person at a terminal sees of each long call, from its first second to Ctrl-C, and what is left.

    python waiting.py [CALL ...] [--list] [--after 1.5] [--recordings FOLDER] [--page]

Run from this folder. Each call is a script of its own on a pseudo-terminal. Ctrl-C is typed there as a key, `--after`
seconds after its first word: whatever runs in the foreground gets it. The table says the seconds from the call to its
first word, and from Ctrl-C to its answer and to the end of the process, where the shell's prompt stands again; what was
said last; and what lies on the disk that did not before. "nothing" is a script that sleeps: what the end of a process
takes anyway. A recording has each change of the screen with its second. No word within a minute is said so, and Ctrl-C
is typed then; a call that was done before is named. The matcher is compiled before, as after `semrsm warm`; what a
fresh installation sees is "compiling". MOMENTS says for which calls the key waits for another word than the first.
`--page` puts the recordings that lie there into docs/how-to/recordings.md, and records nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from _features import machine

RESULTS = Path(__file__).parent / "results"
BEGINS = "\x1b[0mThe call begins\r\n"  # what a call says itself does not begin so
PATIENCE, LAST = 60.0, 40.0
"""Seconds: for a first word, and for the end after Ctrl-C."""

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "recordings.md"
BAR_COLUMNS = 20
PAGE_HEAD = """# Long work, recorded

What a terminal shows of each long call, from its first word to a Ctrl-C, each line with its second: the first two,
the last before the key, and all that came after. `python benchmarks/waiting.py` makes the recordings, here on two cores
that other work kept busy, and `--page` this page.
"""

HEAD = """
import numpy as np, sys, torch
import semrsm_widgets as srsm
from functools import partial
rng = np.random.default_rng(0)
def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))
def rsm(n):
    x = rng.normal(size=(n, 20))
    return x @ x.T
def pictures(n, side=224):
    noise = rng.integers(0, 255, (n, side, side, 3), dtype=np.uint8)
    return srsm.load_images(list(noise), labels=[str(k % 5) for k in range(n)])
def tokens(n, side, layer="a"):
    grid = side, side
    values = noise(n, side * side, 32)
    known = dict(grid=grid, native_grid=grid, layer=layer, note="", prefix=None, has_class_token=False)
    return srsm.Tokens(values=values, **known)
def analysis(n, side, **more):
    layers = {name: tokens(n, side, name) for name in "ab"}
    return srsm.Analysis(pictures(n, 8), layers, matcher=srsm.Auction(gap=1e-7), **more)
"""

MODEL = "model = srsm.load_model(); images = pictures(1500)"

CALLS = {
    "nothing": (
        "import time",
        "print('waits', flush=True); time.sleep(60)",
    ),  # what the end of a process takes without a call
    "extract": (MODEL, "srsm.extract(model, images, ['blocks.6'])"),
    "extract, store": (MODEL, "srsm.extract(model, images, ['blocks.6'], store='tokens.zarr')"),
    "extract, cache": (MODEL, "srsm.extract(model, images, ['blocks.6'], cache='cache')"),
    "predict": (MODEL, "srsm.predict(model, images)"),
    "extract_and_predict": (MODEL, "srsm.extract_and_predict(model, images, ['blocks.6'])"),
    "layers": ("model = srsm.load_model('vit_base_patch16_384', pretrained=False)", "srsm.layers(model)"),
    "matched_gram, S = 49": ("x = noise(3000, 49, 64)", "srsm.matched_gram(x)"),
    "matched_gram, S = 3136": ("x = noise(64, 3136, 64)", "srsm.matched_gram(x)"),
    "matched_gram, S = 12544": ("x = noise(16, 12544, 32)", "srsm.matched_gram(x)"),
    "matched_gram, store": ("x = noise(400, 196, 64)", "srsm.matched_gram(x, store='gram.zarr')"),
    "matched_gram, Exact": ("x = noise(64, 3136, 64)", "srsm.matched_gram(x, matcher=srsm.Exact())"),
    "search": ("x = noise(600, 784, 64)", "srsm.search(x[:100], x, 5)"),
    "null": ("a = analysis(64, 28)", "a.null('a', n=100_000)"),
    "compare": ("a = analysis(128, 40)", "srsm.compare(a)"),
    "output_agreement": (
        "p = rng.dirichlet(np.ones(1000), 128); a = analysis(128, 40, probabilities=p)",
        "srsm.output_agreement(a)",
    ),
    "output_agreement, N = 3000": (
        "p = rng.dirichlet(np.ones(100), 3000)\n"
        "a = srsm.Analysis(pictures(3000, 8), {'a': tokens(3000, 2)}, probabilities=p)\na.gram('a')",
        "srsm.output_agreement(a)",
    ),
    "matcher_report": ("x = noise(64, 1600, 32)", "srsm.matcher_report(x, [srsm.Greedy(), srsm.Auction()])"),
    "retrieval_scores": ("a = analysis(128, 40)", "srsm.retrieval_scores(a)"),
    "translation_test": (
        "model = srsm.load_model(); images = pictures(400, 300)",
        "srsm.translation_test(model, images, [0.25, 0.5])",
    ),
    "rsm_difference, N = 6000": ("K, L = rsm(6000), rsm(6000)", "srsm.rsm_difference(K, L)"),
    "jackknife, Kendall": ("K, L = rsm(300), rsm(300)", "srsm.jackknife(partial(srsm.rsa, method='kendall'), K, L)"),
    "jackknife, Spearman, N = 6000": ("K, L = rsm(6000), rsm(6000)", "srsm.jackknife(srsm.rsa, K, L)"),
    "rsa, Spearman, N = 6000": ("K, L = rsm(6000), rsm(6000)", "srsm.rsa(K, L)"),
    "rsa, Kendall, N = 6000": ("K, L = rsm(6000), rsm(6000)", "srsm.rsa(K, L, method='kendall')"),
    "permutation_test": ("K, L = rsm(1000), rsm(1000)", "srsm.permutation_test(srsm.rsa, K, L, n=99_999)"),
    "smallest_eigenvalue, N = 12000": ("K = rsm(12000)", "srsm.smallest_eigenvalue(K)"),
    "nearest, N = 10000": ("K = rsm(10000)", "srsm.nearest(K)"),
    "hub_counts, N = 10000": ("K = rsm(10000)", "srsm.hub_counts(K, 5)"),
    "load_images, 200000 files": (
        "import os, tempfile; from PIL import Image\n"
        "made = tempfile.TemporaryDirectory(); photos = made.name\n"
        "for k in range(0, 200_000, 50_000):\n"
        "    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(f'{photos}/{k}.jpg')\n"
        "    for j in range(k + 1, k + 50_000): os.link(f'{photos}/{k}.jpg', f'{photos}/{j}.jpg')",
        "srsm.load_images(photos)",
    ),
    "compiling": ("x = noise(64, 3136, 64)", "srsm.matched_gram(x)"),
    "save": ("a = analysis(128, 40)", "a.save('a.npz', tokens=True)"),
    "save, a layer is done": ("a = analysis(90, 40)", "a.save('a.npz', tokens=True)"),
    "to_html": ("a = analysis(64, 40)", "srsm.to_html(a, 'a.html')"),
}
"""What is made ready and the call, by name: lines of a script, after HEAD."""

RUN = """
[images]
source = "photos"
[store]
folder = "results"
"""
COMMANDS = {
    "semrsm report": "report photos -o out.html",
    "semrsm report, comparing": "report photos -o out.html",
    "semrsm run": "run config.toml",
    "semrsm run, tokens": "run config.toml",
    "semrsm run, Grams": "run config.toml",
    "semrsm layers": "layers",
}
"""Arguments of the commands, in a folder with `photos` and `config.toml`."""

MOMENTS = {
    "save, a layer is done": "1 of 2 layers",
    "semrsm report, comparing": "Comparing the images",
    "semrsm run, tokens": "Looking at the images",
    "semrsm run, Grams": "Matching",
}
"""What stands on the screen when the seconds to Ctrl-C begin, as a regular expression; elsewhere the first word."""

COMPILING = "compiling"
"""The call for which nothing was compiled before."""


@dataclass
class Recording:
    """What a terminal showed.

    Attributes:
        frames: (seconds since the call began, a line of the screen) whenever it changed.
        first_word: seconds to it, None for none.
        answered: seconds from Ctrl-C to what it says of it.
        ended: seconds from Ctrl-C to the end of the process, None where it went on.
        status: the exit status, negative for a signal.
        left: what lies in the folder that did not before.
        done: whether the call was done before Ctrl-C.
    """

    frames: list[tuple[float, str]] = field(default_factory=list)
    first_word: float | None = None
    answered: float | None = None
    ended: float | None = None
    status: int | None = None
    left: list[str] = field(default_factory=list)
    done: bool = False

    @property
    def last(self) -> str:
        """What was said last."""
        return next((text for _, text in reversed(self.frames) if text), "")


def record(command: list[str], folder: Path, after: float, *, begun: bool, moment: str = "") -> Recording:
    """Run a command on a terminal in a folder, and type Ctrl-C.

    Args:
        command: to run.
        folder: where.
        after: seconds to Ctrl-C.
        begun: whether the call begins with the process.
        moment: what the screen shows when they begin; the first word where this is empty.
    """
    before = set(folder.rglob("*"))
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and pass that on
        os.execvp(command[0], command)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    seen = Recording()
    start = time.monotonic() if begun else None
    pressed: float | None = None
    text = ""
    while True:
        now = time.monotonic()
        if start is not None and pressed is None:
            since = next((second for second, text in seen.frames if re.search(moment, text)), None)
            told = since is not None and now - start > since + after
            if told or now - start > (10 * PATIENCE if moment else PATIENCE):
                pressed = now
                os.write(terminal, b"\x03")
                seen.frames.append((now - start, "^C typed"))
        if pressed is not None and now - pressed > LAST:
            os.kill(child, 9)
        ready, _, _ = select.select([terminal], [], [], 0.05)
        if not ready:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so at the end
            break
        if not piece:
            break
        text += piece.decode(errors="replace")
        if start is None:
            _, begins, text = text.rpartition(BEGINS)
            if not begins:
                continue
            start = time.monotonic()
        text = _shown(text, time.monotonic() - start, seen)
        if (
            pressed is not None
            and seen.answered is None
            and re.search("KeyboardInterrupt|stops when|topped|nterrupted", seen.last)
        ):
            seen.answered = time.monotonic() - pressed
    seen.status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    seen.done = pressed is None or any(line == "done" for _, line in seen.frames)
    if pressed is not None and seen.status != -9:
        seen.ended = time.monotonic() - pressed
    seen.left = sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - before)
    return seen


def _shown(text: str, second: float, seen: Recording) -> str:
    """Add the lines that a piece of output has brought; return what is not a line yet."""
    for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)):
        line = line.rstrip()
        if not line or (seen.frames and seen.frames[-1][1] == line):
            continue
        if seen.first_word is None:
            seen.first_word = second
        seen.frames.append((second, line))
    return ""


def record_call(name: str, after: float) -> Recording:
    """Record one of CALLS."""
    ready, call = CALLS[name]
    script = f"{HEAD}\n{ready}\nsys.stdout.write({BEGINS!r}[:-2] + '\\n'); sys.stdout.flush()\n{call}\nprint('done')\n"
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as fresh:
        command = [sys.executable, "-c", script]
        if name == COMPILING:
            command = ["env", f"NUMBA_CACHE_DIR={fresh}", *command]
        return record(command, Path(folder), after, begun=False, moment=MOMENTS.get(name, ""))


def record_command(name: str, after: float) -> Recording:
    """Record one of COMMANDS."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "photos").mkdir()
        (Path(folder) / "config.toml").write_text(RUN, encoding="utf-8")
        _make_photos(Path(folder) / "photos")
        command = [sys.executable, "-m", "semrsm_widgets.cli", *shlex.split(COMMANDS[name])]
        return record(command, Path(folder), after, begun=True, moment=MOMENTS.get(name, ""))


def _make_photos(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for k in range(300):
        Image.fromarray(rng.integers(0, 255, (224, 224, 3), dtype=np.uint8)).save(folder / f"{k:03d}.jpg")


def page(recordings: Path) -> str:
    """Return a page with what the recordings show: the first words, the last before Ctrl-C, and all that came then."""
    parts = [PAGE_HEAD]
    for name, what in {**{name: call for name, (_, call) in CALLS.items()}, **COMMANDS}.items():
        path = recordings / file_name(name)
        if name == "nothing" or not path.exists():
            continue
        lines = [_short(line) for line in path.read_text(encoding="utf-8").splitlines()]
        at = next((k for k, line in enumerate(lines) if "^C typed" in line), len(lines))
        first, last = lines[:at][:2], lines[max(2, at - 1) : at]
        dots = ["     ..."] if at > len(first) + len(last) else []
        shown = [*first, *dots, *last, *lines[at:]]
        call = f"semrsm {what}" if name in COMMANDS else what
        parts.append(f"## {name}\n\n```text\n{call}\n\n" + "\n".join(shown) + "\n```\n")
    return "\n".join(parts)


def _short(line: str) -> str:
    """Return a line with a bar of few columns, and without the folder of the checkout."""
    line = line.replace(f"{Path(__file__).parents[1]}/", "")

    def bar(found: re.Match[str]) -> str:
        full = round(BAR_COLUMNS * found[1].count("█") / len(found[1]))
        return f"|{'█' * full}{' ' * (BAR_COLUMNS - full)}|"

    return re.sub(r"\|([ █▏▎▍▌▋▊▉]+)\|", bar, line).rstrip()


def file_name(name: str) -> str:
    """Return what the recording of a call is called."""
    return f"{re.sub('[^a-z0-9]+', '-', name.lower())}.txt"


def main() -> None:
    """Record what is named and print the table."""
    every = [*CALLS, *COMMANDS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("calls", nargs="*", metavar="CALL", help="some of them; all where none is named")
    parser.add_argument("--list", action="store_true", help="print their names")
    parser.add_argument("--after", type=float, default=1.5, help="seconds from the first word to Ctrl-C")
    parser.add_argument("--recordings", type=Path, default=RESULTS / "waiting")
    parser.add_argument("--page", action="store_true", help="write the page of the recordings that are there")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(page(given.recordings), encoding="utf-8")
        return
    if given.list:
        print("\n".join(every))
        return
    if unknown := set(given.calls) - set(every):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; known are: {', '.join(every)}")
    given.recordings.mkdir(parents=True, exist_ok=True)
    warm = f"{HEAD}\nfor s in (49, 3136):\n    srsm.matched_gram(noise(3, s, 32), progress=False)"
    subprocess.run([sys.executable, "-c", warm], check=True)
    print(json.dumps(machine()))
    print("| call | first word | Ctrl-C heard | prompt | exit | said last | left on disk |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in given.calls or every:
        seen = record_call(name, given.after) if name in CALLS else record_command(name, given.after)
        seconds = [
            "never" if each is None else f"{each:.2f} s" for each in (seen.first_word, seen.answered, seen.ended)
        ]
        last = "**done before Ctrl-C**" if seen.done else seen.last
        row = [name, *seconds, str(seen.status), last, ", ".join(seen.left[:4]) + ", ..." * (len(seen.left) > 4)]
        print("| " + " | ".join(row) + " |", flush=True)
        lines = [f"{second:8.2f}  {line}" for second, line in seen.frames]
        (given.recordings / file_name(name)).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
