// Heat over pictures: one colour scale from the least cosine shown to 1, with the unrelated level in it.

import { h } from "../base/dom.js";
import { format } from "../base/format.js";

/** @typedef {[red: number, green: number, blue: number, alpha: number]} Colour */

// Above the unrelated level from dark to bright; what is not above it is a grey veil.
/** @type {Colour[]} */
const RAMP = [
  [66, 10, 104, 0.62],
  [147, 38, 103, 0.64],
  [221, 81, 58, 0.68],
  [252, 165, 10, 0.74],
  [252, 255, 164, 0.8],
];
/** @type {Colour} */
const VEIL = [24, 24, 28, 0.62];
const STEPS = 256;

/** Colours of what is above unrelated, as bytes. */
const COLOURS = Array.from({ length: STEPS }, (_, k) => {
  const at = (k / (STEPS - 1)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[low].map((value, c) => value + (at - low) * (RAMP[low + 1][c] - value));
});

/**
 * The colour of a cosine.
 *
 * @param {number} value
 * @param {number} level that unrelated tokens reach
 */
export function heatColour(value, level) {
  if (!(value > level)) return VEIL;
  return COLOURS[Math.round(Math.min(1, (value - level) / Math.max(1e-9, 1 - level)) * (STEPS - 1))];
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} row cosines, in the grid's raster order
 * @param {[number, number]} grid
 * @param {number} level
 */
export function drawHeat(canvas, row, [rows, columns], level) {
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(columns, rows);
  for (let k = 0; k < row.length; k += 1) {
    const [red, green, blue, alpha] = heatColour(row[k], level);
    image.data.set([red, green, blue, 255 * alpha], 4 * k);
  }
  context.putImageData(image, 0, 0);
}

/** The colour scale: it says which cosine is which colour, and where the unrelated level lies. */
export function heatScale() {
  const bar = h("span", { class: "srsm-heat-bar", "aria-hidden": "true" });
  const low = h("span", { class: "srsm-number" });
  const level = h("span", { class: "srsm-number" });
  const root = h(
    "span",
    { class: "srsm-heat-scale" },
    "heat: cosine ",
    h("span", { class: "srsm-heat-range" }, low, bar, "1"),
  );
  bar.append(h("span", { class: "srsm-heat-tick" }), level);
  /** @type {(colour: number[]) => string} */
  const css = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;
  return {
    root,
    /** @param {number | null} unrelated null while it is not known */
    show(unrelated) {
      const start = unrelated === null ? 0 : Math.min(0, unrelated);
      const at = unrelated === null ? 0 : Math.min(0.98, Math.max(0, (unrelated - start) / (1 - start)));
      low.textContent = format(start);
      level.textContent = unrelated === null ? "" : `unrelated ${format(unrelated)}`;
      level.hidden = unrelated === null;
      const stops = RAMP.map((colour, k) => `${css(colour)} ${100 * (at + ((1 - at) * k) / (RAMP.length - 1))}%`);
      bar.style.background = `linear-gradient(to right, ${css(VEIL)} ${100 * at}%, ${stops.join(", ")})`;
      bar.style.setProperty("--srsm-at", `${100 * at}%`);
      bar.classList.toggle("srsm-late", at > 0.5);
    },
  };
}
