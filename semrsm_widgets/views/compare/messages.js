// What the layer map gets from the kernel.

import { SIMILARITIES } from "../base/similarities.js";
import { asArray, jpegUrl } from "../base/wire.js";

/** @typedef {import("../base/controls.js").Layer} Layer */
/** @typedef {import("./cells.js").MapCell} MapCell */

/**
 * Two images whose similarity differs.
 *
 * @typedef {object} Change
 * @property {[number, number]} pair
 * @property {number} a
 * @property {number} b
 * @property {number} rank_a
 * @property {number} rank_b
 */

/**
 * What an opened cell shows. A number in brackets is one for A and one for B; `values`, `standard` and `ranks` are N x N,
 * null where the kernel has to be asked.
 *
 * @typedef {object} Detail
 * @property {[a: string, b: string]} cell
 * @property {string} similarity
 * @property {string} kernel
 * @property {string} [reason] why there is no difference
 * @property {number[][]} [ranges]
 * @property {[number, number]} [span] range of the standardised RSMs
 * @property {number} [limit] of the difference; without one, the two cannot be compared
 * @property {number} [cka]
 * @property {number} [pairs]
 * @property {[number, number]} [nulls] what unrelated tokens reach
 * @property {Change[]} [more_a]
 * @property {Change[]} [more_b]
 * @property {Uint8Array[]} colours of both, of both standardised and of the difference
 * @property {(Float32Array | null)[]} values
 * @property {(Float32Array | null)[]} standard
 * @property {(Int32Array | null)[]} ranks
 * @property {string[]} own
 * @property {Map<number, string>} ownThumbnails image -> URL
 */

/**
 * What the layer map knows.
 *
 * @typedef {object} MapState
 * @property {{ palettes: { map: string[], values: string[], difference: string[] }, thumbnails: string[] } | null} setup
 * @property {Map<string, KernelCells>} cells by kernel
 * @property {Detail | null} detail of the cell that was opened last
 * @property {{ i: number, j: number, values: (number | null)[] | null } | null} late the kernel's answer to a hover
 */

/** @typedef {{ known: Map<string, MapCell>, complete: boolean }} KernelCells cells by `cellKey` */

/**
 * @param {string} layerA
 * @param {string} layerB
 * @param {string} similarity
 */
export const cellKey = (layerA, layerB, similarity) => `${layerA}\n${layerB}\n${similarity}`;

/** The kinds of RSM, in the order in which the kernel numbers them. */
export const KINDS = [...SIMILARITIES.keys()];

/**
 * A cell of the map. The order is that of `_send_cells` and `_cell_facts` in the view's Python.
 *
 * @param {[number, number, number, ...any]} row
 * @param {Layer[][]} layers of A and B
 * @param {number} n images
 * @returns {MapCell}
 */
export function readCell([row, column, kind, value, low, high, lowestA, lowestB, reason], layers, n) {
  return {
    layer_a: layers[0][row].name,
    layer_b: layers[1][column].name,
    similarity: KINDS[kind],
    value,
    low,
    high,
    smallest_eigenvalue_a: lowestA,
    smallest_eigenvalue_b: lowestB,
    reason,
    n,
  };
}

/**
 * What an opened cell shows. The order of the buffers is that of `detail_message` in Python.
 *
 * @param {any} content
 * @param {DataView[]} buffers
 * @returns {Detail}
 */
export function readDetail(content, buffers) {
  /** @type {number[]} */
  const own = content.thumbnails ?? [];
  const count = buffers.length - own.length;
  const urls = buffers.slice(count).map(jpegUrl);
  const maps = content.limit === undefined ? 2 : 5;
  /** @param {number} k */
  const numbers = (k) => (k < count ? asArray(buffers[k], Float32Array) : null);
  /** @param {number} k */
  const places = (k) => (k < count ? asArray(buffers[k], Int32Array) : null);
  const colours = buffers.slice(0, Math.min(maps, count)).map((buffer) => asArray(buffer, Uint8Array));
  return {
    ...content,
    colours,
    own: urls,
    ownThumbnails: new Map(own.map((k, place) => [k, urls[place]])),
    values: [numbers(maps), numbers(maps + 1)],
    standard: maps === 5 ? [numbers(maps + 2), numbers(maps + 3)] : [null, null],
    ranks: maps === 5 ? [places(maps + 4), places(maps + 5)] : [null, null],
  };
}
