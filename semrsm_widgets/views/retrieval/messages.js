// What RetrievalView gets from the kernel: the rankings of one query.

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
 * @property {import("../base/wire.js").NullLevel | null} null
 * @property {boolean} complete
 * @property {Float32Array | null} right F1 of every image's labels with the query's
 */

/**
 * Where a box of the query was found in the answers.
 *
 * @typedef {object} Where
 * @property {string} layer
 * @property {number} query
 * @property {number[]} box
 * @property {[rows: number, columns: number]} grid
 * @property {number[]} images
 * @property {import("../base/placed.js").Box[]} places of the token grid on each image's picture
 * @property {[width: number, height: number][]} sizes of the pictures
 * @property {Int32Array} tokens by image, as many each: -1 for none
 */

/**
 * The patches that a box was matched with in one image, as a path over its picture, in the picture's pixels; null where
 * that is not known.
 *
 * @param {Where} where
 * @param {number} index
 */
export function foundPath({ grid: [rows, columns], images, places, sizes, tokens }, index) {
  const k = images.indexOf(index);
  if (k < 0) return null;
  const [width, height] = sizes[k];
  const [left, top, right, bottom] = places[k];
  const [wide, high] = [((right - left) * width) / columns, ((bottom - top) * height) / rows];
  const each = tokens.length / images.length;
  const cells = [...tokens.slice(k * each, (k + 1) * each)].filter((token) => token >= 0);
  const path = cells.map((token) => {
    const [row, column] = [Math.floor(token / columns), token % columns];
    return `M${left * width + column * wide} ${top * height + row * high}h${wide}v${high}h${-wide}z`;
  });
  return { path: path.join(""), width, height };
}

/**
 * The numbers of a row come under its name.
 *
 * @param {any} message
 * @returns {Results}
 */
export function readResults(message) {
  const rows = message.rows.map((/** @type {any} */ row) => {
    if (row.state !== "ready") return row;
    /** @type {Float32Array} */
    const values = message[`${row.name} similarity`];
    /** @type {Int32Array} */
    const order = message[`${row.name} order`];
    const ranks = new Int32Array(values.length).fill(-1);
    order.forEach((index, rank) => {
      ranks[index] = rank;
    });
    return { ...row, values, order, ranks };
  });
  return { ...message, right: message.right ?? null, rows };
}
