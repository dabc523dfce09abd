"""`semrsm lab` in a browser: the quickstart opens, in this environment's Python, with no question and no network."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.lab_harness import LabPage, free_port, serve, server_arguments

import semrsm_widgets
from semrsm_widgets.cli.lab import ANNOUNCEMENTS, QUICKSTART

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXECUTABLE_OF_KERNEL = """async () => {
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.sessionContext.ready;
    let printed = '';
    const future = panel.sessionContext.session.kernel.requestExecute({code: 'import sys; print(sys.executable)'});
    future.onIOPub = message => { printed += message.content.text ?? ''; };
    await future.done;
    return printed.trim();
}"""


def settings_in(home: Path) -> dict[str, str]:
    """Return the files of the user's Jupyter settings and layouts, with their contents."""
    folder = home / ".jupyter"
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_semrsm_lab_opens_the_quickstart(browser: Browser, tmp_path: Path) -> None:
    home, folder, port = tmp_path / "home", tmp_path / "tutorials", free_port()
    # What `ipykernel install --user` in another environment, since deleted, leaves behind.
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = ["/deleted/environment/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "Another", "language": "python"}))
    settings = home / ".jupyter" / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/help-extension:licenses": True}}))
    before = settings_in(home)

    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "JUPYTER_PREFER_ENV_PATH": "0"}
    environment |= {"PYTHONPATH": str(Path(semrsm_widgets.__file__).resolve().parents[1])}
    command = [sys.executable, "-m", "semrsm_widgets.cli", "lab", str(folder), "--no-browser", "--"]
    lab = serve([*command, *server_arguments(port)], environment, tmp_path, port, tmp_path / "log")
    try:
        opened = LabPage.open(browser, lab)
        opened.page.goto(lab.url)  # the address that is printed, and opened where there is a browser
        opened.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        current = "window.jupyterapp.shell.currentWidget.context.path"
        opened.page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.path")
        assert opened.page.evaluate(current) == QUICKSTART
        assert Path(opened.page.evaluate(EXECUTABLE_OF_KERNEL)) == Path(sys.executable)

        opened.page.evaluate("window.jupyterapp.allPluginsActivated")
        plugins = opened.page.evaluate("window.jupyterapp.listPlugins()")
        assert "@jupyterlab/apputils-extension:notification" in plugins
        assert ANNOUNCEMENTS not in plugins
        assert "@jupyterlab/help-extension:licenses" not in plugins, "the user's own settings must hold too"
        assert opened.page.locator(".Toastify__toast").count() == 0
        opened.screenshot("semrsm-lab")
        opened.close()
    finally:
        lab.stop()
    assert settings_in(home) == before
    assert f"{QUICKSTART}: What does a vision model find alike? (copied)" in lab.log.read_text()
