// "?": every word on the screen, large type for a projector, and a tour where there is one.

import { h, OWN_KEYS } from "./dom.js";
import { GLOSSARY } from "./glossary.js";
import { keep, kept } from "./remembered.js";

const LARGE = "large-type";

/** Large type is the browser's, not the notebook's: it holds for all views of the page, and the next time. */
const page = () => document.documentElement;
// Set on the page itself: in marimo the views stand in a shadow tree, where the style sheet cannot name the page.
const TYPE = "--srsm-type";
/** @param {boolean} large */
function setLarge(large) {
  if (large) {
    page().dataset.srsmType = "large";
    page().style.setProperty(TYPE, "1.4");
  } else {
    delete page().dataset.srsmType;
    page().style.removeProperty(TYPE);
  }
}

/**
 * @param {{ words: string, start: () => void }} [tour]
 */
export function helpButton(tour) {
  setLarge(kept(LARGE) === "yes");
  const large = h("input", { type: "checkbox" });
  large.addEventListener("change", () => {
    keep(LARGE, large.checked ? "yes" : "no");
    setLarge(large.checked);
  });
  const close = () => panel.hidePopover();
  const begin = () => {
    close();
    tour?.start();
  };
  const panel = h(
    "div",
    { class: "srsm-help-panel", popover: "auto", role: "dialog", "aria-label": "help", ...OWN_KEYS },
    h(
      "div",
      { class: "srsm-help-head" },
      h("label", { class: "srsm-field" }, large, "large type, for a projector"),
      tour ? h("button", { class: "srsm-button", type: "button", onclick: begin }, tour.words) : null,
      h("button", { class: "srsm-button srsm-help-close", type: "button", "aria-label": "close", onclick: close }, "×"),
    ),
    h(
      "dl",
      { tabindex: 0, "aria-label": "words" },
      ...GLOSSARY.flatMap(([word, meaning]) => [h("dt", {}, word), h("dd", {}, meaning)]),
    ),
  );
  const button = h(
    "button",
    {
      class: "srsm-button srsm-help-button",
      type: "button",
      "aria-label": "help: words, large type",
      "aria-haspopup": "dialog",
      title: "What the words mean",
      onclick: () => panel.togglePopover(),
    },
    "?",
  );
  panel.addEventListener("toggle", () => {
    large.checked = page().dataset.srsmType === "large";
    if (panel.matches(":popover-open")) beside(panel, button);
  });
  return h("span", { class: "srsm-help" }, button, panel);
}

/**
 * Put what floats above the page below something, or above it where there is more room, and whole on the screen.
 *
 * @param {HTMLElement} floating
 * @param {Element} anchor
 */
export function beside(floating, anchor) {
  const at = anchor.getBoundingClientRect();
  const { width, height } = floating.getBoundingClientRect();
  const fits = at.bottom + 6 + height <= innerHeight;
  const top = fits ? at.bottom + 6 : Math.max(6, at.top - 6 - height);
  floating.style.left = `${Math.max(6, Math.min(at.right - width, innerWidth - width - 6))}px`;
  floating.style.top = `${Math.min(top, Math.max(6, innerHeight - height - 6))}px`;
}
