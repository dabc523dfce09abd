// More images than a page could hold: windows of an overview (see large.py), in the place of frames of all pairs.

import { h } from "../base/dom.js";
import { format } from "../base/format.js";
import { drawPixels } from "../base/pixels.js";
import { decoded, MISSING_COLOUR, TOP_COLOUR } from "./matrices.js";

/** @typedef {import("../base/bokeh_pane.js").Square} Square */
/** @typedef {import("./matrices.js").Range} Range */

export const MOST_CELLS = 512; // a side; the kernel sends no more

/**
 * What is known of all pairs of a layer under a kernel, beside a baseline.
 *
 * @typedef {object} Whole
 * @property {string} layer
 * @property {string} kernel
 * @property {string} baseline
 * @property {Range} range
 * @property {number} reach
 * @property {import("../base/wire.js").NullLevel | null} null
 * @property {number | null} sigma
 * @property {number} sampled of how many pairs the differences are
 * @property {Record<string, Float32Array>} spreads "semantic" -> shares of the pairs on the range
 */

/**
 * A part of the matrices, in cells of `side` x `side` pairs.
 *
 * @typedef {object} Window
 * @property {string} layer
 * @property {string} kernel
 * @property {[number, number]} rows the first image, and the one after the last
 * @property {[number, number]} columns
 * @property {number} side
 * @property {number} height in cells
 * @property {number} width
 * @property {Record<string, Float32Array>} values "semantic mean" -> cells, row by row; the largest values are sent when
 *   they are asked for
 * @property {Asked} asked what the page asked for, or the kernel supposed
 */

/** @typedef {{ row: number, column: number, side: number, cells: number }} Asked */

/**
 * A message of the kernel about all pairs.
 *
 * @param {any} message
 * @returns {Whole}
 */
export function unpackWhole(message) {
  const names = ["baseline", "semantic", "difference"];
  return { ...message, spreads: Object.fromEntries(names.map((name) => [name, message[`${name} spread`]])) };
}

/**
 * A message of the kernel, with its steps made numbers: of a matrix, when it is first looked at, which the largest
 * values often are not. A cell of one pair has one value.
 *
 * @param {any} message
 * @returns {Window & { baseline: string }}
 */
export function unpackWindow({ matrices, ...message }) {
  /** @type {Record<string, Float32Array>} */
  const values = {};
  for (const { name, low, high } of matrices) {
    const packed = message[name];
    delete message[name];
    /** @type {Float32Array | undefined} */
    let numbers;
    const get = () => (numbers ??= decoded(packed, { low, high }));
    Object.defineProperty(values, name, { get });
    if (message.side === 1) Object.defineProperty(values, name.replace("mean", "largest"), { get });
  }
  const [height, width] = [message.rows, message.columns].map(([first, last]) =>
    Math.ceil((last - first) / message.side),
  );
  return { ...message, height, width, values };
}

/**
 * Whether it is known of the cells of a window.
 *
 * @param {Window} window
 * @param {string} statistic
 */
export const has = (window, statistic) => `semantic ${statistic}` in window.values;

/**
 * What is in sight once a message has come: another window, or the one that was there with its largest values.
 *
 * @template {Window & { baseline: string }} Shown
 * @param {Shown | null} window
 * @param {Shown} came
 * @returns {Shown | null}
 */
export function joined(window, came) {
  if (has(came, "mean")) return came;
  /** @type {(of: Shown) => string} */
  const place = ({ layer, kernel, baseline, rows, columns, side }) =>
    JSON.stringify([layer, kernel, baseline, rows, columns, side]);
  if (window && place(window) === place(came))
    Object.defineProperties(window.values, Object.getOwnPropertyDescriptors(came.values));
  return window;
}

/**
 * What the three heatmaps show of a window: the baseline, semantic, and the difference of their means.
 *
 * @param {Window} window
 * @param {{ statistic: string, level: number }} choice `level` is subtracted from semantic
 */
export function windowMatrices({ values }, { statistic, level }) {
  const [means, others, shown] = [values["semantic mean"], values["baseline mean"], values[`semantic ${statistic}`]];
  const [semantic, difference] = [new Float32Array(means.length), new Float32Array(means.length)];
  for (let k = 0; k < means.length; k += 1) {
    semantic[k] = shown[k] - level;
    difference[k] = means[k] - level - others[k];
  }
  return [values[`baseline ${statistic}`], semantic, difference];
}

/**
 * Colour indices 0..254 of cells on [low, high].
 *
 * A plain loop without calls: of half a million cells the difference is a frame that is not missed.
 *
 * @param {Float32Array} values
 * @param {Range} range
 */
export function cellColours(values, [low, high]) {
  const colours = new Uint8Array(values.length);
  const scale = TOP_COLOUR / (high > low ? high - low : 1);
  for (let k = 0; k < values.length; k += 1) {
    const place = (values[k] - low) * scale + 0.5; // is cut off below, which rounds it
    colours[k] = place < 0 ? 0 : place < TOP_COLOUR ? place : place >= TOP_COLOUR ? TOP_COLOUR : MISSING_COLOUR;
  }
  return colours;
}

/**
 * The mean and the largest value of the cell that a pair is in; null where it is not in the window.
 *
 * @param {Window} window
 * @param {[number, number]} pair places
 */
export function cellAt({ rows, columns, side, width, values }, [row, column]) {
  if (row < rows[0] || row >= rows[1] || column < columns[0] || column >= columns[1]) return null;
  const at = Math.floor((row - rows[0]) / side) * width + Math.floor((column - columns[0]) / side);
  /** @type {(name: string) => { mean: number, largest: number | undefined }} */
  const of = (name) => ({ mean: values[`${name} mean`][at], largest: values[`${name} largest`]?.[at] });
  return { at, semantic: of("semantic"), baseline: of("baseline") };
}

/**
 * What a cell of several pairs holds, in words.
 *
 * @param {NonNullable<ReturnType<typeof cellAt>>} cell
 * @param {number} side
 * @param {string} baseline
 */
export function cellWords({ semantic, baseline: other }, side, baseline) {
  if (Number.isNaN(semantic.mean)) return "Here is no pair of two images.";
  /** @type {(name: string, of: { mean: number, largest: number | undefined }) => string} */
  const words = (name, { mean, largest }) =>
    `${name} ${format(mean)} on average${largest === undefined ? "" : `, ${format(largest)} at most`}`;
  return (
    `The cell under the pointer is ${side} × ${side} pairs: ${words("semantic", semantic)}; ` +
    `${words(baseline, other)}. Above: one of these pairs.`
  );
}

/**
 * What a cell is, in a line.
 *
 * @param {number} side
 * @param {string} statistic
 */
export function viewWords(side, statistic) {
  if (side === 1) return "Each cell is one pair.";
  const what = statistic === "mean" ? "the mean" : "the largest";
  return `An overview: each cell is ${what} of ${side} × ${side} pairs. Zoom in to see pairs.`;
}

/**
 * A canvas that holds a window of the matrix, and is placed where the window lies in the square in sight.
 *
 * @param {HTMLElement} element
 * @param {string[]} palette
 * @param {number} size of the matrix, all of which is in sight at first
 */
export function windowPaint(element, palette, size) {
  const canvas = h("canvas", { class: "srsm-pixels" });
  element.append(canvas);
  /** @type {Square} */
  let area = { row: 0, column: 0, side: size };
  let held = area;
  let [height, width] = [1, 1];
  const place = () => {
    canvas.style.inset = "auto";
    canvas.style.top = `${(100 * (held.row - area.row)) / area.side}%`;
    canvas.style.left = `${(100 * (held.column - area.column)) / area.side}%`;
    canvas.style.height = `${(100 * height * held.side) / area.side}%`;
    canvas.style.width = `${(100 * width * held.side) / area.side}%`;
  };
  return {
    /**
     * @param {Uint8Array} colours
     * @param {Window} window
     */
    setWindow(colours, window) {
      [height, width] = [window.height, window.width];
      held = { row: window.rows[0], column: window.columns[0], side: window.side };
      drawPixels(canvas, colours, { rows: height, columns: width, palette });
      place();
    },
    clear() {
      drawPixels(canvas, new Uint8Array([MISSING_COLOUR]), { rows: 1, columns: 1, palette });
    },
    setImage() {},
    /** @param {Square} square */
    setArea(square) {
      area = square;
      place();
    },
    remove() {
      canvas.remove();
    },
  };
}

/**
 * Asks for windows, one at a time: while one is under way the newest wish waits.
 *
 * @param {(wish: Asked & { statistics: string[] }) => void} send
 */
export function windowRequests(send) {
  let [asked, wished] = ["", ""];
  let sentAt = 0;
  const PATIENCE_MS = 4000; // a kernel that was busy may have dropped a wish
  return {
    /**
     * @param {Asked} asked
     * @param {string[]} statistics of the cells
     */
    wish({ row, column, side, cells }, statistics) {
      wished = JSON.stringify({ row, column, side, cells, statistics });
      if (asked && performance.now() - sentAt < PATIENCE_MS) return;
      if (wished === asked) return;
      asked = wished;
      sentAt = performance.now();
      send(JSON.parse(wished));
    },
    /** One has come; returns whether another is under way. */
    came() {
      const isNewer = asked !== "" && wished !== asked;
      asked = "";
      if (!isNewer) return false;
      asked = wished;
      sentAt = performance.now();
      send(JSON.parse(wished));
      return true;
    },
  };
}
