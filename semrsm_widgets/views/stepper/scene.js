// The two pictures, and a line for each pair that is held.

import { h, svg } from "../base/dom.js";
import { cellAt, fractionsOf, tokenOf } from "../base/grid_pointer.js";
import { cropShades } from "../base/placed.js";

/** @typedef {import("./board.js").Side} Side */

/**
 * @param {(side: number, token: number) => void} point at a patch; -1: none
 */
export function auctionScene(point) {
  /** @param {string} letter */
  const panel = (letter) => {
    const picture = h("img", { alt: "", draggable: "false" });
    const shades = cropShades();
    const name = h("span");
    const frame = h("div", { class: "srsm-picture" }, picture, ...shades.nodes);
    const caption = h("figcaption", {}, h("span", { class: "srsm-letter" }, letter), name);
    return { root: h("figure", { class: "srsm-side" }, caption, frame), picture, shades, name, frame };
  };
  const panels = [panel("A"), panel("B")];
  const overlay = svg("svg", { class: "srsm-overlay", "aria-hidden": "true" });
  const root = h("div", { class: "srsm-scene", hidden: true }, ...panels.map((each) => each.root), overlay);
  /** @type {Side[]} */
  let sides = [];
  /** @type {string[]} */
  let colours = [];
  /** @type {{ owners: number[], row: number, column: number }} */
  let shown = { owners: [], row: -1, column: -1 };
  /** @type {[number, number]} */
  let pointed = [-1, -1];

  /** @type {(side: number) => { left: number, top: number, width: number, height: number }} */
  const area = (side) => {
    const outer = root.getBoundingClientRect();
    const inner = panels[side].picture.getBoundingClientRect();
    const [left, top, right, bottom] = sides[side].box;
    return {
      left: inner.left - outer.left + left * inner.width,
      top: inner.top - outer.top + top * inner.height,
      width: (right - left) * inner.width,
      height: (bottom - top) * inner.height,
    };
  };
  /** @type {ReturnType<typeof area>[]} */
  let areas = []; // measured once a drawing: to measure is to lay out
  /** @type {(side: number, token: number) => { x: number, y: number, width: number, height: number }} */
  const cell = (side, token) => {
    const [rows, columns] = sides[side].grid;
    const { left, top, width: wide, height: high } = areas[side];
    const [width, height] = [wide / columns, high / rows];
    return { x: left + (token % columns) * width, y: top + Math.floor(token / columns) * height, width, height };
  };

  function draw() {
    overlay.replaceChildren();
    if (sides.length < 2 || !panels[0].picture.naturalWidth) return;
    const box = root.getBoundingClientRect();
    if (!box.width) return;
    areas = [area(0), area(1)];
    overlay.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
    for (const side of [0, 1]) {
      const [rows, columns] = sides[side].grid;
      const { left, top, width, height } = areas[side];
      let path = "";
      for (let c = 0; c <= columns; c += 1) path += `M${left + (c * width) / columns} ${top}v${height}`;
      for (let r = 0; r <= rows; r += 1) path += `M${left} ${top + (r * height) / rows}h${width}`;
      overlay.append(svg("path", { d: path, class: "srsm-scene-grid" }));
    }
    /** @type {(row: number, column: number, look: string, colour: string) => void} */
    const join = (row, column, look, colour) => {
      const ends = [row >= 0 ? cell(0, row) : null, column >= 0 ? cell(1, column) : null];
      /** @type {(name: string) => SVGElement[]} */
      const nodes = (name) => {
        const made = ends
          .filter((each) => each !== null)
          .map(({ x, y, width, height }) =>
            svg("rect", {
              x: x + 2,
              y: y + 2,
              width: Math.max(1, width - 4),
              height: Math.max(1, height - 4),
              class: name,
            }),
          );
        const [a, b] = ends;
        if (!a || !b) return made;
        const line = { x1: a.x + a.width / 2, y1: a.y + a.height / 2, x2: b.x + b.width / 2, y2: b.y + b.height / 2 };
        return [svg("line", { ...line, class: name }), ...made];
      };
      for (const name of ["srsm-scene-shadow", "srsm-scene-line"]) {
        for (const node of nodes(`${name} ${look}`)) {
          if (name === "srsm-scene-line" && colour) node.style.stroke = colour;
          overlay.append(node);
        }
      }
    };
    shown.owners.forEach((row, column) => {
      if (row >= 0) join(row, column, row === shown.row ? "srsm-strong-line" : "", colours[row]);
    });
    if (pointed[0] >= 0 || pointed[1] >= 0) join(pointed[0], pointed[1], "srsm-pointed-line", "");
  }

  panels.forEach(({ frame, picture }, side) => {
    frame.addEventListener("pointermove", (event) => {
      if (sides.length < 2) return;
      const inner = picture.getBoundingClientRect();
      const [left, top, right, bottom] = sides[side].box;
      const at = cellAt(
        fractionsOf(event, {
          left: inner.left + left * inner.width,
          top: inner.top + top * inner.height,
          width: (right - left) * inner.width,
          height: (bottom - top) * inner.height,
        }),
        sides[side].grid,
      );
      point(side, at ? tokenOf(at, sides[side].grid) : -1);
    });
    frame.addEventListener("pointerleave", () => point(side, -1));
  });
  const observer = new ResizeObserver(draw);
  observer.observe(root);

  return {
    root,
    /**
     * @param {Side[]} given
     * @param {string[]} names
     * @param {string[]} problems why a picture cannot be shown
     */
    async build(given, names, problems) {
      sides = given;
      root.hidden = given.length < 2;
      await Promise.all(
        given.map(async ({ url, box }, side) => {
          const each = panels[side];
          each.name.textContent = problems[side] ? `${names[side]}: gone or not readable` : names[side];
          each.name.title = names[side];
          each.picture.src = url;
          each.picture.alt = names[side];
          await each.picture.decode?.().catch(() => {});
          each.shades.show(box);
        }),
      );
      draw();
    },
    /** @param {string[]} given of the rows */
    colour(given) {
      colours = given;
    },
    /** @param {import("./trace.js").Step} step */
    show({ owners, row, column }) {
      shown = { owners, row, column };
      draw();
    },
    /** @type {(row: number, column: number) => void} */
    mark(row, column) {
      pointed = [row, column];
      draw();
    },
    stop() {
      observer.disconnect();
    },
  };
}
