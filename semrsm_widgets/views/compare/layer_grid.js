// The layer x layer map: a grid of cells coloured by CKA on the fixed range from 0 to 1, layers of A down, of B across.

import { h, OWN_KEYS } from "../base/dom.js";
import { format } from "../base/format.js";
import { arrowStep, listenToKeys, stepped } from "../base/grid_pointer.js";
import { layerShape } from "../base/layer_slider.js";
import { cellWords, ckaColour, inkOn, isUncertain, shortNames } from "./cells.js";

/** @typedef {import("../base/layer_slider.js").Layer} Layer */
/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {import("./cells.js").MapCell} MapCell */
/** @typedef {{ name: string, badge: string, layers: Layer[] }} Side a model */

const MOST_NUMBERS = 12; // columns up to which a cell has room for its value
const MOST_INTERVALS = 8; // ... and for its interval

/**
 * @param {Side[]} sides
 * @param {object} heard
 * @param {(where: Cell | null) => void} heard.point
 * @param {(where: Cell | null) => void} heard.choose
 */
export function layerGrid(sides, { point, choose }) {
  const [rows, columns] = sides.map((side) => side.layers);
  const numbers = columns.length <= MOST_NUMBERS;
  const intervals = columns.length <= MOST_INTERVALS;
  const short = [rows, columns].map(shortNames);
  const upright = short[1].some((name) => name.length > (intervals ? 9 : 5));
  /** @type {HTMLElement[][]} */
  const nodes = rows.map(() => []);
  /** @type {Cell} */
  let focused = [0, 0];
  /** @type {Cell | null} */
  let chosen = null;

  /** @type {(layer: Layer, k: number, side: "A" | "B", role: string) => HTMLElement} */
  const header = (layer, k, side, role) =>
    h(
      "div",
      { class: "srsm-layer-name", role, title: `${layer.name} · ${layerShape(layer)}`, "data-side": side },
      h("span", {}, short[side === "A" ? 0 : 1][k]),
    );
  const look = { "data-upright": String(upright), "data-intervals": String(intervals) };
  const root = h("div", { class: "srsm-layer-grid", role: "grid", ...look, ...OWN_KEYS });
  root.style.gridTemplateColumns = `auto repeat(${columns.length}, minmax(14px, 1fr))`;
  /** @param {...Node} cells */
  const line = (...cells) => h("div", { role: "row", class: "srsm-layer-row" }, ...cells);
  root.append(
    line(
      h("div", { class: "srsm-layer-corner", role: "presentation" }),
      ...columns.map((layer, k) => header(layer, k, "B", "columnheader")),
    ),
  );
  rows.forEach((layer, row) => {
    columns.forEach((_, column) => {
      nodes[row].push(
        h("div", { class: "srsm-layer-cell", role: "gridcell", tabindex: -1, "data-row": row, "data-column": column }),
      );
    });
    root.append(line(header(layer, row, "A", "rowheader"), ...nodes[row]));
  });
  root.style.setProperty(
    "--srsm-cell-height",
    intervals ? "40px" : numbers ? "30px" : `${Math.max(14, Math.min(30, 420 / rows.length))}px`,
  );

  /**
   * @param {Event} event
   * @returns {Cell | null}
   */
  const at = (event) => {
    /** @type {HTMLElement | null} */
    const node = event.target instanceof Element ? event.target.closest(".srsm-layer-cell") : null;
    return node ? [Number(node.dataset.row), Number(node.dataset.column)] : null;
  };
  /** @param {Cell} where */
  const focus = (where) => {
    nodes[focused[0]][focused[1]].tabIndex = -1;
    focused = where;
    nodes[focused[0]][focused[1]].tabIndex = 0;
  };
  root.addEventListener("pointermove", (event) => {
    const where = at(event);
    if (where) point(where);
  });
  root.addEventListener("pointerleave", () => point(null));
  root.addEventListener("click", (event) => {
    const where = at(event);
    if (!where) return;
    focus(where);
    choose(where);
  });
  root.addEventListener("focusin", (event) => {
    const where = at(event);
    if (!where) return;
    focus(where);
    point(where);
  });
  root.addEventListener("focusout", () => point(null));
  listenToKeys(root, (event) => {
    const step = arrowStep(event);
    if (step) {
      const next = stepped(focused, step, [rows.length, columns.length]);
      focus(next);
      nodes[next[0]][next[1]].focus();
    } else if (event.key === "Enter" || event.key === " ") choose(focused);
    else if (event.key === "Escape") choose(null);
    else return false;
    return true;
  });
  focus([0, 0]);

  return {
    root,
    /**
     * The layers of a cell.
     *
     * @param {Cell} where
     * @returns {[a: string, b: string]}
     */
    names: ([row, column]) => [rows[row].name, columns[column].name],
    /** @param {string} text */
    describe(text) {
      root.setAttribute("aria-label", text);
    },
    /**
     * @param {(a: string, b: string) => MapCell | undefined} find what is known of two layers
     * @param {string[] | undefined} palette
     */
    show(find, palette) {
      rows.forEach((a, row) => {
        columns.forEach((b, column) => {
          const node = nodes[row][column];
          const cell = find(a.name, b.name);
          const value = cell?.value ?? null;
          const colour = value !== null && palette ? ckaColour(value, palette) : null;
          node.style.backgroundColor = colour ?? "";
          node.style.color = colour ? inkOn(colour) : "";
          node.dataset.state = !cell
            ? "waiting"
            : value === null
              ? "undefined"
              : isUncertain(cell)
                ? "uncertain"
                : "known";
          node.dataset.value = value === null ? "" : String(value);
          node.setAttribute("aria-label", `${a.name} of A, ${b.name} of B: ${cellWords(cell)}.`);
          node.replaceChildren();
          if (!numbers || !cell) return;
          node.append(h("span", {}, value === null ? "n/a" : format(value)));
          if (!intervals || value === null || cell.low === null) return;
          node.append(h("small", {}, `${format(cell.low)} – ${format(cell.high)}`));
        });
      });
    },
    /** @param {Cell | null} where */
    chosen(where) {
      if (chosen) {
        const node = nodes[chosen[0]][chosen[1]];
        delete node.dataset.chosen;
        node.removeAttribute("aria-selected");
      }
      chosen = where;
      if (!chosen) return;
      const node = nodes[chosen[0]][chosen[1]];
      node.dataset.chosen = "true";
      node.setAttribute("aria-selected", "true");
    },
    /**
     * Where the cell of two layers is; null where there is none.
     *
     * @param {[a: string, b: string] | null} names
     * @returns {Cell | null}
     */
    place(names) {
      if (!names) return null;
      const row = rows.findIndex((layer) => layer.name === names[0]);
      const column = columns.findIndex((layer) => layer.name === names[1]);
      return row < 0 || column < 0 ? null : [row, column];
    },
  };
}
