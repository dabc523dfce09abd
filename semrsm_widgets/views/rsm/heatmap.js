// One heatmap: its caption, thumbnails along both axes, and outlines for the cell that is read and the chosen pair.
// Outside, a cell is a pair of images; inside, it is a place: the row and column where they stand in the order shown.

import { h, OWN_KEYS, svg } from "../base/dom.js";
import { arrowStep, fractionsOf, listenToKeys, nearestCell, stepped } from "../base/grid_pointer.js";
import { outlineCell, place } from "../base/placed.js";
import { following, scaled, squareBetween } from "./zoom.js";

/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {import("../base/bokeh_pane.js").Square} Square */
/** @typedef {[number, number]} Pair two images */

const THUMBNAILS_ON_AXES = 40; // more would be specks
const DRAG_PIXELS = 6; // a shorter way of the pointer is a click

/**
 * @param {string} name
 * @param {Node[]} caption
 * @param {number} size of the matrix
 */
export function heatmapPanel(name, caption, size) {
  // Inert: what BokehJS puts into it would be a tab stop without a name. The surface takes pointer and keys.
  const canvas = h("div", { class: "srsm-canvas", inert: true });
  const veil = h("div", { class: "srsm-veil" });
  const groups = svg("svg", { class: "srsm-groups", preserveAspectRatio: "none", "aria-hidden": "true" });
  const cursor = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const chosen = h("div", { class: "srsm-cell srsm-chosen", hidden: true });
  const box = h("div", { class: "srsm-box", hidden: true });
  const look = { class: "srsm-surface", tabindex: 0, role: "img", ...OWN_KEYS };
  const surface = h("div", look, canvas, groups, veil, chosen, cursor, box);
  const axes = ["top", "left"].map((side) => h("div", { class: `srsm-axis srsm-axis-${side}`, "aria-hidden": "true" }));
  const root = h("figure", { class: "srsm-map", "data-map": name }, h("figcaption", {}, ...caption), ...axes, surface);

  let order = [...Array(size).keys()];
  let placeOf = order;
  /** @type {number[]} */
  let borders = [];
  /** @type {Square} */
  let area = { row: 0, column: 0, side: size };
  /** @type {{ cursor: Pair | null, chosen: Pair | null }} */
  const cells = { cursor: null, chosen: null };
  /** @type {string[]} */
  let urls = [];
  /** @type {string[]} */
  let names = [];

  /**
   * @param {HTMLElement} node
   * @param {Pair | null} cell
   */
  function outline(node, cell) {
    const [row, column] = cell === null ? [-1, -1] : [placeOf[cell[0]] - area.row, placeOf[cell[1]] - area.column];
    const isShown = row >= 0 && column >= 0 && row < area.side && column < area.side;
    outlineCell(node, isShown ? [row, column] : null, [area.side, area.side]);
  }
  function outlines() {
    outline(cursor, cells.cursor);
    outline(chosen, cells.chosen);
  }
  function strips() {
    const fits = urls.length > 0 && area.side <= THUMBNAILS_ON_AXES;
    root.toggleAttribute("data-thumbnails", fits);
    axes.forEach((axis, k) => {
      const first = k === 0 ? area.column : area.row;
      const shown = fits ? order.slice(first, first + area.side) : [];
      axis.replaceChildren(...shown.map((image) => h("img", { src: urls[image], alt: "", title: names[image] })));
    });
  }
  function lines() {
    groups.setAttribute("viewBox", `${area.column} ${area.row} ${area.side} ${area.side}`);
    groups.replaceChildren(
      ...borders.flatMap((at) => [
        svg("line", { x1: 0, x2: size, y1: at, y2: at }),
        svg("line", { x1: at, x2: at, y1: 0, y2: size }),
      ]),
    );
  }
  /** @param {Square} square */
  function showBox({ row, column, side }) {
    box.hidden = false;
    const [left, top] = [(column - area.column) / area.side, (row - area.row) / area.side];
    place(box, [left, top, left + side / area.side, top + side / area.side]);
  }

  return {
    root,
    canvas,
    surface,
    /** @param {Pair | null} cell */
    cursor(cell) {
      cells.cursor = cell;
      outline(cursor, cell);
    },
    /** @param {Pair | null} cell */
    chosen(cell) {
      cells.chosen = cell;
      outline(chosen, cell);
    },
    /** @param {string} text what stands in place of the cells */
    missing(text) {
      veil.textContent = text;
    },
    /** @param {string} text */
    describe(text) {
      surface.setAttribute("aria-label", text);
    },
    /**
     * @param {string[]} list
     * @param {string[]} ids
     */
    thumbnails(list, ids) {
      [urls, names] = [list, ids];
      strips();
    },
    /**
     * @param {number[]} next place -> image
     * @param {number[]} inverse image -> place
     * @param {number[]} between places before which a group begins
     */
    arrange(next, inverse, between) {
      [order, placeOf, borders] = [next, inverse, between];
      strips();
      lines();
      outlines();
    },
    /** @param {Square} next */
    zoom(next) {
      area = next;
      strips();
      lines();
      outlines();
    },
    /**
     * @param {object} heard
     * @param {(cell: Pair | null) => void} heard.point
     * @param {(cell: Pair) => void} heard.choose
     * @param {(area: Square | null) => void} heard.zoom
     * @param {() => Pair} heard.current the cell from which the arrow keys start
     */
    listen({ point, choose, zoom, current }) {
      /** @param {MouseEvent} event */
      const placeAt = (event) => {
        const at = fractionsOf(event, surface.getBoundingClientRect());
        const [row, column] = nearestCell(at, [area.side, area.side]);
        return /** @type {Cell} */ ([area.row + row, area.column + column]);
      };
      /** @type {(place: Cell) => Pair} */
      const pairAt = ([row, column]) => [order[row], order[column]];
      let last = "";
      /** @type {{ x: number, y: number, place: Cell } | null} */
      let pressed = null; // where the pointer went down
      let dragged = false;
      surface.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        pressed = { x: event.clientX, y: event.clientY, place: placeAt(event) };
        dragged = false;
      });
      surface.addEventListener("pointermove", (event) => {
        const way = pressed ? Math.max(Math.abs(event.clientX - pressed.x), Math.abs(event.clientY - pressed.y)) : 0;
        if (pressed && way > DRAG_PIXELS) {
          if (!dragged) surface.setPointerCapture(event.pointerId);
          dragged = true;
          showBox(squareBetween(pressed.place, placeAt(event), area, size));
        }
        const cell = pairAt(placeAt(event));
        if (String(cell) !== last) {
          last = String(cell);
          point(cell);
        }
      });
      surface.addEventListener("pointerup", (event) => {
        if (pressed && dragged) zoom(squareBetween(pressed.place, placeAt(event), area, size));
        pressed = null;
        box.hidden = true;
      });
      surface.addEventListener("pointercancel", () => {
        pressed = null;
        box.hidden = true;
      });
      surface.addEventListener("pointerleave", () => {
        last = "";
        if (!pressed) point(null);
      });
      surface.addEventListener("click", (event) => {
        if (!dragged) choose(pairAt(placeAt(event)));
      });
      surface.addEventListener("dblclick", () => zoom(null));
      surface.addEventListener("blur", () => point(null));
      surface.addEventListener(
        "wheel",
        (event) => {
          if (!event.ctrlKey && !event.metaKey) return; // the notebook's own scrolling
          event.preventDefault();
          const [down, across] = fractionsOf(event, surface.getBoundingClientRect());
          const share = /** @type {[number, number]} */ ([down, across].map((part) => Math.min(1, Math.max(0, part))));
          zoom(scaled(area, event.deltaY > 0 ? 1.25 : 0.8, placeAt(event), share, size));
        },
        { passive: false },
      );
      listenToKeys(surface, (event) => {
        const step = arrowStep(event);
        const [a, b] = current();
        /** @type {Cell} */
        const here = [placeOf[a], placeOf[b]];
        if (step) {
          const next = stepped(here, step, [size, size]);
          const around = following(area, next, size);
          if (around.row !== area.row || around.column !== area.column) zoom(around);
          point(pairAt(next));
        } else if (event.key === "Enter" || event.key === " ") choose(current());
        else if (event.key === "+" || event.key === "=") zoom(scaled(area, 0.6, here, [0.5, 0.5], size));
        else if (event.key === "-") zoom(scaled(area, 1 / 0.6, here, [0.5, 0.5], size));
        else if (event.key === "0") zoom(null);
        else if (event.key === "Escape") point(null);
        else return false;
        return true;
      });
    },
  };
}
