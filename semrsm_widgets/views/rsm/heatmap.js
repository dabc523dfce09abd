// One heatmap: its caption, its axes, and outlines for the cell that is read, the chosen pair and what is found.
// Outside, a cell is a pair of images; inside, it is a place: the row and column where they stand in the order shown.

import { h, OWN_KEYS, svg } from "../base/dom.js";
import { arrowStep, clampCell, fractionsOf, listenToKeys, nearestCell, stepped } from "../base/grid_pointer.js";
import { outlineCell, place } from "../base/placed.js";
import { heatmapAxes } from "./axes.js";
import { blockBetween, following, scaled, squareBetween } from "./zoom.js";

/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {import("../base/bokeh_pane.js").Square} Square */
/** @typedef {import("./axes.js").Marks} Marks */
/** @typedef {import("./rows.js").Group} Group */
/** @typedef {import("./zoom.js").Block} Block */
/** @typedef {[number, number]} Pair two images */

const LINE_PIXELS = 6; // lines between groups stand no closer: they would hide the cells
const DRAG_PIXELS = 6; // a shorter way of the pointer is a click
// More rows and columns in outline would hide the cells: so many, and no more than a part of all.
const MOST_BANDS = 12;
const BANDS_SHARE = 0.25;

/**
 * @param {string} name
 * @param {Node[]} caption
 * @param {{ id: string }[]} images
 * @param {(image: number) => void} toggle what a click on a thumbnail does
 */
export function heatmapPanel(name, caption, images, toggle = () => {}) {
  // Inert: what BokehJS puts into it would be a tab stop without a name. The surface takes pointer and keys.
  const canvas = h("div", { class: "srsm-canvas", inert: true });
  const veil = h("div", { class: "srsm-veil" });
  const groups = svg("svg", { class: "srsm-groups", preserveAspectRatio: "none", "aria-hidden": "true" });
  const cursor = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const chosen = h("div", { class: "srsm-cell srsm-chosen", hidden: true });
  const box = h("div", { class: "srsm-box", hidden: true });
  const look = { class: "srsm-surface", tabindex: 0, role: "img", ...OWN_KEYS };
  const surface = h("div", look, canvas, groups, veil, chosen, cursor, box);
  const root = h("figure", { class: "srsm-map", "data-map": name }, h("figcaption", {}, ...caption));
  const axes = heatmapAxes(root, toggle);
  root.append(...axes.nodes, surface);

  let order = [...images.keys()];
  let placeOf = order;
  /** @type {Group[]} */
  let named = [];
  /** @type {number[]} */
  let borders = [];
  /** @type {Square} */
  let area = { row: 0, column: 0, side: order.length };
  /** @type {{ cursor: Pair | null, chosen: Pair | null }} */
  const cells = { cursor: null, chosen: null };
  /** @type {string[]} */
  let urls = [];
  /** @type {Marks} */
  let marks = { found: [], at: null, selected: new Set() };

  /**
   * @param {HTMLElement} node
   * @param {Pair | null} cell
   */
  function outline(node, cell) {
    const [row, column] = cell?.every((image) => placeOf[image] >= 0)
      ? [placeOf[cell[0]] - area.row, placeOf[cell[1]] - area.column]
      : [-1, -1];
    const isShown = row >= 0 && column >= 0 && row < area.side && column < area.side;
    outlineCell(node, isShown ? [row, column] : null, [area.side, area.side]);
  }
  function names() {
    axes.names(named, area, surface.clientWidth);
  }
  function lines() {
    const size = order.length;
    const fits = marks.found.length <= Math.min(MOST_BANDS, Math.max(1, BANDS_SHARE * size));
    const shown = fits ? marks.found : marks.found.filter((image) => image === marks.at);
    const bands = shown.filter((image) => placeOf[image] >= 0);
    // around a group that is as wide as that; where nothing is measured, around each
    const wide = surface.clientWidth ? (LINE_PIXELS * area.side) / surface.clientWidth : 0;
    const ends = [0, ...borders, size];
    const drawn = borders.filter((at, k) => at - ends[k] >= wide || ends[k + 2] - at >= wide);
    groups.setAttribute("viewBox", `${area.column} ${area.row} ${area.side} ${area.side}`);
    groups.replaceChildren(
      ...drawn.flatMap((at) => [
        svg("line", { x1: 0, x2: size, y1: at, y2: at }),
        svg("line", { x1: at, x2: at, y1: 0, y2: size }),
      ]),
      ...["srsm-shadow", "srsm-band"].flatMap((look) =>
        bands.flatMap((image) => {
          const style = { class: `${look}${image === marks.at ? " srsm-at" : ""}` };
          return [
            svg("rect", { x: 0, y: placeOf[image], width: size, height: 1, ...style }),
            svg("rect", { x: placeOf[image], y: 0, width: 1, height: size, ...style }),
          ];
        }),
      ),
    );
  }
  function show() {
    axes.thumbnails(order, area, urls, images);
    axes.marks(placeOf, area, marks);
    names();
    lines();
    outline(cursor, cells.cursor);
    outline(chosen, cells.chosen);
  }
  /**
   * @param {Block} block
   * @param {boolean} selects
   */
  function showBox({ row, column, rows, columns }, selects) {
    box.hidden = false;
    box.classList.toggle("srsm-box-selects", selects);
    const [left, top] = [(column - area.column) / area.side, (row - area.row) / area.side];
    place(box, [left, top, left + columns / area.side, top + rows / area.side]);
  }
  // Names take their share of the width, and stand in the middle of groups whose pixels change with it.
  const observer = new ResizeObserver(() => {
    names();
    lines();
  });
  observer.observe(surface);

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
    /** @param {string[]} list by image */
    thumbnails(list) {
      urls = list;
      axes.thumbnails(order, area, urls, images);
      axes.marks(placeOf, area, marks);
    },
    /** @param {Marks} next */
    mark(next) {
      marks = next;
      axes.marks(placeOf, area, marks);
      lines();
    },
    /**
     * @param {number[]} next place -> image
     * @param {number[]} inverse image -> place; -1 where it is not shown
     * @param {number[]} between places before which there is a line
     * @param {Group[]} groups whose names are shown
     * @param {Square} around what is in sight
     */
    arrange(next, inverse, between, groups, around) {
      [order, placeOf, borders, named, area] = [next, inverse, between, groups, around];
      show();
    },
    /** @param {Square} next */
    zoom(next) {
      area = next;
      show();
    },
    stop() {
      observer.disconnect();
    },
    /**
     * @param {object} heard
     * @param {(cell: Pair | null) => void} heard.point
     * @param {(cell: Pair) => void} heard.choose
     * @param {(area: Square | null) => void} heard.zoom
     * @param {() => Pair} heard.current the cell from which the arrow keys start
     * @param {() => boolean} [heard.selects] whether a drag selects, and does not zoom
     * @param {(images: number[], adds: boolean) => void} [heard.select]
     * @param {(images: number[]) => void} [heard.toggle]
     */
    listen({ point, choose, zoom, current, selects = () => false, select = () => {}, toggle: turn = () => {} }) {
      /** @param {MouseEvent} event */
      const placeAt = (event) => {
        const at = fractionsOf(event, surface.getBoundingClientRect());
        const [row, column] = nearestCell(at, [area.side, area.side]);
        return /** @type {Cell} */ ([area.row + row, area.column + column]);
      };
      /** @type {(place: Cell) => Pair} */
      const pairAt = ([row, column]) => [order[row], order[column]];
      /** @param {Block} block */
      const imagesIn = ({ row, column, rows, columns }) => [
        ...new Set([...order.slice(row, row + rows), ...order.slice(column, column + columns)]),
      ];
      let last = "";
      /** @type {{ x: number, y: number, place: Cell, selects: boolean } | null} */
      let pressed = null; // where the pointer went down
      let dragged = false;
      /** @type {{ anchor: Cell, head: Cell } | null} */
      let keyed = null; // a block that is drawn by keys
      const dropKeyed = () => {
        keyed = null;
        box.hidden = true;
      };
      surface.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        dropKeyed();
        pressed = {
          x: event.clientX,
          y: event.clientY,
          place: placeAt(event),
          selects: selects() || event.shiftKey === true,
        };
        dragged = false;
      });
      surface.addEventListener("pointermove", (event) => {
        const way = pressed ? Math.max(Math.abs(event.clientX - pressed.x), Math.abs(event.clientY - pressed.y)) : 0;
        if (pressed && way > DRAG_PIXELS) {
          if (!dragged) surface.setPointerCapture(event.pointerId);
          dragged = true;
          const here = placeAt(event);
          const { row, column, side } = squareBetween(pressed.place, here, area, order.length);
          showBox(
            pressed.selects ? blockBetween(pressed.place, here) : { row, column, rows: side, columns: side },
            pressed.selects,
          );
        }
        const cell = pairAt(placeAt(event));
        if (String(cell) !== last) {
          last = String(cell);
          point(cell);
        }
      });
      surface.addEventListener("pointerup", (event) => {
        if (pressed && dragged) {
          const here = placeAt(event);
          if (pressed.selects) select(imagesIn(blockBetween(pressed.place, here)), event.ctrlKey || event.metaKey);
          else zoom(squareBetween(pressed.place, here, area, order.length));
        }
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
        if (dragged) return;
        const cell = pairAt(placeAt(event));
        if (selects() || event.shiftKey) turn([...new Set(cell)]);
        else choose(cell);
      });
      surface.addEventListener("dblclick", () => {
        if (!selects()) zoom(null);
      });
      surface.addEventListener("blur", () => {
        dropKeyed();
        point(null);
      });
      surface.addEventListener(
        "wheel",
        (event) => {
          if (!event.ctrlKey && !event.metaKey) return; // the notebook's own scrolling
          event.preventDefault();
          const [down, across] = fractionsOf(event, surface.getBoundingClientRect());
          const share = /** @type {[number, number]} */ ([down, across].map((part) => Math.min(1, Math.max(0, part))));
          zoom(scaled(area, event.deltaY > 0 ? 1.25 : 0.8, placeAt(event), share, order.length));
        },
        { passive: false },
      );
      listenToKeys(surface, (event) => {
        const size = order.length;
        const step = arrowStep(event);
        const [a, b] = current();
        const here = clampCell([placeOf[a], placeOf[b]], [size, size]);
        if (step) {
          const next = stepped(keyed?.head ?? here, step, [size, size]);
          const around = following(area, next, size);
          if (around.row !== area.row || around.column !== area.column) zoom(around);
          point(pairAt(next));
          if (event.shiftKey) {
            keyed = { anchor: keyed?.anchor ?? here, head: next };
            showBox(blockBetween(keyed.anchor, keyed.head), true);
          } else dropKeyed();
        } else if (event.key === "s" || event.key === "S") {
          if (keyed) select(imagesIn(blockBetween(keyed.anchor, keyed.head)), event.shiftKey);
          else turn([...new Set(pairAt(here))]);
          dropKeyed();
        } else if (event.ctrlKey || event.metaKey || event.altKey) return false;
        else if (event.key === "Enter" || event.key === " ") choose(pairAt(here));
        else if (event.key === "+" || event.key === "=") zoom(scaled(area, 0.6, here, [0.5, 0.5], size));
        else if (event.key === "-") zoom(scaled(area, 1 / 0.6, here, [0.5, 0.5], size));
        else if (event.key === "0") zoom(null);
        else if (event.key === "Escape") {
          if (keyed) dropKeyed();
          else point(null);
        } else return false;
        return true;
      });
    },
  };
}
