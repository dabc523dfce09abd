"""The harness itself: a widget and a printed line show, and the errors it promises to report are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from helpers.lab_harness import Lab, LabPage

SLIDER = ["import ipywidgets", "print('6 * 7 =', 6 * 7)", "ipywidgets.IntSlider(value=5, max=9, description='layer')"]


def test_a_notebook_shows_its_output_and_its_widget(lab: Lab, lab_page: LabPage) -> None:
    lab_page.open_and_run(lab.write_notebook("slider.ipynb", SLIDER))
    lab_page.outputs().get_by_text("6 * 7 = 42").wait_for()
    slider = lab_page.page.locator(".widget-slider [role=slider]")
    assert slider.get_attribute("aria-valuenow") == "5.0"
    slider.press("ArrowRight")
    lab_page.page.locator(".widget-readout", has_text="6").wait_for()

    for theme in ("light", "dark"):
        lab_page.set_theme(theme)
        lab_page.screenshot(f"harness-{theme}")
    assert lab_page.page.evaluate("document.body.dataset.jpThemeLight") == "false"


def test_the_kernel_runs_the_package_under_test(lab: Lab, lab_page: LabPage) -> None:
    import semrsm_widgets

    name = lab.write_notebook("package.ipynb", ["import semrsm_widgets", "print(semrsm_widgets.__file__)"])
    lab_page.open_and_run(name)
    lab_page.outputs().get_by_text(str(semrsm_widgets.__file__)).wait_for()


def test_a_raising_cell_fails_with_its_traceback(lab: Lab, lab_page: LabPage) -> None:
    name = lab.write_notebook("raises.ipynb", ["raise ValueError('no such layer')"])
    with pytest.raises(AssertionError, match="ValueError: no such layer"):
        lab_page.open_and_run(name)


@pytest.mark.parametrize(
    ("script", "reported"),
    [
        ("setTimeout(() => { throw new Error('broken view') })", "uncaught: Error: broken view"),
        ("console.error('half broken view')", "console: half broken view"),
        ("fetch('https://cdn.example/bokeh.js').catch(() => null)", "request to another host: https://cdn.example"),
    ],
)
def test_errors_in_the_page_are_reported(lab_page: LabPage, script: str, reported: str) -> None:
    with lab_page.page.expect_event(
        "pageerror" if "throw" in script else "console" if "console" in script else "requestfailed"
    ):
        lab_page.page.evaluate(script)
    assert any(error.startswith(reported) for error in lab_page.errors)
    lab_page.allow("broken view|cdn.example|ERR_")
    assert lab_page.errors == []
