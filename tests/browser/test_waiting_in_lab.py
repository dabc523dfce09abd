"""What long work says in a notebook: the bar of a plain call, and the explorer's report with its progress."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.boxes import layout_faults
from playwright.sync_api import expect

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

SLOW = """
import time
def slow(K, L):
    time.sleep(0.2)
    return srsm.cka(K, L)
K = np.cov(np.random.default_rng(0).normal(size=(10, 30)))
srsm.permutation_test(slow, K, K, n=60).n
"""
EXPLORER = [
    "import numpy as np, semrsm_widgets as srsm",
    "explorer = srsm.explore(images=srsm.demo_images(crops=2, seed=0), layers=['blocks.4', 'blocks.5'])\nexplorer",
]


def test_a_plain_call_has_a_bar_that_goes(lab_page):
    page = lab_page.page
    notebook = lab_page.lab.write_notebook("bar.ipynb", ["import numpy as np, semrsm_widgets as srsm", SLOW])
    lab_page.open_and_begin(notebook)
    bar = page.locator(".jp-OutputArea-output .widget-hbox").filter(has_text="of\u200760\u2007permutations")
    expect(bar).to_contain_text(re.compile(r"\d+\u2007s\u2007left"))
    lab_page.screenshot("bar-light")
    lab_page.set_theme("dark")
    lab_page.screenshot("bar-dark")
    expect(lab_page.outputs().last).to_have_text("60")
    expect(page.locator(".jp-OutputArea-output .widget-hbox")).to_have_count(0)
    heights = page.locator(".jp-OutputArea-child").evaluate_all("all => all.map(each => each.offsetHeight)")
    assert [height > 0 for height in heights] == [False, True]  # the value alone: no empty place where the bar was
    lab_page.screenshot("bar-gone-light")


def test_the_explorer_writes_its_report(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("report.ipynb", EXPLORER))
    page = lab_page.page
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")
    page.get_by_role("button", name="Report", exact=True).press("Enter")
    panel = page.get_by_role("dialog", name="report")
    expect(panel).to_be_visible()
    lab_page.screenshot("report-panel-light")
    panel.get_by_role("radio", name="all pairs").check()
    panel.get_by_role("button", name="Write the file").click()
    expect(panel.get_by_role("button", name="Cancel")).to_be_visible()
    expect(panel.locator(".srsm-report-line")).to_have_text(re.compile(r"Writing: (\d+ %|about \d+ s left)"))
    lab_page.screenshot("report-writing-light")
    panel.get_by_role("button", name="Cancel").click()
    expect(panel.locator(".srsm-report-line")).to_have_text("Cancelled. Nothing was written.")
    panel.get_by_role("radio", name="this pair").check()
    panel.get_by_role("button", name="Write the file").click()
    line = panel.locator(".srsm-report-line")
    expect(line).to_have_text(re.compile(r"report-EfficientNet-Lite0\.html · \d\.\d MB$"))
    assert Path(line.inner_text().split(" · ")[0]).is_file()
    lab_page.screenshot("report-written-light")
    lab_page.set_theme("dark")
    page.get_by_role("button", name="Report", exact=True).click()
    lab_page.screenshot("report-written-dark")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert layout_faults(page) == []


INTERRUPTED = """
import hashlib, itertools, time
calls = itertools.count()
def deaf(K, L):
    if next(calls) < 12:
        time.sleep(0.25)
    else:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**24)  # hears nothing for ten seconds
    return srsm.cka(K, L)
K = np.cov(np.random.default_rng(0).normal(size=(10, 30)))
srsm.permutation_test(deaf, K, K, n=60).n
"""


def test_an_interrupted_call_says_at_once_that_it_heard_and_then_what_is_kept(lab_page):
    page = lab_page.page
    notebook = lab_page.lab.write_notebook("stopped.ipynb", ["import numpy as np, semrsm_widgets as srsm", INTERRUPTED])
    lab_page.open_and_begin(notebook)
    bar = page.locator(".jp-OutputArea-output .widget-hbox").filter(has_text="11\u2007of\u200760\u2007permutations")
    expect(bar).to_be_visible()
    lab_page.execute("notebook:interrupt-kernel")
    heard = page.get_by_text("Permuting the images stops when the step at hand ends. Nothing of it is kept.")
    expect(heard).to_be_visible()
    lab_page.screenshot("bar-stopping-light")
    expect(lab_page.outputs().last).to_contain_text(re.compile(r"Permuting the images stopped at \d+ of 60 permut"))
    lab_page.screenshot("bar-stopped-light")
    lab_page.set_theme("dark")
    lab_page.screenshot("bar-stopped-dark")
    expect(bar).to_have_count(0)
    assert heard.count() == 0
