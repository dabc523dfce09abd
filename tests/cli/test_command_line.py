"""The command line: its version, that it starts without torch, wrong use, Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from helpers.command_line import ROOT, run

import semrsm_widgets
from semrsm_widgets.cli import command_line, main


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


COMMANDS = [["check"], ["warm"], ["layers"], ["report", "photos"], ["run", "config.toml"], ["lab"]]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("of_the_process", [True, False])
def test_ctrl_c_ends_every_command_with_one_status(
    arguments: list[str], of_the_process: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    ends: list[int] = []
    monkeypatch.setattr(command_line, arguments[0], pressed)
    monkeypatch.setattr(command_line, "end_soon", ends.append)
    monkeypatch.setattr(sys, "argv", ["semrsm", *arguments])
    assert main(None if of_the_process else arguments) == 130
    assert capsys.readouterr().err == "semrsm: stopped.\n"
    assert ends == [130] * of_the_process  # whoever calls `main` goes on


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_while_libraries_are_imported_ends_a_command() -> None:
    command = [sys.executable, "-m", "semrsm_widgets.cli", "check"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("semrsm_widgets")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (130, "semrsm: stopped.\n")
