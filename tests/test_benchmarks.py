"""The benchmarks run: what they measure is not asserted, as the machine may be busy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_a_group_is_measured_against_its_peer():
    pytest.importorskip("sklearn")
    command = [sys.executable, BENCHMARKS / "run.py", "--groups", "retrieval", "--passes", "1", "--json"]
    done = subprocess.run([*command, "--without-history"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["ratio"] == pytest.approx(row["peer_seconds"] / row["seconds"])
    assert row["peer"] in done.stderr


def test_a_version_that_is_not_there_is_named(tmp_path):
    # in a repository of its own: these files may lie in none
    shutil.copytree(BENCHMARKS, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    command = [sys.executable, tmp_path / "benchmarks" / "compare.py", "no-such-version", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no-such-version" in done.stderr
    assert "Traceback" not in done.stderr
