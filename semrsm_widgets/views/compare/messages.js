// What the layer map gets from the kernel.

import { jpegUrl } from "../base/wire.js";

/** @typedef {import("../base/layer_slider.js").Layer} Layer */
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
 * @property {{ i: number, j: number, values: Late, standard: Late } | null} late the kernel's answer to a hover
 */

/** @typedef {(number | null)[]} Late a number for A and one for B; none of `standard` where the two cannot be compared */

/** @typedef {{ known: Map<string, MapCell>, complete: boolean }} KernelCells cells by `cellKey` */

/**
 * @param {string} layerA
 * @param {string} layerB
 * @param {string} similarity
 */
export const cellKey = (layerA, layerB, similarity) => `${layerA}\n${layerB}\n${similarity}`;

/**
 * Cells of the map: rows of a table whose head is `columns`.
 *
 * @param {any} message
 * @param {Layer[][]} layers of A and B
 * @param {import("../base/similarities.js").Similarity[]} similarities
 * @returns {MapCell[]}
 */
export function readCells({ columns, cells, n }, layers, similarities) {
  return cells.map((/** @type {any[]} */ row) => {
    const cell = Object.fromEntries(row.map((value, k) => [columns[k], value]));
    return {
      ...cell,
      layer_a: layers[0][cell.layer_a].name,
      layer_b: layers[1][cell.layer_b].name,
      similarity: similarities[cell.similarity].name,
      n,
    };
  });
}

/**
 * What an opened cell shows.
 *
 * @param {any} message
 * @returns {Detail}
 */
export function readDetail({ own_thumbnails: pictures = [], ...message }) {
  /** @type {string[]} */
  const own = pictures.map(jpegUrl);
  /** @type {number[]} */
  const images = message.thumbnails ?? [];
  /** @param {string} name */
  const both = (name) => [message[`${name}_a`] ?? null, message[`${name}_b`] ?? null];
  const colours = [...both("colours"), ...both("colours_standard"), message.colours_difference];
  return {
    ...message,
    colours: colours.filter(Boolean),
    own,
    ownThumbnails: new Map(images.map((k, place) => [k, own[place]])),
    values: both("values"),
    standard: both("standard"),
    ranks: both("ranks"),
  };
}
