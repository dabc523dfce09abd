"""What writes is killed and interrupted at random moments: what it leaves is whole, and the next call goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command_line import ROOT

SCRIPT = Path(__file__).parent / "helpers" / "killing.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="its timers send SIGKILL, as Linux has them")
@pytest.mark.parametrize(
    "work",
    [
        "token cache", "token store", "token store growing", "Gram store", "Gram store growing", "Analysis.save",
        "semrsm lab's copies",
    ],
)  # fmt: skip
def test_nothing_is_lost_or_half(work):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SCRIPT), work, "--times", "4"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(" tried 4 ") == 2, ended.stdout
    assert ended.stdout.count(" fell 0 ") == 2, ended.stdout + ended.stderr
