// How alike the patches of two images are: rows of cosines for the patch that is pointed at, and why its most similar
// patch may not be its partner. Nothing here touches the page.

import { format } from "../base/format.js";

/**
 * Cosines of all patches of A and B, as 16-bit steps from -1 to 1.
 *
 * @typedef {object} Alike
 * @property {string} layer
 * @property {[number, number]} pair
 * @property {number} most up to so many patches an image they are here
 * @property {Uint16Array} [aa] (S, S)
 * @property {Uint16Array} [ab] (S, S)
 * @property {Uint16Array} [bb] (S, S)
 */

/** @param {number} step */
const cosineOf = (step) => step / 32767.5 - 1;

/**
 * How alike each patch of A and of B is to one of them; null where that is not known.
 *
 * @param {Alike} alike
 * @param {{ side: number, token: number }} at
 * @returns {[Float32Array, Float32Array] | null}
 */
export function rowsOf({ aa, ab, bb }, { side, token }) {
  if (!aa || !ab || !bb) return null;
  const size = Math.round(Math.sqrt(ab.length));
  /** @type {(matrix: Uint16Array, start: number, step: number) => Float32Array} */
  const line = (matrix, start, step) => {
    const row = new Float32Array(size);
    for (let k = 0; k < size; k += 1) row[k] = cosineOf(matrix[start + k * step]);
    return row;
  };
  return side === 0
    ? [line(aa, token * size, 1), line(ab, token * size, 1)]
    : [line(ab, token, size), line(bb, token * size, 1)];
}

/**
 * Why the patch that is most like the one pointed at is not its partner; empty where it is, or where nothing is paired.
 *
 * @param {Alike} alike
 * @param {[Float32Array, Float32Array]} rows
 * @param {{ side: number, token: number }} at
 * @param {{ permutation: Int32Array, inverse: Int32Array }} matches
 * @param {(side: number, token: number) => string} name of a patch
 * @returns {{ token: number, words: string } | null} the most similar patch of the other image
 */
export function whyNot(alike, rows, { side, token }, { permutation, inverse }, name) {
  const other = rows[1 - side];
  const [mine, theirs] = side === 0 ? [permutation, inverse] : [inverse, permutation];
  let best = 0;
  for (let k = 1; k < other.length; k += 1) if (other[k] > other[best]) best = k;
  const partner = mine[token];
  if (partner === best || (partner >= 0 && other[best] - other[partner] < 1e-4)) return null;
  const words = `most alike is ${name(1 - side, best)} (${format(other[best])})`;
  const taker = theirs[best];
  if (taker < 0) return { token: best, words: `${words}, which is no patch’s partner` };
  const size = other.length;
  const [row, column] = side === 0 ? [taker, best] : [best, taker];
  const kept = alike.ab ? cosineOf(alike.ab[row * size + column]) : NaN;
  // Both pairs exchanged would add up to less: the matching is the best one.
  const why = partner >= 0 && kept < other[best] ? ", so that both together give more" : "";
  return { token: best, words: `${words}: it is taken by ${name(side, taker)} (${format(kept)})${why}` };
}
