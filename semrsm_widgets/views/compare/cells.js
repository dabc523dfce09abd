// A cell of the layer x layer map: what is known of it, in words and as a colour. Nothing here touches the page.

import { format } from "../base/format.js";
import { channels } from "../base/pixels.js";

/**
 * CKA of one kind of RSM of a layer of A and a layer of B.
 *
 * @typedef {object} MapCell
 * @property {string} layer_a
 * @property {string} layer_b
 * @property {string} similarity
 * @property {number | null} value null: not defined, `reason` says why
 * @property {number | null} low end of its 95 % interval; null: there is none
 * @property {number | null} high
 * @property {number | null} smallest_eigenvalue_a
 * @property {number | null} smallest_eigenvalue_b
 * @property {string} reason
 * @property {number} n images
 */

const LONGEST_NAME = 20;
const NEGATIVE = "#c2577f"; // CKA of -1; the range from 0 to 1 holds none below 0

/**
 * What layers of one model have in common at the front is left out where names are long, then their middle.
 *
 * @param {{ name: string }[]} layers
 */
export function shortNames(layers) {
  const names = layers.map((layer) => layer.name);
  if (Math.max(...names.map((name) => name.length)) <= LONGEST_NAME) return names;
  let common = names[0];
  for (const name of names) while (!name.startsWith(common)) common = common.slice(0, -1);
  const cut = names.length > 1 ? common.search(/[^._/]*$/) : 0;
  return names.map((name) => {
    const rest = cut > 0 ? `…${name.slice(cut)}` : name;
    return rest.length <= LONGEST_NAME ? rest : `${rest.slice(0, 6)}…${rest.slice(-(LONGEST_NAME - 7))}`;
  });
}

/**
 * The colour of a CKA. The still picture colours it alike: a test compares the two.
 *
 * @param {number} value
 * @param {string[]} palette of "#rrggbb", from 0 to 1
 */
export function ckaColour(value, palette) {
  if (value >= 0) return palette[Math.floor(Math.min(1, value) * (palette.length - 1) + 0.5)];
  const part = 0.25 + 0.75 * Math.min(1, -value);
  const [from, to] = [channels(palette[0]), channels(NEGATIVE)];
  return `#${from
    .map((k, at) =>
      Math.floor(k + part * (to[at] - k) + 0.5)
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}

/**
 * The colour in which words can be read on another.
 *
 * @param {string} colour
 */
export function inkOn(colour) {
  const [red, green, blue] = channels(colour);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 128 ? "#000" : "#fff";
}

/**
 * In words, for screen readers and for the read-out.
 *
 * @param {MapCell | undefined} cell
 */
export function cellWords(cell) {
  if (!cell) return "not compared yet";
  if (cell.value === null) return `not defined: ${cell.reason}`;
  const interval =
    cell.low === null
      ? `no interval (${cell.reason || "too few images"})`
      : `95 % interval ${format(cell.low)} to ${format(cell.high)}`;
  return `CKA ${format(cell.value)}, ${interval}, ${cell.n} images${isUncertain(cell) ? ", not certain to differ from 0" : ""}`;
}

/**
 * Whether the interval holds 0, or there is none.
 *
 * @param {MapCell} cell
 */
export function isUncertain(cell) {
  return cell.value !== null && (cell.low === null || cell.low <= 0);
}
