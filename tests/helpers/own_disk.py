"""Tests that want a disk of their own, small or read-only: it is mounted for one process alone."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def _may_mount() -> bool:
    """Return whether a process may have one here: on Linux, where user namespaces are allowed."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /tmp"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


own_disk = pytest.mark.skipif(not _may_mount(), reason="no disk can be mounted for one process: unshare -rm is refused")
