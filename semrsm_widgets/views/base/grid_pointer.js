// Which cell of a grid a pointer or a key means. A cell is [row, column], a grid is [rows, columns]; a token is a cell
// by its number, counted row by row.

/** @typedef {[number, number]} Cell */
/** @typedef {[number, number]} Grid */
/** @typedef {{ left: number, top: number, width: number, height: number }} Area */

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * The step, [down, across], of an arrow key; null of any other.
 *
 * @param {KeyboardEvent} event
 * @returns {[number, number] | null}
 */
export function arrowStep(event) {
  return Object.hasOwn(ARROWS, event.key) ? ARROWS[event.key] : null;
}

/**
 * The cell a step away, or at the edge.
 *
 * @param {Cell} cell
 * @param {[number, number]} step
 * @param {Grid} grid
 * @returns {Cell}
 */
export function stepped([row, column], [down, across], grid) {
  return clampCell([row + down, column + across], grid);
}

/**
 * How far down and across an area a pointer is: from 0 to 1 within it.
 *
 * @param {{ clientX: number, clientY: number }} event
 * @param {Area} area
 * @returns {[number, number]}
 */
export function fractionsOf(event, area) {
  return [(event.clientY - area.top) / area.height, (event.clientX - area.left) / area.width];
}

/**
 * The cell at these fractions of a grid; null outside it.
 *
 * @param {[number, number]} fractions
 * @param {Grid} grid
 * @returns {Cell | null}
 */
export function cellAt([down, across], [rows, columns]) {
  if (!(down >= 0 && down < 1 && across >= 0 && across < 1)) return null;
  return [Math.floor(down * rows), Math.floor(across * columns)];
}

/**
 * The cell at these fractions of a grid, or the nearest one to a place outside it.
 *
 * @param {[number, number]} fractions
 * @param {Grid} grid
 * @returns {Cell}
 */
export function nearestCell([down, across], [rows, columns]) {
  return clampCell([Math.floor(down * rows), Math.floor(across * columns)], [rows, columns]);
}

/**
 * @param {Cell} cell
 * @param {Grid} grid
 * @returns {Cell}
 */
export function clampCell([row, column], [rows, columns]) {
  return [Math.min(rows - 1, Math.max(0, row)), Math.min(columns - 1, Math.max(0, column))];
}

/**
 * @param {Cell} cell
 * @param {Grid} grid
 */
export function tokenOf([row, column], [, columns]) {
  return row * columns + column;
}

/**
 * @param {number} token
 * @param {Grid} grid
 * @returns {Cell}
 */
export function cellOf(token, [, columns]) {
  return [Math.floor(token / columns), token % columns];
}

/**
 * Calls `take` with each key that is pressed on an element. It returns whether it had a use for the key: such a key does
 * not reach the notebook, which would take it for its own.
 *
 * @param {HTMLElement} node
 * @param {(event: KeyboardEvent) => boolean} take
 */
export function listenToKeys(node, take) {
  node.addEventListener("keydown", (event) => {
    if (!take(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}
