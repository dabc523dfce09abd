"""The scripts in docs/examples run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def test_from_laptop_to_cluster(tmp_path):
    command = [sys.executable, str(EXAMPLES / "laptop_to_cluster.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SEMRSM_PROGRESS": "0"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "was killed on the way" in done.stdout
    assert "the same as without workers, to the last bit" in done.stdout
