// Values by layer as curves, depth from left to right. Layers stand where the slider's knob stands on them, so that one
// lies over the other.

import { setAttributes, svg } from "./dom.js";

/** @typedef {Record<string, number | null | undefined>} Row values of one layer by name; what is not there yet is left out */

/** The width of the slider's knob, in pixels: its middle stands on the layer (base/style.css has it, too). */
export const KNOB = 14;
const ABOVE = 4; // pixels over the highest value
const MOST_DOTS = 24; // layers; among more, a dot at each would hide the curves

/** @param {number | null | undefined} value */
const isThere = (value) => Number.isFinite(value);

/**
 * The scale that all rows share: from 0 to 1, or as far as they reach where 1 is no natural end.
 *
 * @param {(Row | null)[]} rows
 * @param {boolean} isBounded
 * @returns {[low: number, high: number]}
 */
export function scaleOf(rows, isBounded = true) {
  const values = rows
    .flatMap((row) => Object.values(row ?? {}))
    .filter(isThere)
    .map(Number);
  const high = isBounded ? 1 : Math.max(0, ...values);
  return [Math.min(0, ...values), high > 0 ? high : 1];
}

/**
 * Where the layers stand from left to right.
 *
 * @param {number} count
 * @param {number} width in pixels
 */
export const placesOf = (count, width) =>
  Array.from({ length: count }, (_, k) => KNOB / 2 + (count > 1 ? k / (count - 1) : 0.5) * (width - KNOB));

/**
 * The layer under a pointer, the nearest one: the reverse of `placesOf`.
 *
 * @param {{ clientX: number }} event
 * @param {Element} element that the layers stand on
 * @param {number} count
 */
export function layerUnder({ clientX }, element, count) {
  const { left, width } = element.getBoundingClientRect();
  const part = (clientX - left - KNOB / 2) / Math.max(1, width - KNOB);
  return Math.min(count - 1, Math.max(0, Math.round(part * (count - 1))));
}

/**
 * The path of one curve, broken where a layer has no value.
 *
 * @param {(number | null)[]} heights
 * @param {number[]} places
 */
export function pathOf(heights, places) {
  let path = "";
  let isOpen = false;
  heights.forEach((y, k) => {
    if (y !== null) path += `${isOpen ? "L" : "M"}${places[k].toFixed(1)} ${y.toFixed(1)}`;
    isOpen = y !== null;
  });
  return path;
}

/**
 * The area between two curves, where both are and the first lies above: in pixels, less is higher.
 *
 * @param {(number | null)[]} upper
 * @param {(number | null)[]} lower
 * @param {number[]} places
 */
export function areaPath(upper, lower, places) {
  let path = "";
  for (let k = 1; k < places.length; k += 1) {
    const [a, b, c, d] = [upper[k - 1], upper[k], lower[k], lower[k - 1]];
    if (a === null || b === null || c === null || d === null) continue;
    /** @type {[number, number][]} */
    const corners = [
      [places[k - 1], Math.min(a, d)],
      [places[k], Math.min(b, c)],
      [places[k], c],
      [places[k - 1], d],
    ];
    path += `M${corners.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
  }
  return path;
}

/**
 * @param {string[]} names of the curves, the one that lies on top last; each is a class
 */
export function layerChart(names) {
  const root = svg("svg", { class: "srsm-layer-curves", "aria-hidden": "true" });
  const zero = svg("line", { class: "srsm-curve-zero" });
  const area = svg("path", { class: "srsm-curve-area" }); // what semantic has above unrelated
  const lines = names.map((name) => svg("path", { class: `srsm-curve srsm-curve-${name}` }));
  const dots = svg("g");
  const here = svg("line", { class: "srsm-curve-at" }); // the layer on screen
  root.append(area, zero, here, ...lines, dots);
  let [width, height] = [0, 0];
  /** @type {{ rows: (Row | null)[], at: number, scale: [number, number] } | null} */
  let shown = null;
  let drawn = ""; // what the drawing was made of: at each step of a slider it is asked for several times

  function draw() {
    if (!shown || !width) return;
    const { rows, at, scale } = shown;
    const now = JSON.stringify([rows, at, scale, width, height]);
    if (now === drawn) return;
    drawn = now;
    const [low, high] = scale;
    const places = placesOf(rows.length, width);
    /** @param {number} value */
    const heightOf = (value) => ABOVE + (1 - (value - low) / (high - low)) * (height - 2 * ABOVE);
    setAttributes(zero, { x1: KNOB / 2, x2: width - KNOB / 2, y1: heightOf(0), y2: heightOf(0) });
    setAttributes(here, { x1: places[at] ?? -9, x2: places[at] ?? -9, y1: 0, y2: height });
    dots.replaceChildren();
    /** @param {string} name */
    const heightsOf = (name) =>
      rows.map((row) => {
        const value = row?.[name];
        return isThere(value) ? heightOf(Math.min(high, Number(value))) : null;
      });
    area.setAttribute("d", areaPath(heightsOf("semantic"), heightsOf("unrelated"), places));
    names.forEach((name, curve) => {
      const heights = heightsOf(name);
      lines[curve].setAttribute("d", pathOf(heights, places));
      heights.forEach((y, k) => {
        if (y === null) return;
        // one that stands alone has no line to be seen by
        const isAlone = (heights[k - 1] ?? null) === null && (heights[k + 1] ?? null) === null;
        if (k !== at && !isAlone && (rows.length > MOST_DOTS || name === "unrelated")) return;
        const r = k === at ? 3 : 1.6;
        dots.append(svg("circle", { class: `srsm-curve-${name}`, cx: places[k], cy: y, r }));
      });
    });
  }
  const observer = new ResizeObserver(() => {
    [width, height] = [root.clientWidth, root.clientHeight];
    draw();
  });
  observer.observe(root);

  return {
    root,
    /**
     * @param {(Row | null)[]} rows a row a layer
     * @param {number} at the layer on screen
     * @param {[low: number, high: number]} scale
     */
    show(rows, at, scale) {
      shown = { rows, at, scale };
      draw();
    },
    stop() {
      observer.disconnect();
    },
  };
}
