// A tour of the explorer in four steps: offered once, in a line that goes when it is taken or declined.

import { h, OWN_KEYS } from "../base/dom.js";
import { beside } from "../base/help.js";
import { keep, kept } from "../base/remembered.js";

const SEEN = "tour";

/** @type {[place: string, words: string][]} */
const STEPS = [
  [
    ".srsm-rsm .srsm-layers",
    "The layer that is looked at. Early layers see edges and texture, late ones see things. Move it: everything below follows.",
  ],
  [
    ".srsm-rsm .srsm-maps",
    "Every image against every other one. Semantic finds the same patches wherever they are, aligned only in the same place. Click a cell to see its two images.",
  ],
  [
    ".srsm-pair .srsm-pair-body",
    "These two images. Point at a patch: its partner in the other image lights up. A click holds it.",
  ],
  [
    ".srsm-pair .srsm-summary",
    "What it comes to. Even noise reaches “unrelated”, so only what is clearly above it says anything.",
  ],
];

/** @param {() => Element} surroundings where the views of this explorer are */
export function explorerTour(surroundings) {
  let step = 0;
  /** @type {Element | null} */
  let place = null;
  const words = h("p");
  const count = h("span", { class: "srsm-label" });
  /** @type {(label: string, by: number, look?: string) => HTMLButtonElement} */
  const button = (label, by, look = "") =>
    h("button", { class: `srsm-button ${look}`, type: "button", onclick: () => go(step + by, by) }, label);
  const back = button("Back", -1);
  const next = button("Next", 1, "srsm-primary");
  const card = h(
    "div",
    { class: "srsm-tour", popover: "manual", role: "dialog", "aria-label": "tour", ...OWN_KEYS },
    words,
    h(
      "div",
      { class: "srsm-help-head" },
      count,
      back,
      next,
      h("button", { class: "srsm-button", type: "button", onclick: () => end() }, "End"),
    ),
  );
  card.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end();
  });
  const chip = h(
    "span",
    { class: "srsm-tour-offer", hidden: kept(SEEN) !== null },
    h(
      "button",
      { class: "srsm-button", type: "button", title: "New here? Four steps", onclick: () => start() },
      "Tour",
    ),
    h("button", { class: "srsm-button", type: "button", "aria-label": "no tour", onclick: () => end() }, "×"),
  );

  /** @param {number} k */
  const target = (k) => {
    const found = surroundings().querySelector(STEPS[k][0]);
    return found instanceof HTMLElement && found.offsetWidth ? found : null;
  };
  /**
   * @param {number} wanted
   * @param {number} by to where one goes on from a step whose place is not on the screen
   */
  function go(wanted, by) {
    place?.classList.remove("srsm-toured");
    let k = wanted;
    while (STEPS[k] && !target(k)) k += by;
    if (k >= STEPS.length || k < 0) {
      end();
      return;
    }
    step = k;
    place = /** @type {HTMLElement} */ (target(k));
    place.classList.add("srsm-toured");
    place.scrollIntoView({ block: "nearest" });
    words.textContent = STEPS[k][1];
    count.textContent = `${k + 1} of ${STEPS.length}`;
    back.disabled = k === 0;
    next.textContent = k === STEPS.length - 1 ? "Done" : "Next";
    if (!card.matches(":popover-open")) card.showPopover();
    beside(card, place);
    next.focus();
  }
  function start() {
    chip.hidden = true;
    keep(SEEN, "seen");
    go(0, 1);
  }
  function end() {
    chip.hidden = true;
    keep(SEEN, "seen");
    place?.classList.remove("srsm-toured");
    if (card.matches(":popover-open")) card.hidePopover();
  }
  return {
    root: h("span", {}, chip, card),
    start,
    stop() {
      place?.classList.remove("srsm-toured");
    },
  };
}
