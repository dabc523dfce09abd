"""Whether a page shows its views whole: what is cut, what sticks out of its parent, what lies over its neighbour, and a
"?" that has a line to itself; and where an element lies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Locator, Page

_FAULTS = """async () => {
  // What observes its own size is laid out within a frame, which is what a person sees.
  for (let k = 0; k < 2; k += 1) await new Promise(requestAnimationFrame);
  const faults = new Set();
  const shown = (node) => {
    const style = getComputedStyle(node);
    return style.display !== "none" && style.visibility !== "hidden" && node.getClientRects().length > 0;
  };
  const name = (node) => `${node.tagName.toLowerCase()}.${node.className} "${(node.textContent || "").slice(0, 30)}"`;
  const controls =
    "button, select, input, output, label, figure, p, .srsm-field, .srsm-segmented, .srsm-caution, " +
    ".srsm-crop > span, .srsm-legend > span, .srsm-heat-range > *, " +
    ".srsm-map figcaption strong, .srsm-layer-cell > span";
  const inside = document.createRange();
  for (const root of document.querySelectorAll(".srsm")) {
    for (const node of root.querySelectorAll(controls)) {
      const isText = !node.matches("input, select");
      inside.selectNodeContents(node);
      // What is said may be longer than its place.
      const box = (node.matches("output") ? inside : node).getBoundingClientRect();
      if (!shown(node) || !box.width || node.closest("details:not([open]), .srsm-hidden")) continue;
      if (node.matches(".srsm-segmented input")) continue; // drawn as its label
      const style = getComputedStyle(node);
      if (isText && style.overflowX !== "visible" && node.scrollWidth > node.clientWidth + 1)
        faults.add(`cut: ${name(node)}, ${node.scrollWidth} in ${node.clientWidth}`);
      if (isText && style.overflowY === "hidden" && node.scrollHeight > node.clientHeight + 2)
        faults.add(`cut below: ${name(node)}, ${node.scrollHeight} in ${node.clientHeight}`);
      if (node.placeholder) {
        const pen = document.createElement("canvas").getContext("2d");
        pen.font = style.font;
        const room = node.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
        if (pen.measureText(node.placeholder).width > room) faults.add(`cut: ${node.placeholder}`);
      }
      for (let parent = node.parentElement; parent && root.contains(parent); parent = parent.parentElement) {
        if (["auto", "scroll"].includes(getComputedStyle(parent).overflowX)) break; // one scrolls there
        const outer = parent.getBoundingClientRect();
        if (!outer.width) continue; // display: contents
        if (box.left < outer.left - 1.5 || box.right > outer.right + 1.5) {
          faults.add(`outside: ${name(node)} of ${name(parent)}`);
          break;
        }
      }
    }
    const all = root.getBoundingClientRect();
    for (const node of root.querySelectorAll("svg text")) {
      const box = node.getBoundingClientRect();
      if (shown(node) && box.width && (box.left < all.left - 1.5 || box.right > all.right + 1.5))
        faults.add(`outside: ${name(node)} of the view`);
    }
    for (const help of root.querySelectorAll(".srsm-help-button")) {
      const one = help.getBoundingClientRect();
      const row = help.closest(".srsm-head, .srsm-controls");
      const others = []; // in the row, and in a part of it that holds "?" too, as "Report" does
      for (let part = help.parentElement; part !== row; part = part.parentElement)
        others.push(...[...part.parentElement.children].filter((node) => node !== part));
      const beside = others.filter(shown).filter((node) => {
        const other = node.getBoundingClientRect();
        return node.textContent.trim() && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 4;
      });
      if (shown(help) && !beside.length) faults.add(`alone on a line: ${name(help)} of ${name(row)}`);
    }
    for (const row of root.querySelectorAll(".srsm-controls, .srsm-head, .srsm-field")) {
      const boxes = [...row.children].filter(shown).map((node) => [node, node.getBoundingClientRect()]);
      boxes.forEach(([a, one], k) => {
        for (const [b, other] of boxes.slice(k + 1)) {
          const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
          const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
          if (across > 1.5 && down > 1.5) faults.add(`over each other: ${name(a)} and ${name(b)}`);
        }
      });
    }
  }
  return [...faults];
}"""

_FOCUSED = """() => {
  let node = document.activeElement;
  while (node.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  const words = node.getAttribute("aria-label") || node.labels?.[0]?.textContent || node.textContent || node.title;
  return [`${node.tagName}.${node.className}`, (words || "").trim()];
}"""


def box_of(locator: Locator, seconds: float = 60) -> FloatRect:
    """Return where an element lies once it is seen and at rest, which two looks tell.

    `Locator.bounding_box` looks once: it is None for what is drawn anew at that moment, and on a slow machine that
    moment is found.
    """
    before, end = None, time.monotonic() + seconds
    while time.monotonic() < end:
        locator.wait_for(state="visible")
        now = locator.bounding_box()
        if now is not None and now == before:
            return now
        before = now
        locator.page.wait_for_timeout(50)
    raise AssertionError(f"{locator} was not at rest within {seconds:g} s: last seen at {before}")


def layout_faults(page: Page) -> list[str]:
    """Return what of the views on a page is not whole, in words; nothing where all is well."""
    found: list[str] = page.evaluate(_FAULTS)
    return found


def nameless_stops(page: Page, presses: int) -> list[str]:
    """Return the elements that Tab stops at, in that many presses, which have no name for who does not see them."""
    found = []
    for _ in range(presses):
        page.keyboard.press("Tab")
        element, words = page.evaluate(_FOCUSED)
        if not words:
            found.append(element)
    return found


def in_columns(page: Page) -> None:
    """Have an explorer show all three heatmaps, as a person does."""
    page.locator(".srsm-explorer").get_by_role("radio", name="columns").first.check()
    page.locator(".srsm-map[data-map='difference']").first.wait_for()
