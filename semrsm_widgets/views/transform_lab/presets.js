// Settings to start from, each with what it shows.

import { h } from "../base/dom.js";

const UNMOVED = { shift: [0, 0], flip: false, zoom: 1, tiles: 1 };
const PATCHES = 3;

/** @typedef {import("../base/grid_pointer.js").Grid} Grid */

/** @type {[name: string, words: string, setting: (grid: Grid | null) => Record<string, any>][]} */
const PRESETS = [
  [
    "shift",
    "By whole patches: the same tokens, elsewhere. Aligned falls, semantic finds them.",
    (grid) => ({ shift: [Math.min(0.5, PATCHES / (grid?.[1] ?? 2 * PATCHES)), 0] }),
  ],
  [
    "mirror",
    "Every patch has a mirrored partner: found as far as the model takes the two for alike.",
    () => ({ flip: true }),
  ],
  ["zoom", "The same thing larger: what was one patch is four.", () => ({ zoom: 1.6 })],
  ["tiles", "Cut up and put together otherwise: only patches at the seams are new.", () => ({ tiles: 2 })],
  [
    "where it fails",
    "Small tiles: every patch sees a seam, so few tokens have a partner. The mean token (pooled) hardly minds.",
    () => ({ tiles: 8 }),
  ],
];

/**
 * @param {import("../base/model.js").Model} model
 * @param {() => Grid | null} grid of the layer on screen
 */
export function labPresets(model, grid) {
  const words = h("span", { class: "srsm-label", "aria-live": "polite" });
  /** @type {(setting: Record<string, any>, said: string) => void} */
  const apply = (setting, said) => {
    for (const [name, value] of Object.entries({ ...UNMOVED, ...setting })) model.set(name, value);
    model.save_changes();
    words.textContent = said;
  };
  /** @type {(name: string, onclick: () => void, title?: string) => HTMLButtonElement} */
  const button = (name, onclick, title) => h("button", { class: "srsm-button", type: "button", title, onclick }, name);
  return {
    root: h(
      "div",
      { class: "srsm-controls srsm-presets", role: "group", "aria-label": "settings to start from" },
      h("span", { class: "srsm-label" }, "try"),
      ...PRESETS.map(([name, said, setting]) => button(name, () => apply(setting(grid()), said), said)),
      button("Reset", () => apply({}, "")),
      words,
    ),
  };
}
