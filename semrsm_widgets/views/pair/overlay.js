// What is drawn over the pictures of PairView, in the stage's own pixels: grids, outlined patches, lines, the cursor.

import { setAttributes, svg } from "../base/dom.js";
import { cellOf } from "../base/grid_pointer.js";

/** @typedef {import("../base/grid_pointer.js").Grid} Grid */
/** @typedef {import("./marks.js").Mark} Mark */
/** @typedef {import("./marks.js").Place} Place */
/** @typedef {{ x: number, y: number, width: number, height: number }} Rectangle in the stage's pixels */

const DIGIT_WIDTH = 0.85; // of its size, with its dark edge
const DIGIT_HEIGHT = 0.95;

/**
 * Where a patch has its digit: in its middle, or above where it is too small.
 *
 * @param {Rectangle} box
 */
function digitPlace(box) {
  const size = Math.min(13, Math.max(10, 0.6 * box.height));
  const inside = box.height >= 13;
  return { size, x: box.x + box.width / 2, y: inside ? box.y + box.height / 2 : box.y - 0.55 * size };
}

/**
 * Which marks have their digit: the strongest first, and none that would lie over another. A digit says nothing without
 * its partner's, so a mark has all of its digits or none.
 *
 * @param {Rectangle[][]} places of each mark that has a digit, the most important first
 */
export function legibleDigits(places) {
  /** @type {ReturnType<typeof digitPlace>[]} */
  const taken = [];
  return places.map((boxes) => {
    const digits = boxes.map(digitPlace);
    const fits = digits.every(({ size, x, y }) =>
      taken.every((one) => Math.abs(one.x - x) >= DIGIT_WIDTH * size || Math.abs(one.y - y) >= DIGIT_HEIGHT * size),
    );
    if (fits) taken.push(...digits);
    return fits && boxes.length > 0;
  });
}

/**
 * @param {HTMLElement} stage
 * @param {import("./panels.js").ImagePanel[]} sides
 * @param {(side: number) => Grid} gridOf the token grid of a side
 */
export function pairOverlay(stage, sides, gridOf) {
  const root = svg("svg", { class: "srsm-overlay", "aria-hidden": "true" });
  /** @param {string} name */
  const layerOf = (name) => {
    const group = svg("g", { class: name });
    root.append(group);
    return group;
  };
  const grids = layerOf("srsm-grids");
  const tops = layerOf("srsm-tops");
  const focus = layerOf("srsm-focus");
  const also = layerOf("srsm-also"); // a patch that is no partner, but more alike
  /** @type {(tag: "rect" | "line") => SVGElement[]} */
  const twice = (tag) => [svg(tag, { class: "srsm-shadow" }), svg(tag, { class: "srsm-bright" })];
  const focusMarks = sides.map(() => twice("rect"));
  const focusLines = sides.slice(1).map(() => twice("line"));
  focus.append(...focusLines.flat(), ...focusMarks.flat());
  const elsewhere = layerOf("srsm-focus srsm-elsewhere"); // what another view points at

  /** @type {(place: Place) => Rectangle} */
  const boxOf = ({ side, token }) => {
    const [rows, columns] = gridOf(side);
    const [row, column] = cellOf(token, gridOf(side));
    const area = sides[side].area();
    const [width, height] = [area.width / columns, area.height / rows];
    return { x: area.left + column * width, y: area.top + row * height, width, height };
  };
  /** @type {(node: SVGElement, box: Rectangle, inset?: number) => void} */
  const put = (node, box, inset = 0) =>
    setAttributes(node, {
      x: box.x + inset,
      y: box.y + inset,
      width: Math.max(1, box.width - 2 * inset),
      height: Math.max(1, box.height - 2 * inset),
    });
  /** @type {(node: SVGElement, a: Rectangle, b: Rectangle) => void} */
  const join = (node, a, b) =>
    setAttributes(node, {
      x1: a.x + a.width / 2,
      y1: a.y + a.height / 2,
      x2: b.x + b.width / 2,
      y2: b.y + b.height / 2,
    });

  /**
   * @param {Rectangle} box
   * @param {string} words
   */
  function word(box, words) {
    const { size, x, y } = digitPlace(box);
    const node = svg("text", { class: "srsm-digit", "font-size": size, x, y });
    node.textContent = words;
    return node;
  }

  return {
    root,
    fit() {
      const box = stage.getBoundingClientRect();
      root.setAttribute("viewBox", `0 0 ${Math.max(1, box.width)} ${Math.max(1, box.height)}`);
      sides.forEach((side) => side.measure(stage));
    },
    /** @param {number[]} shown sides */
    drawGrids(shown) {
      grids.replaceChildren(
        ...shown.map((side) => {
          const [rows, columns] = gridOf(side);
          const area = sides[side].area();
          let path = "";
          for (let c = 0; c <= columns; c += 1)
            path += `M${area.left + (c * area.width) / columns} ${area.top}v${area.height}`;
          for (let r = 0; r <= rows; r += 1)
            path += `M${area.left} ${area.top + (r * area.height) / rows}h${area.width}`;
          return svg("path", { d: path, class: rows > 20 ? "srsm-grid srsm-fine" : "srsm-grid" });
        }),
      );
    },
    /**
     * @param {Mark[]} marks the most important first, which is drawn last, on top
     * @param {boolean} lines whether the places of a mark are joined
     */
    drawMarks(marks, lines) {
      /** @type {[SVGElement[], SVGElement[], SVGElement[]]} */
      const [under, over, words] = [[], [], []];
      const places = marks.map((mark) => mark.places.map(boxOf));
      const legible = legibleDigits(marks.map((mark, k) => (mark.words ? places[k] : [])));
      for (const [k, mark] of [...marks.entries()].reverse()) {
        const boxes = places[k];
        /** @type {(tag: "rect" | "line", name: string) => SVGElement} */
        const node = (tag, name) => {
          const made = svg(tag, { class: mark.dashed ? `${name} srsm-ambiguous` : name });
          if (name === "srsm-colour") made.style.stroke = mark.colour;
          if (mark.opacity !== undefined) made.style.opacity = String(mark.opacity * (mark.dashed ? 0.7 : 1));
          return made;
        };
        for (const name of ["srsm-shadow", "srsm-colour"]) {
          for (const box of lines ? boxes.slice(1) : []) {
            const line = node("line", name);
            join(line, boxes[0], box);
            under.push(line);
          }
        }
        for (const box of boxes) {
          const width = Math.min(1.2 + 2 * mark.strength, 0.22 * box.width);
          for (const name of ["srsm-shadow", "srsm-colour"]) {
            const rect = node("rect", name);
            rect.style.strokeWidth = String(name === "srsm-shadow" ? width + 1.6 : width);
            if (mark.fades) rect.style.opacity = String(0.5 + 0.5 * mark.strength);
            put(rect, box, 0.5 + width / 2);
            over.push(rect);
          }
          if (legible[k]) {
            const digit = word(box, mark.words);
            if (mark.opacity !== undefined) digit.style.opacity = String(mark.opacity);
            words.push(digit);
          }
        }
      }
      tops.replaceChildren(...under, ...over, ...words);
    },
    /** @param {[side: number, left: number, top: number, right: number, bottom: number][]} boxes parts of the token grids */
    drawElsewhere(boxes) {
      const drawn = boxes.map(([side, left, top, right, bottom]) => {
        const area = sides[side].area();
        const [width, height] = [(right - left) * area.width, (bottom - top) * area.height];
        return { x: area.left + left * area.width, y: area.top + top * area.height, width, height };
      });
      elsewhere.replaceChildren();
      for (const name of ["srsm-shadow", "srsm-bright"]) {
        if (drawn.length === 2) {
          const line = svg("line", { class: name });
          join(line, drawn[0], drawn[1]);
          elsewhere.append(line);
        }
        for (const box of drawn) {
          const rect = svg("rect", { class: name });
          put(rect, box, 1);
          elsewhere.append(rect);
        }
      }
    },
    /** @param {Place | null} where */
    drawAlso(where) {
      also.replaceChildren();
      if (!where) return;
      const rect = svg("rect");
      put(rect, boxOf(where));
      also.append(rect);
    },
    /**
     * @param {Place[]} places what is looked at, in their sides' order; lines join the first to the others
     * @param {boolean} dim whether the marks step back
     */
    drawFocus(places, dim) {
      tops.classList.toggle("srsm-dim", dim);
      const boxes = new Map(places.map((place) => [place.side, boxOf(place)]));
      focusMarks.forEach((pair, side) => {
        const box = boxes.get(side);
        for (const node of pair) {
          node.style.display = box ? "" : "none";
          if (box) put(node, box);
        }
      });
      focusLines.forEach((pair, k) => {
        const [from, to] = [boxes.get(0), boxes.get(k + 1)];
        for (const node of pair) {
          node.style.display = from && to ? "" : "none";
          if (from && to) join(node, from, to);
        }
      });
    },
  };
}
