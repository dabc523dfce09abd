"""The command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import semrsm_widgets

ROOT = Path(semrsm_widgets.__file__).resolve().parents[1]
"""The checkout, or where the package is installed."""


def run(*arguments: str, path: Sequence[Path] = (), cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `semrsm` in a process of its own, with folders put before all others on the module path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT])), "COLUMNS": "120"}
    command = [sys.executable, "-m", "semrsm_widgets.cli", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
