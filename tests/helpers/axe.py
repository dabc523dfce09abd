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
    resultTypes: ["violations", "passes"],
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    rules: { "label-content-name-mismatch": { enabled: false } },
  };
  const { violations, passes } = await axe.run({ include: [...document.querySelectorAll(selector)] }, options);
  const looked = passes.concat(violations).some(({ nodes }) =>
    nodes.some(({ any }) => any.some(({ data }) => data?.contrastRatio)));
  const words = (id, { target, any, html }) =>
    `${id}: ${target.join(" ")} ${html.slice(0, 120)} ${any[0]?.message ?? ""}`;
  return [looked, violations.flatMap(({ id, impact, nodes }) => nodes.map((node) => [impact, words(id, node)]))];
}"""


def grave_findings(page: Page, selector: str) -> list[str]:
    """Return what axe-core calls serious or critical in the elements of a selector, in words."""
    page.bring_to_front()  # one in the background draws nothing
    if not page.evaluate("() => 'axe' in globalThis"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
        # JupyterLab's body has no size of its own, and axe-core takes all that is in such a one for hidden
        page.add_style_tag(content="body { width: 100vw; height: 100vh; }")
    page.locator(selector).first.scroll_into_view_if_needed()  # what is not in sight is not judged
    looked, found = page.evaluate(_RUN, selector)
    assert looked, f"axe-core saw no text in {selector}"
    return [words for impact, words in found if impact in GRAVE]
