// What lies over a picture, placed by fractions of its sides.

import { h } from "./dom.js";

/** @typedef {[number, number, number, number]} Box left, top, right, bottom as fractions of a picture's sides */

/**
 * @param {HTMLElement | SVGElement} node
 * @param {Box} box
 */
export function place(node, [left, top, right, bottom]) {
  Object.assign(node.style, {
    left: `${100 * left}%`,
    top: `${100 * top}%`,
    width: `${100 * (right - left)}%`,
    height: `${100 * (bottom - top)}%`,
  });
}

/**
 * Puts an outline on a cell of a grid that covers the picture; hides it where there is no cell or no grid.
 *
 * @param {HTMLElement} node
 * @param {import("./grid_pointer.js").Cell | null} cell
 * @param {import("./grid_pointer.js").Grid | null} grid
 */
export function outlineCell(node, cell, grid) {
  node.hidden = !cell || !grid;
  if (!cell || !grid) return;
  const [row, column] = cell;
  const [rows, columns] = grid;
  place(node, [column / columns, row / rows, (column + 1) / columns, (row + 1) / rows]);
}

/** The model sees only a part of an image (its centre crop): the rest is dimmed. */
export function cropShades() {
  const [above, below, before, after] = [0, 1, 2, 3].map(() => h("div", { class: "srsm-shade" }));
  return {
    nodes: [above, below, before, after],
    /** @param {Box} box what the model sees */
    show(box) {
      const [left, top, right, bottom] = box.map((value) => Math.min(1, Math.max(0, value)));
      place(above, [0, 0, 1, top]);
      place(below, [0, bottom, 1, 1]);
      place(before, [0, top, left, bottom]);
      place(after, [right, top, 1, bottom]);
    },
  };
}
