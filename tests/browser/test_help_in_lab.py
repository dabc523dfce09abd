"""What helps a newcomer: the words behind "?", the tour, large type."""

from __future__ import annotations

from helpers.boxes import box_of, layout_faults
from playwright.sync_api import expect

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

CELLS = [
    "import semrsm_widgets as srsm",
    "explorer = srsm.explore(images=srsm.demo_images(crops=2, seed=0), layers=['blocks.4', 'blocks.5'])\nexplorer",
]


# Whether each line between two rows of answers begins at the middle of an answer.
LINKED = """() => {
  const frame = document.querySelector(".srsm-ranks-inner").getBoundingClientRect();
  const middles = [...document.querySelectorAll(".srsm-answer")].map((node) => {
    const box = node.getBoundingClientRect();
    return box.left + box.width / 2 - frame.left;
  });
  const lines = [...document.querySelectorAll(".srsm-rank-links path")];
  return lines.length > 0 && lines.every((line) => {
    const start = line.getPointAtLength(0).x;
    return middles.some((middle) => Math.abs(middle - start) < 1);
  });
}"""


def test_words_tour_and_large_type(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("help.ipynb", CELLS))
    page = lab_page.page
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")

    # the tour, once
    page.get_by_role("button", name="Tour", exact=True).click()
    tour = page.get_by_role("dialog", name="tour")
    for k, place in enumerate((".srsm-layers", ".srsm-maps", ".srsm-pair-body", ".srsm-summary"), start=1):
        expect(tour).to_contain_text(f"{k} of 4")
        expect(page.locator(".srsm-toured")).to_have_count(1)
        assert page.locator(".srsm-toured").evaluate("(node, name) => node.matches(name)", place)
        lab_page.screenshot(f"tour-{k}")
        page.keyboard.press("Enter")  # the next step has the focus
    expect(tour).to_be_hidden()
    expect(page.locator(".srsm-toured")).to_have_count(0)
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_hidden()
    assert page.evaluate("localStorage.getItem('srsm-tour')") == "seen"

    # the words, by keyboard
    page.get_by_role("button", name="help: words, large type").press("Enter")
    words = page.get_by_role("dialog", name="help")
    expect(words).to_contain_text("what any one-to-one matching gives on average")
    box = box_of(words)
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    lab_page.screenshot("help-light")

    # large type, in all views of the page, and nothing sticks out
    size = "document.querySelector('.srsm-pair .srsm-summary').firstChild"
    before = page.evaluate(f"parseFloat(getComputedStyle({size}).fontSize)")
    words.get_by_label("large type, for a projector").check()
    assert page.evaluate(f"parseFloat(getComputedStyle({size}).fontSize)") > 1.3 * before
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()
    assert layout_faults(page) == []
    page.wait_for_function(LINKED)
    lab_page.screenshot("large-type-light")
    lab_page.set_theme("dark")
    lab_page.screenshot("large-type-dark")
    page.get_by_role("button", name="help: words, large type").click()
    lab_page.screenshot("help-dark")
    words.get_by_label("large type, for a projector").uncheck()
    page.wait_for_function(LINKED)
