"""What a view says when its kernel does not answer, and when it answers again."""

from __future__ import annotations

import os
import signal

import pytest
from playwright.sync_api import expect

SILENT = "The kernel has not answered for 5 s"

expect.set_options(timeout=60_000)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot pause a process by a signal")
def test_a_view_says_that_its_kernel_is_silent_and_takes_it_back(lab_page):
    cells = [
        "import os\nimport pathlib\nimport semrsm_widgets as srsm\npathlib.Path('pid').write_text(str(os.getpid()))",
        "explorer = srsm.explore(images=srsm.demo_images(crops=1), layers=['blocks.4', 'blocks.5'])\nexplorer",
        "assert explorer.wait(300), explorer.last_error",
    ]
    page = lab_page.page
    lab_page.open_and_run(lab_page.lab.write_notebook("silent.ipynb", cells), timeout=300)
    page.wait_for_selector(".srsm-rsm[data-complete='true']")
    silent = page.get_by_text(SILENT)
    expect(silent).to_have_count(0)
    pid = int((lab_page.lab.folder / "pid").read_text())

    def act():
        page.locator(".srsm-slider").first.focus()
        page.keyboard.press("Home")
        page.keyboard.press("End")

    os.kill(pid, signal.SIGSTOP)  # as good as busy with a cell
    try:
        act()
        expect(silent.first).to_be_visible()
        assert silent.first.locator("xpath=..").get_attribute("role") == "alert"
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(silent).to_have_count(0)

    lab_page.lab.stop_kernels()
    act()
    expect(silent.first).to_be_visible()
    # A kernel that is ended while it speaks may leave half a message, of which JupyterLab complains.
    lab_page.allow("Kernel message validation error")
