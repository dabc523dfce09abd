// Which square of a matrix of `size` rows and columns is shown.

/** @typedef {import("../base/bokeh_pane.js").Square} Square */
/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {{ row: number, column: number, rows: number, columns: number }} Block */

/**
 * The block of cells with two places in its corners.
 *
 * @param {Cell} from
 * @param {Cell} to
 * @returns {Block}
 */
export function blockBetween(from, to) {
  const [row, column] = from.map((place, axis) => Math.min(place, to[axis]));
  const [rows, columns] = from.map((place, axis) => Math.abs(place - to[axis]) + 1);
  return { row, column, rows, columns };
}

/**
 * The square between two places, from the first towards the second; no larger than the one that is shown.
 *
 * @param {Cell} from
 * @param {Cell} to
 * @param {Square} area
 * @param {number} size
 */
export function squareBetween(from, to, area, size) {
  const side = Math.min(area.side, Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])) + 1);
  const [row, column] = from.map((place, axis) => (to[axis] < place ? place - side + 1 : place));
  return within(row, column, side, size);
}

/**
 * An area with its side scaled, so that a place keeps its share of the way across.
 *
 * @param {Square} area
 * @param {number} factor
 * @param {Cell} place
 * @param {[number, number]} share how far down and across the area the place is
 * @param {number} size
 */
export function scaled(area, factor, [row, column], [down, across], size) {
  const wanted = Math.round(area.side * factor);
  const side = Math.min(size, Math.max(2, wanted === area.side ? wanted + Math.sign(factor - 1) : wanted));
  return within(row + 0.5 - down * side, column + 0.5 - across * side, side, size);
}

/**
 * An area moved no further than needed for a place to be in it.
 *
 * @param {Square} area
 * @param {Cell} place
 * @param {number} size
 */
export function following(area, [row, column], size) {
  /** @type {(place: number, start: number) => number} */
  const shift = (place, start) => Math.min(place, Math.max(start, place - area.side + 1));
  return within(shift(row, area.row), shift(column, area.column), area.side, size);
}

/**
 * A square of a side with a place of the diagonal in its middle.
 *
 * @param {number} place
 * @param {number} side
 * @param {number} size
 */
export const around = (place, side, size) => within(place - side / 2, place - side / 2, Math.min(side, size), size);

/**
 * @param {number} row
 * @param {number} column
 * @param {number} side
 * @param {number} size
 * @returns {Square}
 */
function within(row, column, side, size) {
  /** @param {number} start */
  const fit = (start) => Math.min(size - side, Math.max(0, Math.round(start)));
  return { row: fit(row), column: fit(column), side };
}
