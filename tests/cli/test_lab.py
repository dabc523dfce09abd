"""`semrsm lab`: what it copies and starts, and what it says of what is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.command_line import ROOT
from helpers.tutorials import FOLDER, NAMES

from semrsm_widgets.cli import lab, main
from semrsm_widgets.cli.errors import CommandError
from semrsm_widgets.common import __version__

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def tutorials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two tutorials and what they import, in place of the real ones."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name, title in ((lab.QUICKSTART, "A start"), ("02_more.ipynb", "More")):
        (folder / name).write_text(json.dumps({"cells": [{"source": [f"# {title}\n", "and text"]}]}))
    (folder / lab.LESSONS).write_text("shipped")
    (folder / "notes.txt").write_text("not a tutorial")
    monkeypatch.setattr(lab, "tutorials_folder", lambda: folder)
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been started, in place of starting them."""
    commands: list[list[str]] = []

    def pretend(command: list[str], environment: dict[str, str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(lab, "run_until_stopped", pretend)
    return commands


def test_the_tutorials_of_a_checkout_are_found() -> None:
    assert lab.tutorials_folder() == ROOT / "notebooks"


def test_missing_tutorials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / lab.QUICKSTART).write_text("a stranger's: this is no checkout")
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "package" / "cli" / "lab.py"))
    with pytest.raises(CommandError, match=r"no notebooks/01_quickstart\.ipynb in or beside"):
        lab.tutorials_folder()


def test_lab_copies_and_never_overwrites(
    tutorials: Path, tmp_path: Path, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my" / "tutorials"
    assert main(["lab", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"Tutorials in {folder}:\n  01_quickstart.ipynb: A start (copied)\n  02_more.ipynb: More (copied)\n" in said
    assert "  lessons.py: what the tutorials import (copied)\n" in said
    assert sorted(p.name for p in folder.iterdir()) == ["01_quickstart.ipynb", "02_more.ipynb", "lessons.py"]

    (folder / lab.QUICKSTART).write_text("my own notes")
    (folder / "02_more.ipynb").unlink()
    assert main(["lab", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "01_quickstart.ipynb: A start (kept yours, which you changed)\n  02_more.ipynb: More (copied)\n" in said
    assert "lessons.py: what the tutorials import (kept yours)\n" in said
    assert (folder / lab.QUICKSTART).read_text() == "my own notes"
    assert (folder / "02_more.ipynb").read_text() == (tutorials / "02_more.ipynb").read_text()
    assert len(started) == 2


def test_fresh_copies_go_beside_what_is_changed_or_outdated(
    tutorials: Path, tmp_path: Path, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    def notebook(name: str, version: str, text: str, outputs: int = 0) -> str:
        code = [f'written_for("{version}")\n', text]
        cells = [{"source": [f"# {name}\n"]}, {"source": code, "outputs": [{}] * outputs}]
        return json.dumps({"cells": cells})

    folder = tmp_path / "mine"
    folder.mkdir()
    for name in (lab.QUICKSTART, "02_more.ipynb", "03_last.ipynb"):
        (tutorials / name).write_text(notebook(name, __version__, "ours"))
    (tutorials / lab.LESSONS).write_text(f'VERSION = "{__version__}"\n')
    (folder / lab.QUICKSTART).write_text(notebook(lab.QUICKSTART, __version__, "ours", outputs=3))  # was run
    (folder / "02_more.ipynb").write_text(notebook("02_more.ipynb", "0.0.9", "old"))
    (folder / "03_last.ipynb").write_text(notebook("03_last.ipynb", __version__, "mine"))
    (folder / lab.LESSONS).write_text('VERSION = "0.0.9"\n')
    before = {path.name: path.read_text() for path in folder.glob("*.ipynb")}

    assert main(["lab", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"02_more.ipynb (kept yours, OUTDATED: of version 0.0.9, this is {__version__})\n" in said
    assert "`semrsm lab --fresh` puts new copies" in said
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, lab.LESSONS])

    for _ in range(2):  # the second time there is nothing left to do
        assert main(["lab", "--fresh", str(folder)]) == 0
        said = capsys.readouterr().out
        assert "01_quickstart.ipynb (kept yours)\n" in said
        assert "; the new one is 02_more.new.ipynb)\n" in said
        assert "03_last.ipynb (kept yours, which you changed; the new one is 03_last.new.ipynb)\n" in said
    assert {path.name: path.read_text() for path in folder.glob("*.ipynb") if path.name in before} == before
    for name in ("02_more", "03_last"):
        assert (folder / f"{name}.new.ipynb").read_text() == (tutorials / f"{name}.ipynb").read_text()
    assert (folder / lab.LESSONS).read_text() == (tutorials / lab.LESSONS).read_text()
    assert (folder / "lessons.old.py").read_text() == 'VERSION = "0.0.9"\n'

    (folder / "03_last.new.ipynb").write_text(notebook("03_last.ipynb", __version__, "worked in, too"))
    assert main(["lab", "--fresh", str(folder)]) == 0
    assert "the new one is 03_last.new2.ipynb)" in capsys.readouterr().out
    assert "worked in, too" in (folder / "03_last.new.ipynb").read_text()
    assert len(started) == 4


@pytest.mark.parametrize("name", NAMES)
def test_the_version_of_every_tutorial_is_read(name: str) -> None:
    assert lab._version_in(lab._cells_of(FOLDER / f"{name}.ipynb")) == __version__


def test_the_version_of_what_they_import_is_read() -> None:
    assert lab._version_in((FOLDER / lab.LESSONS).read_text()) == __version__


def test_a_line_says_what_a_tutorial_is_about_and_how_long_it_takes() -> None:
    assert lab.title_of(FOLDER / "03_what_and_where.ipynb") == "What and where, 25 minutes"


CUT = """
import resource, signal, sys
from pathlib import Path
from semrsm_widgets.cli.lab import copy_tutorials
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # what writes more than that ends as if it were killed
copy_tutorials(Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_whoever_is_killed_while_copying_leaves_no_half_a_tutorial(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", CUT, str(tmp_path)], check=False, timeout=300)
    assert ended.returncode == -signal.SIGXFSZ
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    copied = lab.copy_tutorials(tmp_path)
    assert {copy.state for copy in copied.values()} == {"copied"}
    assert all((tmp_path / name).read_bytes() == (FOLDER / name).read_bytes() for name in copied)


@pytest.mark.usefixtures("tutorials")
def test_lab_keeps_even_a_dangling_link(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    try:
        (folder / lab.QUICKSTART).symlink_to(tmp_path / "elsewhere.ipynb")
    except OSError:
        pytest.skip("links need a right that this user has not got")
    states = {name: copy.state for name, copy in lab.copy_tutorials(folder).items()}
    assert states == {lab.QUICKSTART: "changed", "02_more.ipynb": "copied", lab.LESSONS: "copied"}
    assert not (tmp_path / "elsewhere.ipynb").exists()


@pytest.mark.usefixtures("tutorials")
def test_lab_starts_this_environments_jupyterlab_on_the_quickstart(
    tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "--no-browser", "--", "--port", "9000"]) == 0
    (command,) = started
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={tmp_path / 'semrsm-tutorials'}" in command
    assert "--LabApp.default_url=/lab/tree/01_quickstart.ipynb" in command
    assert "--no-browser" in command
    assert command[-2:] == ["--port", "9000"]
    assert (tmp_path / "semrsm-tutorials" / lab.QUICKSTART).exists()

    assert main(["lab"]) == 0
    assert "--no-browser" not in started[1]


def test_the_environment_of_lab_puts_its_own_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", "mine")
    monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    environment = lab.lab_environment(tmp_path)
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    data, mine = environment["JUPYTER_PATH"].split(os.pathsep)
    assert mine == "mine"
    kernel = json.loads((Path(data) / "kernels" / "python3" / "kernel.json").read_text())
    assert kernel["argv"][:3] == [sys.executable, "-m", "ipykernel_launcher"]
    page_config = Path(environment["JUPYTER_CONFIG_PATH"]) / "labconfig" / "page_config.json"
    assert json.loads(page_config.read_text()) == {"disabledExtensions": {lab.ANNOUNCEMENTS: True}}
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")  # the user's own choice stays
    assert lab.lab_environment(tmp_path / "again")["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.usefixtures("tutorials", "started")
@pytest.mark.parametrize(
    ("place", "status", "said"), [("file", 2, "is a file"), ("file/sub", 1, "cannot make the folder")]
)
def test_lab_refuses_a_folder_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, status: int, said: str
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["lab", str(tmp_path / place)]) == status
    error = capsys.readouterr().err
    assert error.startswith("semrsm: ")
    assert said in error
    assert "semrsm lab FOLDER" in error


@pytest.mark.usefixtures("tutorials", "started")
@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"jupyterlab"}, "needs jupyterlab."),
        ({lab.WEIGHTS_PACKAGE}, f"needs {lab.WEIGHTS_PACKAGE}."),
        ({"jupyterlab", lab.WEIGHTS_PACKAGE}, f"needs jupyterlab and {lab.WEIGHTS_PACKAGE}."),
    ],
)
def test_lab_says_what_installs_what_it_misses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: set[str],
    named: str,
) -> None:
    find: Callable[[str], object] = lambda name: None if name in missing else object()  # noqa: E731
    monkeypatch.setattr(lab, "find_spec", find)
    assert main(["lab", str(tmp_path / "new")]) == 1
    assert capsys.readouterr().err == f'semrsm: `semrsm lab` {named} Install with: pip install "semrsm-widgets[lab]"\n'
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_is_left_to_jupyterlab_and_its_status_returned(tmp_path: Path) -> None:
    # The child answers the first Ctrl-C with a line and stops at the second, as JupyterLab does; the parent must wait.
    child = (
        "import signal, sys, time; n = []\n"
        "def hear(*_):\n"
        "    n.append(1); print('heard', flush=True)\n"
        "    if len(n) == 2: sys.exit(7)\n"
        "signal.signal(signal.SIGINT, hear); print('up', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    parent = (
        "import os, sys; from semrsm_widgets.cli import lab\n"
        f"sys.exit(lab.run_until_stopped([sys.executable, '-c', {child!r}], dict(os.environ)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)  # what a terminal does: the whole group hears it
            assert process.stdout.readline() == "heard\n"
        assert process.wait(30) == 7
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
