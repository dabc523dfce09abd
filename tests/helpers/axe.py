"""What axe-core finds wrong on a page for those who do not see it, or see it otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCRIPT = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
"""It is there after `npm ci`."""

GRAVE = ("serious", "critical")

# Off: an experiment that denies a button's name to say more than its visible text.
_RUN = """async (selector) => {
  const options = {
    resultTypes: ["violations", "passes", "incomplete"],
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    rules: { "label-content-name-mismatch": { enabled: false } },
  };
  const include = [...document.querySelectorAll(selector)];
  const { violations, passes, incomplete } = await axe.run({ include }, options);
  const looked = passes.concat(violations).some(({ nodes }) =>
    nodes.some(({ any }) => any.some(({ data }) => data?.contrastRatio)));
  const unsure = incomplete.flatMap(({ id, nodes }) => nodes.map(({ any }) => `${id}: ${any[0]?.message}`));
  const words = (id, { target, any, html }) =>
    `${id}: ${target.join(" ")} ${html.slice(0, 120)} ${any[0]?.message ?? ""}`;
  const found = violations.flatMap(({ id, impact, nodes }) => nodes.map((node) => [impact, words(id, node)]));
  return { looked, unsure, found };
}"""


def grave_findings(page: Page, selector: str) -> list[str]:
    """Return what axe-core calls serious or critical in the elements of a selector, in words."""
    page.bring_to_front()  # one in the background draws nothing
    if not page.evaluate("() => 'axe' in globalThis"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
        # JupyterLab's body has no size of its own, and axe-core takes all that is in such a one for hidden
        page.add_style_tag(content="body { width: 100vw; height: 100vh; }")
    for _ in range(10):
        page.locator(selector).first.scroll_into_view_if_needed()  # what is not in sight is not judged
        judged = page.evaluate(_RUN, selector)
        if judged["looked"]:
            return [words for impact, words in judged["found"] if impact in GRAVE]
        page.wait_for_timeout(1000)  # outputs that still grow push it out of sight
    raise AssertionError(f"axe-core saw no text in {selector}; it is unsure of {judged['unsure'][:5]}")
