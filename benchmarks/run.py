"""Everything that is compared with a named peer, by group, as ratios in one run.

    python benchmarks/run.py [--groups matching rsm ...] [--passes 5] [--without-history]

One thread, CPU time, medians; the two sides take turns. Peers that are not installed are named and left out
(pip install lapx ckatorch rsatoolbox scikit-learn). A line with all numbers, the machine and its load is added to
benchmarks/history.jsonl. The longer benchmarks beside this one look closer at one thing each.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# Read when the libraries are loaded: one thread on either side.
os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")})

from _features import machine
from _measures import alone, interleaved, measures

import semrsm_widgets as srsm

HISTORY = Path(__file__).parent / "history.jsonl"


def commit() -> str:
    """Return the commit that is measured, with a "+" where files differ from it; nothing outside a checkout."""
    folder = Path(srsm.__file__).parent
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=folder, capture_output=True, text=True, check=False
    )
    return described.stdout.strip()


def run(groups: list[str], passes: int, ours_only: bool) -> list[dict[str, Any]]:
    """Measure and print; return a row for each measure, or for each name where our side alone is measured."""
    rows: list[dict[str, Any]] = []
    group = ""
    for measure in measures():
        if measure.group not in groups or (ours_only and any(row["name"] == measure.name for row in rows)):
            continue
        if measure.group != group:
            group = measure.group
            print(f"\n{group}", file=sys.stderr)
        row: dict[str, Any] = {"group": group, "name": measure.name, "peer": measure.peer}
        try:
            if ours_only:
                row |= {"seconds": alone(measure.make()[0], passes)}
                rows.append(row)
                continue
            ours, theirs = interleaved(*measure.make(), passes)
            row |= {"seconds": ours, "peer_seconds": theirs, "ratio": theirs / ours}
            text = f"{ours * 1e3:10.3f} ms {theirs * 1e3:10.3f} ms   {theirs / ours:7.2f} x as fast as"
        except ImportError as error:
            row["missing"] = str(error)
            text = f"{'':25} not measured: {error}; "
        print(f"  {measure.name:44}{text} {measure.peer}", file=sys.stderr)
        rows.append(row)
    return rows


def main() -> None:
    groups = list(dict.fromkeys(measure.group for measure in measures()))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", nargs="+", choices=groups, default=groups)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--without-history", action="store_true", help="add no line to history.jsonl")
    parser.add_argument("--ours", action="store_true", help="leave the peers out; adds no line to history.jsonl")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, too")
    given = parser.parse_args()
    about = machine()
    print(json.dumps(about), file=sys.stderr)
    rows = run(given.groups, given.passes, given.ours)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    line = {"time": now, "version": srsm.__version__, "commit": commit(), "machine": about, "rows": rows}
    if not (given.without_history or given.ours):
        with HISTORY.open("a", encoding="utf-8") as history:
            history.write(json.dumps(line) + "\n")
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
