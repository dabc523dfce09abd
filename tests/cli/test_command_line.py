"""The command line, without a browser: what `semrsm lab` copies and starts, what `semrsm check` reports."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import semrsm_widgets
from semrsm_widgets.cli import check, lab, main
from semrsm_widgets.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(semrsm_widgets.__file__).resolve().parents[1]


def run(*arguments: str, path: Sequence[Path] = (), cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `semrsm` in a process of its own, with folders put before all others on the module path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT])), "COLUMNS": "120"}
    command = [sys.executable, "-m", "semrsm_widgets.cli", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def tutorials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two tutorials, in place of the real ones."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in (lab.QUICKSTART, "02_more.ipynb"):
        (folder / name).write_text(f"shipped {name}")
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


# --- use ---------------------------------------------------------------------------------------------------------


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


# --- semrsm lab --------------------------------------------------------------------------------------------------


def test_the_tutorials_of_a_checkout_are_found() -> None:
    assert lab.tutorials_folder() == ROOT / "notebooks"


def test_missing_tutorials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / lab.QUICKSTART).write_text("a stranger's: this is no checkout")
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "package" / "cli" / "lab.py"))
    with pytest.raises(CommandError, match=r"no notebooks/01_quickstart\.ipynb in or beside"):
        lab.tutorials_folder()


@pytest.mark.usefixtures("tutorials")
def test_lab_copies_and_never_overwrites(
    tmp_path: Path, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my" / "tutorials"
    assert main(["lab", str(folder)]) == 0
    assert (
        f"Tutorials in {folder}:\n  01_quickstart.ipynb: copied\n  02_more.ipynb: copied\n" in capsys.readouterr().out
    )
    assert sorted(p.name for p in folder.iterdir()) == ["01_quickstart.ipynb", "02_more.ipynb"]

    (folder / lab.QUICKSTART).write_text("my own notes")
    (folder / "02_more.ipynb").unlink()
    assert main(["lab", str(folder)]) == 0
    assert "01_quickstart.ipynb: kept yours\n  02_more.ipynb: copied\n" in capsys.readouterr().out
    assert (folder / lab.QUICKSTART).read_text() == "my own notes"
    assert (folder / "02_more.ipynb").read_text() == "shipped 02_more.ipynb"
    assert len(started) == 2


@pytest.mark.usefixtures("tutorials")
def test_lab_keeps_even_a_dangling_link(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    try:
        (folder / lab.QUICKSTART).symlink_to(tmp_path / "elsewhere.ipynb")
    except OSError:
        pytest.skip("links need a right that this user has not got")
    assert lab.copy_tutorials(folder) == {lab.QUICKSTART: False, "02_more.ipynb": True}
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


# --- semrsm check ------------------------------------------------------------------------------------------------


def test_check_reports_everything_and_exits_with_0() -> None:
    result = run("check")
    lines = dict(re.findall(r"^(\S+) +(.*)$", result.stdout, flags=re.MULTILINE))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("All is well.\n")
    assert set(lines) >= {
        "semrsm_widgets",
        "python",
        *check.REQUIRED,
        "jupyterlab",
        "devices",
        "matching",
        "weights",
    }
    assert lines["semrsm_widgets"].startswith(semrsm_widgets.__version__)
    assert lines["devices"].startswith("cpu")
    assert re.search(r"ready in \d+\.\d s; (cache |no cache)", lines["matching"])


def broken(folder: Path, name: str, text: str) -> Path:
    """Write a package that fails when it is imported, and return its folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text)
    return folder


def test_check_says_that_torch_and_torchvision_do_not_fit(tmp_path: Path) -> None:
    fault = "raise RuntimeError('operator torchvision::nms does not exist\\nlong trace')"
    result = run("check", path=[broken(tmp_path, "torchvision", fault)])
    assert result.returncode == 1
    assert "broken: RuntimeError: operator torchvision::nms does not exist\n" in result.stdout
    assert "^ Install versions that fit together: pip install --upgrade torch torchvision\n" in result.stdout
    assert "ready in" in result.stdout, "the rest of the report must still come"
    assert "long trace" not in result.stdout


def test_check_says_that_torch_is_broken_once(tmp_path: Path) -> None:
    result = run("check", path=[broken(tmp_path, "torch", "raise OSError('libcudart.so.12: cannot open')")])
    assert result.returncode == 1
    assert re.search(r"^torch .*broken: OSError: libcudart\.so\.12: cannot open$", result.stdout, flags=re.MULTILINE)
    assert re.search(r"^devices +not tried, torch must work first$", result.stdout, flags=re.MULTILINE)
    assert re.search(r"^matching +not tried, torch must work first$", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "fault", "value", "todo"),
    [
        ("absent_one", None, "not installed", "Install it with: pip install absent_one"),
        (
            "needy",
            "import absent_two",
            "broken: ModuleNotFoundError: No module named 'absent_two'",
            "Install what it misses: pip install absent_two",
        ),
    ],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str | None, value: str, todo: str
) -> None:
    if fault is not None:
        monkeypatch.syspath_prepend(broken(tmp_path, name, fault))
    assert check._import_line(name) == check.Line(name, value, todo)


def test_what_is_optional_is_no_problem() -> None:
    line = check._optional_line("weights", "absent_one", "only the bundled model needs them")
    assert line.problem == ""
    assert (
        line.value
        == 'not installed: only the bundled model needs them. Install with: pip install "semrsm-widgets[lab]"'
    )


def test_a_broken_engine_is_reported_and_the_rest_goes_on() -> None:
    def fail() -> check.Line:
        raise RuntimeError("no such instruction")

    line = check._guarded_line("matching", fail)
    assert line.value == "broken: RuntimeError: no such instruction"
    assert line.problem


# --- semrsm layers -----------------------------------------------------------------------------------------------


def test_layers_prints_the_table() -> None:
    done = run("layers", "test_vit", "--image-size", "64")
    assert done.returncode == 0
    head, *rows, footer = done.stdout.splitlines()
    assert head.split() == ["name", "kind", "calls", "shape", "layout", "S", "grid", "D", "prefix", "note"]
    assert any(row.split() == ["*", "blocks.0", "Block", "17×64", "NLC", "16", "4×4", "64", "1"] for row in rows)
    assert footer.startswith("7 layers by default (*)")


def test_layers_of_the_bundled_model_and_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers"]) == 0
    short = capsys.readouterr().out
    assert main(["layers", "--all"]) == 0
    every = capsys.readouterr().out
    assert "* conv_stem" in " ".join(short.split())
    assert every.count("\n") > 5 * short.count("\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["layers", "resnet5"], "semrsm: `name` must be a model that timm knows; got 'resnet5'. Did you mean"),
        (["layers", "test_vit", "--image-size", "0"], "semrsm: `image_size` must be"),
    ],
)
def test_layers_of_what_there_is_not(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert text in capsys.readouterr().err


# --- semrsm report -----------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three of the bundled photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("astronaut", "chelsea", "coffee"):
        shutil.copy(Path(semrsm_widgets.__file__).parent / "images" / "data" / f"{name}.jpg", folder)
    return folder


def test_report_writes_one_file(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = photos.parent / "out.html"
    arguments = ["report", str(photos), "-o", str(target), "--layers", "blocks.5", "--max-images", "2"]
    assert main([*arguments, "--no-images"]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(r".*out\.html: \d\.\d MB\n", said.out)
    assert said.err.splitlines()[0] == "Opening the images ..."
    text = target.read_text(encoding="utf-8")
    assert "EfficientNet-Lite0 · 2 images · 1 layer" in text
    assert "Showing 2 of 3 images" in text
    assert "astronaut" not in text


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nowhere"], 2, "semrsm: `images` must be a folder or file that exists; got nowhere."),
        (["PHOTOS", "--model", "resnet5"], 2, "semrsm: `name` must be a model that timm knows; got 'resnet5'."),
        (["PHOTOS", "-o", "report.pdf"], 2, "semrsm: `path` must be the name of an \".html\" file; got 'report.pdf'."),
        (["PHOTOS", "--layers", "nothing.*"], 2, "semrsm: "),
        (["PHOTOS", "--max-images", "1"], 2, "semrsm: `max_images` must be"),
    ],
)
def test_report_of_what_cannot_be(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(photos.parent)
    assert main(["report", *(str(photos) if each == "PHOTOS" else each for each in arguments)]) == status
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith(said)
    assert list(photos.parent.glob("*.html")) == []
