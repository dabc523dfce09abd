// Which patches PairView outlines, and how. Nothing here touches the page.

import { MINUS } from "../base/format.js";
import { cellOf } from "../base/grid_pointer.js";
import { byFalling, NUMBERED } from "./reading.js";

/** @typedef {import("../base/grid_pointer.js").Grid} Grid */
/** @typedef {import("./reading.js").Said} Said */
/** @typedef {import("./reading.js").Reading} Reading */
/** @typedef {{ side: number, token: number }} Place a patch; side 0 is A, 1 is B, 2 is C */
/** @typedef {{ corners: string[], for: string, against: string }} Colours */

/**
 * What is outlined together.
 *
 * @typedef {object} Mark
 * @property {Place[]} places
 * @property {string} colour
 * @property {number} strength from 0 to 1
 * @property {string} words
 * @property {boolean} [dashed]
 * @property {boolean} [fades] whether a weak one is fainter
 * @property {number} [opacity] of the outlines and of the line, from 0 to 1
 */

// Outlines thinner than this share of the strongest say nothing.
const FAINTEST = 0.08;

// Of each sign so many are shown with their partners, however few are among the strongest.
const LEAST_SHOWN = 3;

/**
 * Marks of what was read: the k strongest, or all that speak for either image.
 *
 * @param {Said} said of images whose tokens have places
 * @param {number} k
 * @param {Colours} colours
 * @returns {Mark[]}
 */
export function marksOf({ matches, reading, other, difference, comparing, order, opacity }, k, colours) {
  if (!reading || order.length === 0 || k === 0) return [];
  if (comparing) return difference && other ? whyMarks(reading, other, difference, order, k, colours) : [];
  if (!reading.partner) return meanMarks(reading, k, colours);
  return pairedMarks(reading, reading.partner, /** @type {Grid} */ (matches.grid), order.slice(0, k), colours, opacity);
}

/** @type {(reading: Reading, partner: ArrayLike<number>, grid: Grid, shown: number[], colours: Colours,
 *   opacity: number[] | null) => Mark[]} */
function pairedMarks({ contribution, ambiguous }, partner, grid, shown, { corners }, opacity) {
  const colour = placeColours(shown, grid, corners);
  const most = Math.abs(contribution[shown[0]]) || 1;
  return shown.map((token, rank) => ({
    places: [
      { side: 0, token },
      { side: 1, token: partner[token] },
    ],
    colour: colour[rank],
    strength: Math.max(0, contribution[token] / most),
    words: rank < NUMBERED ? String(rank + 1) : "",
    dashed: Boolean(ambiguous?.[token]),
    opacity: opacity?.[token],
  }));
}

/**
 * The mean token has no partners: each image's patches stand for themselves.
 *
 * @type {(reading: Reading, k: number, colours: Colours) => Mark[]}
 */
function meanMarks({ contribution, cosine, otherContribution, otherCosine }, k, colours) {
  /** @type {(side: number, values?: Float32Array, cosines?: Float32Array) => Mark[]} */
  const half = (side, values, cosines) => {
    if (!values || !cosines) return [];
    const shown = byFalling(values, cosines).slice(0, k);
    const most = Math.abs(values[shown[0]]) || 1;
    return shown.map((token, rank) => ({
      places: [{ side, token }],
      colour: values[token] < 0 ? colours.against : colours.for,
      strength: Math.max(0, values[token] / most),
      fades: true,
      words: rank < NUMBERED ? String(rank + 1) : "",
    }));
  };
  return [...half(0, contribution, cosine), ...half(1, otherContribution, otherCosine)];
}

/**
 * Each patch of A by what it speaks for; the partners of the strongest on the image that they speak for.
 *
 * @type {(
 *   reading: Reading, other: Reading, difference: number[], order: number[], k: number, colours: Colours,
 * ) => Mark[]}
 */
function whyMarks(reading, other, difference, order, k, colours) {
  const most = Math.abs(difference[order[0]]) || 1;
  const counts = [0, 0]; // that speak for B, for C
  return order
    .filter((token) => Math.abs(difference[token]) >= FAINTEST * most)
    .map((token, rank) => {
      const isForB = difference[token] >= 0;
      const [side, said] = isForB ? [1, reading] : [2, other];
      counts[side - 1] += 1;
      const partner = rank < k || counts[side - 1] <= LEAST_SHOWN ? (said.partner?.[token] ?? -1) : -1;
      return {
        places: [{ side: 0, token }, ...(partner >= 0 ? [{ side, token: partner }] : [])],
        colour: isForB ? colours.for : colours.against,
        strength: Math.abs(difference[token]) / most,
        fades: true,
        words: rank < NUMBERED ? (isForB ? "+" : MINUS) : "",
      };
    });
}

/**
 * The colours of some places in A, mixed from those of the four corners. The rows and columns in which any of them
 * stands are spread evenly: places that crowd together are told apart. A match is found by its colour. The figures
 * colour them alike: a test compares the two.
 *
 * @param {number[]} tokens
 * @param {Grid} grid
 * @param {string[]} corners
 */
export function placeColours(tokens, grid, corners) {
  const cells = tokens.map((token) => cellOf(token, grid));
  const [down, across] = [0, 1].map((axis) => {
    const values = [...new Set(cells.map((cell) => cell[axis]))].sort((a, b) => a - b);
    /** @param {import("../base/grid_pointer.js").Cell} cell */
    return (cell) => (values.length > 1 ? values.indexOf(cell[axis]) / (values.length - 1) : 0.5);
  });
  return cells.map((cell) => {
    const [x, y] = [across(cell), down(cell)];
    const weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
    const mixed = [1, 3, 5].map((at) =>
      corners.reduce((sum, corner, k) => sum + weights[k] * Number.parseInt(corner.slice(at, at + 2), 16), 0),
    );
    return `rgb(${mixed.map((value) => Math.floor(value + 0.5)).join(", ")})`;
  });
}
