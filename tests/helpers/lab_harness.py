"""A real JupyterLab, or another server of notebooks, and a page in it, for the browser tests; fixtures: conftest.py.

Three habits that the tests rely on:

- Cells are run through JupyterLab's own commands, after the session is ready; clicks on its menu get lost before that.
- A page that logs an error, or asks anything of a host other than this one, fails its test when it closes.
- Wait for what the DOM says (`data-*` attributes, text inside outputs), never for a time: the machine may be slow.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

import semrsm_widgets
from semrsm_widgets.cli.lab import lab_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

START_SECONDS = 120
"""How long JupyterLab may take to answer: 7 s are usual, more on a loaded machine."""

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # Chromium refuses its sandbox as root, which is what containers run as
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have 64 MB of it
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # No other host can be reached: a view that needs one fails here as it would offline.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

NOISE: tuple[tuple[str, str], ...] = (
    (
        r"Cannot read properties of undefined \(reading 'schema'\)\s+at \S+/static/notebook/notebook_core",
        "Notebook 7.6 while it loads its own settings, in any notebook, also in one without widgets",
    ),
)
"""The applications' own console errors, as (pattern, why it is no fault of a view). Keep it short."""


def find_chromium() -> str | None:
    """Return a Chromium on the PATH, or the one `playwright install chromium` made; None if there is neither."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


class Application(NamedTuple):
    """How an application is started, where it opens a notebook, and which of its addresses says that it is up."""

    module: str
    arguments: tuple[str, ...]
    page: str
    up: str = "/api/status"


APPLICATIONS = {
    "jupyterlab": Application("jupyterlab", ("--LabApp.expose_app_in_browser=True",), "/lab/tree/{}?reset"),
    "notebook": Application("notebook", ("--JupyterNotebookApp.expose_app_in_browser=True",), "/notebooks/{}"),
    "voila": Application("voila", (), "/voila/render/{}", "/"),
    "marimo": Application("marimo", (), "/", "/health"),
}


@dataclass
class Lab:
    """A running server of notebooks that serves `folder`.

    Attributes:
        url: its address, without a slash at the end.
        folder: the folder it serves; notebooks are written there.
        log: the file its output goes to.
        process: the server.
        application: which it is, a key of `APPLICATIONS`.
    """

    url: str
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]
    application: str = "jupyterlab"

    def address_of(self, notebook: str) -> str:
        """Return where a notebook of the served folder opens, in a fresh layout."""
        return f"{self.url}{APPLICATIONS[self.application].page.format(quote(notebook))}"

    def write_notebook(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells into the served folder and return its path there."""
        notebook = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell-{i}",
                    "execution_count": None,
                    "metadata": {},
                    "outputs": [],
                    "source": s,
                }
                for i, s in enumerate(cells)
            ],
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
        return name

    def copy_in(self, source: Path) -> str:
        """Copy a notebook (or any file) into the served folder and return its path there."""
        shutil.copyfile(source, self.folder / source.name)
        return source.name

    def stop_kernels(self) -> None:
        """Stop every kernel: each holds its own torch, and a browser that leaves does not stop one."""
        if self.application not in ("jupyterlab", "notebook"):
            return  # they end with their server
        for kernel in self._ask("GET", "/api/kernels"):
            self._ask("DELETE", f"/api/kernels/{kernel['id']}")

    def forget_settings(self) -> None:
        """Forget what a page has changed in JupyterLab's settings, the theme above all."""
        shutil.rmtree(self.folder.parent / "jupyter" / "settings", ignore_errors=True)

    def stop(self) -> None:
        """Stop the kernels and the server, by force if it does not go."""
        try:
            if self.process.poll() is None:
                self.stop_kernels()
        except OSError:
            pass  # it no longer answers; its kernels leave when they miss it
        finally:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _ask(self, method: str, path: str) -> Any:
        """Return the answer to a request of the server's REST API."""
        # Without a token the server wants its XSRF cookie on requests that change something.
        headers = {"Cookie": "_xsrf=test", "X-XSRFToken": "test"}
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None


def start_lab(folder: Path, application: str = "jupyterlab") -> Lab:
    """Start a JupyterLab, or a Notebook 7, of its own in `folder`, which must be empty; return it once it answers.

    Everything it reads or writes is in `folder`: the user's own settings, layouts and kernels play no part.
    """
    served, own = folder / "served", folder / "jupyter"
    served.mkdir()
    own.mkdir()
    port = free_port()
    command = [
        *(sys.executable, "-m", APPLICATIONS[application].module, "--no-browser", "--allow-root"),
        *server_arguments(port, application),
        f"--ServerApp.root_dir={served}",
    ]
    return serve(command, environment_in(own), served, port, folder / "server.log", application=application)


def environment_in(own: Path) -> dict[str, str]:
    """Return the environment of a server that keeps what is its own in a folder, and whose kernels see the package."""
    return {
        **lab_environment(own / "scratch"),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
        # The package under test, however the tests were started.
        "PYTHONPATH": os.pathsep.join(
            [str(Path(semrsm_widgets.__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
    }


def server_arguments(port: int, application: str = "jupyterlab") -> list[str]:
    """Return the arguments with which a test can reach a server and its application object."""
    return [
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", *APPLICATIONS[application].arguments),
    ]


def serve(
    command: Sequence[str],
    environment: dict[str, str],
    folder: Path,
    port: int,
    log: Path,
    *,
    application: str = "jupyterlab",
) -> Lab:
    """Run a command that starts a server on `port` and return it once it answers; stop it with `Lab.stop`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    lab = Lab(f"http://127.0.0.1:{port}", folder, log, process, application)
    try:
        _wait_until_up(lab)
    except BaseException:
        lab.stop()
        raise
    return lab


def _wait_until_up(lab: Lab) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if lab.process.poll() is not None:
            break
        try:
            lab._ask("GET", APPLICATIONS[lab.application].up)
            return
        except json.JSONDecodeError:  # an answer, though a page
            return
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"{lab.application} did not start; its output:\n{lab.log.read_text(errors='replace')[-4000:]}")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


_RUN_ALL = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    return app.commands.execute('notebook:run-all-cells');
}"""

_RUN_CODE = """async (code) => {
    const panel = window.jupyterapp.shell.currentWidget;
    let printed = '', error = '';
    const future = panel.sessionContext.session.kernel.requestExecute({code, store_history: false});
    future.onIOPub = message => {
        printed += message.content.text ?? '';
        if (message.header.msg_type === 'error') error = message.content.traceback.join('\\n');
    };
    await future.done;
    return {printed, error};
}"""

_CELL_ERRORS = """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .flatMap(cell => cell.cell_type === 'code' ? cell.getOutputs() : [])
    .filter(output => output.output_type === 'error')
    .map(output => output.traceback.join('\\n'))"""


@dataclass
class LabPage:
    """A page of `lab` in a browser context of its own.

    Attributes:
        page: Playwright's page; use it freely.
        lab: the server behind it.
        errors: what went wrong in the page so far; a test that provokes an error removes it with `allow`.
    """

    page: Page
    lab: Lab
    context: BrowserContext
    errors: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, browser: Browser, lab: Lab, *, width: int = 1400, height: int = 1000) -> LabPage:
        """Open a blank page that listens for errors and for requests to other hosts."""
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        page = context.new_page()
        page.set_default_timeout(60_000)
        opened = cls(page, lab, context)
        page.on("pageerror", lambda error: opened._note("uncaught", str(error.stack or error)))
        page.on("console", opened._note_message)
        # On the context, so that workers and pop-ups are heard as well.
        context.on("request", lambda request: opened._note_host(request.url))
        page.on("websocket", lambda websocket: opened._note_host(websocket.url))
        return opened

    def open_and_run(self, notebook: str, *, timeout: float = 120) -> None:
        """Open a notebook of the served folder in a fresh layout and run all its cells, to the last.

        A cell that raises fails the test with its traceback. Widgets may still be drawing: wait for what they show.

        Args:
            notebook: path within the served folder, as `Lab.write_notebook` and `Lab.copy_in` return it.
            timeout: seconds for the cells.
        """
        self.open_notebook(notebook)
        self.page.evaluate(f"Promise.race([({_RUN_ALL})(), {_rejection(timeout)}])")
        if errors := self.page.evaluate(_CELL_ERRORS):
            raise AssertionError(f"{notebook} raised:\n" + "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", e) for e in errors))

    def open_and_begin(self, notebook: str) -> None:
        """Open a notebook and have its cells run, without waiting for them."""
        self.open_notebook(notebook)
        self.page.evaluate(f"() => {{ ({_RUN_ALL})(); }}")

    def open_notebook(self, notebook: str) -> None:
        """Open a notebook in a fresh layout without running it."""
        self.page.goto(self.lab.address_of(notebook))
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell")

    def run_code(self, code: str, *, timeout: float = 120) -> str:
        """Run code in the open notebook's kernel, without a cell, and return what it printed; raise if it raised."""
        answer = self.page.evaluate(f"([code]) => Promise.race([({_RUN_CODE})(code), {_rejection(timeout)}])", [code])
        if answer["error"]:
            raise AssertionError(re.sub(r"\x1b\[[0-9;]*m", "", answer["error"]))
        return str(answer["printed"])

    def outputs(self) -> Locator:
        """Return the cells' outputs: search text here, for a cell's source contains it too."""
        return self.page.locator(".jp-OutputArea-output")

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a command of JupyterLab's and return its result."""
        return self.page.evaluate("([c, a]) => window.jupyterapp.commands.execute(c, a)", [command, arguments or {}])

    def set_theme(self, theme: str) -> None:
        """Switch JupyterLab to the theme "light" or "dark" and wait until its style sheet is there."""
        name = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[theme]
        self.execute("apputils:change-theme", {"theme": name})
        # Attached, not visible: JupyterLab's body has no size of its own.
        self.page.wait_for_selector(f"body[data-jp-theme-name='{name}']", state="attached")

    def screenshot(self, name: str, locator: Locator | None = None) -> Path | None:
        """Save a picture of the page, or of one element, to $SEMRSM_SCREENSHOTS/<name>.png if that is set."""
        folder = os.environ.get("SEMRSM_SCREENSHOTS")
        if not folder:
            return None
        path = Path(folder) / f"{name}.png"
        (locator or self.page).screenshot(path=path)
        return path

    def allow(self, pattern: str) -> None:
        """Forget the errors so far that match a regular expression: the test provoked them."""
        self.errors = [error for error in self.errors if not re.search(pattern, error)]

    def close(self) -> None:
        """Close the page, its kernels and its settings; raise AssertionError if anything went wrong in it."""
        self.context.close()
        self.lab.stop_kernels()
        self.lab.forget_settings()
        assert not self.errors, "errors in the page:\n" + "\n".join(self.errors)

    def _note(self, kind: str, text: str) -> None:
        """Remember an error, unless it is known noise."""
        if not any(re.search(pattern, text) for pattern, _ in NOISE):
            self.errors.append(f"{kind}: {text}")

    def _note_message(self, message: ConsoleMessage) -> None:
        """Remember an error that was logged."""
        if message.type == "error":
            self._note("console", f"{message.text} [{message.location['url']}]")

    def _note_host(self, url: str) -> None:
        """Remember a request that leaves this machine."""
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.errors.append(f"request to another host: {url}")


def _rejection(seconds: float) -> str:
    """Return a JavaScript promise that fails after some seconds."""
    text = f"the cells did not finish in {seconds:g} s"
    return f"new Promise((_, fail) => setTimeout(() => fail(new Error({text!r})), {seconds * 1000:g}))"
