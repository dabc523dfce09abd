"""Where else the views live than in JupyterLab: the demo, used as a person does, without an error in the page."""

from __future__ import annotations

import importlib.util
import os
import re
import sys

import pytest
from helpers.boxes import box_of
from helpers.lab_harness import LabPage, environment_in, free_port, serve, start_lab
from playwright.sync_api import Page, expect

expect.set_options(timeout=60_000)

EXPLORE = "srsm.explore(layers=['blocks.4', 'blocks.5'], layer='blocks.4')"
CELLS = ["import semrsm_widgets as srsm", EXPLORE]
# Voila brings JupyterLab's own parts in an older version than the extensions beside it, and asks for icons.
VOILA_NOISE = r"RUNTIME-012|Federation Runtime|cdn\.jsdelivr\.net/npm/@fortawesome/"


def needs(package: str) -> None:
    """Skip where there is no such application; fail where browser tests must run."""
    if importlib.util.find_spec(package) is None:
        missing = f'no {package}: pip install -e ".[lab,test]"'
        if os.environ.get("SEMRSM_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)


def use(page: Page) -> None:
    """Choose a pair in a heatmap, go to another layer, and point at a patch: every view follows."""
    rsm, pair = page.locator(".srsm-rsm").first, page.locator(".srsm-pair").first
    expect(rsm).to_have_attribute("data-complete", "true")
    expect(rsm).to_have_attribute("data-layer", "blocks.4")
    expect(pair).to_have_attribute("data-null", re.compile(r"0\.\d+"))
    expect(page.locator(".srsm-retrieval").first).to_have_attribute("data-layer", "blocks.4")

    surface = page.locator(".srsm-surface").nth(1)
    box = box_of(surface)
    surface.click(position={"x": box["width"] * 10.5 / 16, "y": box["height"] * 2.5 / 16})
    expect(pair).to_have_attribute("data-matched", "2,10")
    page.locator(".srsm-slider").first.focus()
    page.keyboard.press("ArrowRight")
    for view in (rsm, pair):
        expect(view).to_have_attribute("data-layer", "blocks.5")
    page.locator(".srsm-picture").first.hover()
    expect(page.locator(".srsm-pair .srsm-token-line").first).to_contain_text("→ B")
    page.get_by_role("radio", name="columns").first.check(force=True)
    expect(page.locator(".srsm-map:visible")).to_have_count(3)


def test_explore_works_in_notebook_7(chromium, browser, tmp_path):
    needs("notebook")
    server = start_lab(tmp_path, "notebook")
    try:
        opened = LabPage.open(browser, server)
        opened.open_and_run(server.write_notebook("demo.ipynb", CELLS))
        use(opened.page)
        opened.screenshot("notebook-7-light")
        opened.set_theme("dark")
        opened.screenshot("notebook-7-dark")
        opened.close()  # fails the test if there was an error in the page
    finally:
        server.stop()


def test_explore_works_in_marimo(chromium, browser, tmp_path):
    needs("marimo")
    folder, port = tmp_path / "served", free_port()
    folder.mkdir()
    notebook = folder / "demo.py"
    notebook.write_text(
        "import marimo\n"
        "app = marimo.App(width='full')\n\n"
        "@app.cell\n"
        "def _():\n"
        "    import semrsm_widgets as srsm\n"
        f"    explorer = {EXPLORE}\n"
        "    explorer\n"
        "    return\n"
    )
    command = [sys.executable, "-m", "marimo", "run", str(notebook), "--headless", "--no-token", f"--port={port}"]
    environment = {**environment_in(tmp_path / "own"), "XDG_CONFIG_HOME": str(tmp_path / "own")}
    server = serve(command, environment, folder, port, tmp_path / "log", application="marimo")
    try:
        opened = LabPage.open(browser, server)
        opened.page.goto(server.url)
        use(opened.page)
        opened.screenshot("marimo")
        opened.close()
    finally:
        server.stop()


def test_explore_works_in_voila(chromium, browser, tmp_path):
    needs("voila")
    folder, port = tmp_path / "served", free_port()
    folder.mkdir()
    command = [sys.executable, "-m", "voila", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    server = serve(command, environment_in(tmp_path / "own"), folder, port, tmp_path / "log", application="voila")
    try:
        server.write_notebook("demo.ipynb", CELLS)
        opened = LabPage.open(browser, server)
        opened.page.goto(server.address_of("demo.ipynb"), wait_until="commit")
        use(opened.page)
        opened.screenshot("voila")
        opened.allow(VOILA_NOISE)
        opened.close()
    finally:
        server.stop()


def test_a_browser_tab_of_its_own_shares_the_kernel(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("demo.ipynb", CELLS))
    first = lab_page.page
    expect(first.locator(".srsm-retrieval")).to_have_attribute("data-layer", "blocks.4")
    lab_page.execute("docmanager:save")
    lab_page.page = lab_page.context.new_page()  # as "New Browser Tab" opens it: the notebook alone
    lab_page.page.goto(f"{lab_page.lab.url}/doc/tree/demo.ipynb")
    use(lab_page.page)
    expect(first.locator(".srsm-pair")).to_have_attribute("data-layer", "blocks.5")
    lab_page.page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".jp-InputPrompt").click()
    lab_page.execute("notebook:create-output-view")
    expect(lab_page.page.locator(".srsm-rsm")).to_have_count(2)
    lab_page.screenshot("browser-tab")
