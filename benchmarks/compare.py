"""Two versions of the package against each other, taking turns in one go.

    python benchmarks/compare.py A B [--groups matching rsm ...] [--rounds 5]

A and B are commits, branches or tags; "." is the files as they are. Both are measured by this checkout's `run.py`, each
round in a process of its own, A then B, so that a machine that gets busier slows both. Printed are the medians of our
side and how many times as fast B is, with the least and the most of the rounds: where these stand on both sides of 1,
nothing is shown. Ctrl-C ends it with the rounds that are done. What one of the two does not have is named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
TOP = HERE.parent


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Give a folder with the files of a version; it is gone afterwards."""
    if revision == ".":
        yield TOP
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "files"
        git("worktree", "add", "--detach", str(path), revision)
        try:
            yield path
        finally:
            git("worktree", "remove", "--force", str(path))


def git(*arguments: str) -> None:
    """Run git; its own words say what is wrong."""
    done = subprocess.run(["git", *arguments], cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip())


def measured(path: Path, groups: list[str], passes: int) -> dict[str, float]:
    """Return the seconds of each measure with the package in a folder, from a process of its own."""
    command = [sys.executable, str(HERE / "run.py"), "--json", "--ours", "--passes", str(passes)]
    if groups:
        command += ["--groups", *groups]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(path)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{path}: {done.stderr.strip()}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return {f"{row['group']}: {row['name']}": row["seconds"] for row in rows if "seconds" in row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--groups", nargs="+", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=3, help="in each round")
    given = parser.parse_args()
    with checked_out(given.a) as first, checked_out(given.b) as second:
        for path in (first, second):  # compiles
            measured(path, given.groups, 1)
        rounds = []
        try:
            for k in range(given.rounds):
                rounds.append([measured(path, given.groups, given.passes) for path in (first, second)])
                print(f"round {k + 1} of {given.rounds}", file=sys.stderr)
        except KeyboardInterrupt:
            if not rounds:
                raise
            print(f"stopped in round {len(rounds) + 1}", file=sys.stderr)
    from _features import machine  # it loads the package, which a version that is not there need not wait for

    print(f"{json.dumps(machine())}, medians of {len(rounds)}")
    print(f"{'':60} {given.a:>12} {given.b:>12}   B is so many times as fast")
    for name in rounds[0][0] | rounds[0][1]:
        if any(name not in side for pair in rounds for side in pair):
            print(f"{name:60} only one of the two has it")
            continue
        a, b = (np.array([pair[side][name] for pair in rounds]) for side in (0, 1))
        times = a / b
        print(
            f"{name:60} {np.median(a) * 1e3:9.3f} ms {np.median(b) * 1e3:9.3f} ms   "
            f"{np.median(times):5.2f} ({times.min():.2f} to {times.max():.2f})"
        )


if __name__ == "__main__":
    main()
