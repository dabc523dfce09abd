"""Notebook 7 runs the same views as JupyterLab: the demo, used as a person does, without an error in the page."""

from __future__ import annotations

import re

import pytest
from helpers.lab_harness import LabPage, start_lab
from playwright.sync_api import expect

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def notebook_server(chromium, tmp_path_factory):
    pytest.importorskip("notebook", minversion="7")
    server = start_lab(tmp_path_factory.mktemp("notebook"), "notebook")
    yield server
    server.stop()


@pytest.fixture
def notebook_page(notebook_server, browser):
    page = LabPage.open(browser, notebook_server)
    yield page
    page.close()  # fails the test if there was an error in the page


def test_explore_works_in_notebook_7(notebook_page):
    cells = ["import semrsm_widgets as srsm", "srsm.explore(layers=['blocks.4', 'blocks.5'], layer='blocks.4')"]
    notebook_page.open_and_run(notebook_page.lab.write_notebook("demo.ipynb", cells))
    page = notebook_page.page
    rsm, pair = page.locator(".srsm-rsm"), page.locator(".srsm-pair")
    expect(rsm).to_have_attribute("data-complete", "true")
    expect(rsm).to_have_attribute("data-layer", "blocks.4")
    expect(pair).to_have_attribute("data-null", re.compile(r"0\.\d+"))

    surface = page.locator(".srsm-surface").nth(1)
    box = surface.bounding_box()
    surface.click(position={"x": box["width"] * 10.5 / 16, "y": box["height"] * 2.5 / 16})
    expect(pair).to_have_attribute("data-matched", "2,10")
    page.locator(".srsm-slider").first.focus()
    page.keyboard.press("ArrowRight")
    for view in (rsm, pair):
        expect(view).to_have_attribute("data-layer", "blocks.5")
    page.locator(".srsm-picture").first.hover()
    expect(page.locator(".srsm-pair .srsm-token-line")).to_contain_text("→ B")

    notebook_page.screenshot("notebook-7-light")
    notebook_page.set_theme("dark")
    notebook_page.screenshot("notebook-7-dark")
