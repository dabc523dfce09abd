// The sliders of the lab. Each says in words what it does, in patches where there are some.

import { h, OWN_KEYS } from "../base/dom.js";

/** @typedef {{ input: HTMLInputElement, words: HTMLElement, cells: HTMLElement[] }} Knob */

const SHIFT_STEPS = 28; // of the picture's side: half patches on a 14 x 14 grid

/**
 * @param {import("../base/model.js").Model} model
 * @param {(name: string, value: any) => void} set
 */
export function labKnobs(model, set) {
  const limits = model.get("_limits");
  /** @type {(label: string, min: number, max: number, step: number, change: (value: number) => void) => Knob} */
  const range = (label, min, max, step, change) => {
    const input = h("input", { type: "range", class: "srsm-slider", min, max, step, "aria-label": label, ...OWN_KEYS });
    const words = h("output", { class: "srsm-knob-words" });
    input.addEventListener("input", () => change(Number(input.value)));
    return { input, words, cells: [h("span", { class: "srsm-label" }, label), input, words] };
  };
  const most = Math.round(limits.shift * SHIFT_STEPS);
  /** @type {(axis: number) => (steps: number) => void} */
  const move = (axis) => (steps) => {
    const shift = [...model.get("shift")];
    shift[axis] = steps / SHIFT_STEPS;
    set("shift", shift);
  };
  const across = range("shift across", -most, most, 1, move(0));
  const down = range("shift down", -most, most, 1, move(1));
  const zoom = range("zoom", limits.least_zoom, limits.most_zoom, 0.05, (value) => set("zoom", value));
  const tiles = range("tiles", 1, limits.tiles, 1, (value) => set("tiles", value));
  const again = h(
    "button",
    { class: "srsm-button", type: "button", onclick: () => set("seed", model.get("seed") + 1) },
    "Shuffle again",
  );
  const flip = h("input", { type: "checkbox" });
  flip.addEventListener("change", () => set("flip", flip.checked));
  const border = h(
    "select",
    { class: "srsm-choose", "aria-label": "beyond the picture’s edge" },
    ...model.get("_borders").map((/** @type {string} */ words) => h("option", { value: words }, words)),
  );
  border.addEventListener("change", () => set("border", border.value));
  const root = h(
    "div",
    { class: "srsm-knobs" },
    ...across.cells,
    ...down.cells,
    ...zoom.cells,
    ...tiles.cells.slice(0, 2),
    h("span", { class: "srsm-knob-tiles" }, tiles.words, again),
    h(
      "div",
      { class: "srsm-knob-row" },
      h("label", { class: "srsm-field" }, flip, "mirror left and right"),
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "beyond the edge"), border),
    ),
  );

  return {
    root,
    /** @param {import("../base/grid_pointer.js").Grid | null} grid */
    show(grid) {
      const [dx, dy] = model.get("shift");
      across.input.value = String(dx * SHIFT_STEPS);
      down.input.value = String(dy * SHIFT_STEPS);
      across.words.textContent = shiftWords(dx, grid?.[1] ?? null, "right", "left");
      down.words.textContent = shiftWords(dy, grid?.[0] ?? null, "down", "up");
      zoom.input.value = model.get("zoom");
      const scale = model.get("zoom");
      zoom.words.textContent =
        Math.abs(scale - 1) < 1e-9 ? "none" : `${scale.toFixed(2)}× · ${scale > 1 ? "centre cropped" : "shrunk"}`;
      tiles.input.value = model.get("tiles");
      const count = model.get("tiles");
      tiles.words.textContent = count === 1 ? "whole" : `${count} × ${count} shuffled`;
      for (const knob of [across, down, zoom, tiles]) knob.input.setAttribute("aria-valuetext", knob.words.textContent);
      again.disabled = count === 1;
      flip.checked = model.get("flip");
      border.value = model.get("border");
    },
  };
}

/**
 * How far a picture was moved along one axis.
 *
 * @param {number} part of its side
 * @param {number | null} patches along that side
 * @param {string} forth
 * @param {string} back
 */
export function shiftWords(part, patches, forth, back) {
  if (Math.abs(part) < 1e-9) return "none";
  const percent = `${Math.round(100 * Math.abs(part))} % ${part > 0 ? forth : back}`;
  if (patches === null) return percent;
  const count = Math.abs(part) * patches;
  return `${percent} · ${Number(count.toFixed(1))} patch${count === 1 ? "" : "es"}`;
}
