"""The command line: its version, that it starts without torch, wrong use."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers.command_line import ROOT, run

import semrsm_widgets
from semrsm_widgets.cli import main


def test_version() -> None:
    result = run("--version")
    assert result.stdout == f"semrsm-widgets {semrsm_widgets.__version__}\n"
    assert result.returncode == 0


def test_the_command_line_starts_without_torch() -> None:
    script = "import sys, semrsm_widgets.cli; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["explore"], "invalid choice: 'explore'"),
        (["lab", "here", "--port=9000"], "unrecognized arguments: --port=9000 (JupyterLab's own options go after --)"),
        (["check", "--all"], "unrecognized arguments: --all"),
        (["check", "--", "--all"], "only `semrsm lab` takes arguments after --; got --all"),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert said in capsys.readouterr().err
