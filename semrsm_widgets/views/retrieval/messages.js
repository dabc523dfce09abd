// What RetrievalView gets from the kernel: the rankings of one query.

import { asArray } from "../base/wire.js";

/**
 * One ranking that is there.
 *
 * @typedef {object} ReadyRow
 * @property {"ready"} state
 * @property {string} name
 * @property {string} reason
 * @property {(boolean | null)[] | null} certain whether the first 1, 2, ... are certified
 * @property {number[]} f1
 * @property {number | null} ap
 * @property {Float32Array} values similarity of each image
 * @property {Int32Array} order images, the nearest first, without the query
 * @property {Int32Array} ranks place of each image in the order, -1 for the query
 */

/** @typedef {{ state: "pending" | "undefined", name: string, reason: string }} OtherRow a ranking that is not there */
/** @typedef {ReadyRow | OtherRow} Row */

/**
 * @typedef {object} Results
 * @property {string} layer
 * @property {string} kernel
 * @property {number} query -1: a picture from outside the set
 * @property {[number, number, number, number] | null} box
 * @property {[number, number] | null} grid
 * @property {[used: number, all: number]} patches
 * @property {Row[]} rows
 * @property {number | null} sigma
 * @property {boolean} own_sigma
 * @property {{ relevant: number, labelled: number, unlabelled: number, chance_f1: number | null, chance_ap: number | null } | null} answers
 * @property {{ mean: number, quantile95: number, n: number } | null} null
 * @property {boolean} complete
 * @property {Float32Array | null} right F1 of every image's labels with the query's
 */

/**
 * The numbers come as buffers: F1 of every image's labels with the query's, then similarities and order of each row.
 *
 * @param {any} content
 * @param {DataView[]} buffers
 * @returns {Results}
 */
export function readResults(content, buffers) {
  let next = 0;
  const right = content.answers ? asArray(buffers[next++], Float32Array) : null;
  const rows = content.rows.map((/** @type {any} */ row) => {
    if (row.state !== "ready") return row;
    const values = asArray(buffers[next++], Float32Array);
    const order = asArray(buffers[next++], Int32Array);
    const ranks = new Int32Array(values.length).fill(-1);
    order.forEach((index, rank) => {
      ranks[index] = rank;
    });
    return { ...row, values, order, ranks };
  });
  return { ...content, right, rows };
}
