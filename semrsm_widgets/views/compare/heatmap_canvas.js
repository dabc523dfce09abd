// A small heatmap on a canvas: N x N colour indices, an outline for the cell that is read and one for the chosen pair.
// Pointed at by mouse, by touch or by the arrow keys.

import { h, OWN_KEYS } from "../base/dom.js";
import { arrowStep, fractionsOf, listenToKeys, nearestCell, stepped } from "../base/grid_pointer.js";
import { drawPixels } from "../base/pixels.js";
import { outlineCell } from "../base/placed.js";

/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {import("../base/grid_pointer.js").Grid} Grid */

/**
 * @param {string} name
 * @param {number} size of the matrix
 */
export function heatmapCanvas(name, size) {
  /** @type {Grid} */
  const grid = [size, size];
  const canvas = h("canvas", { width: size, height: size, class: "srsm-pixels" });
  const veil = h("div", { class: "srsm-veil" });
  const cursor = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const chosen = h("div", { class: "srsm-cell srsm-chosen", hidden: true });
  const surface = h(
    "div",
    { class: "srsm-surface", tabindex: 0, role: "img", ...OWN_KEYS },
    canvas,
    veil,
    chosen,
    cursor,
  );
  const title = h("strong");
  const words = h("span");
  const low = h("span", { class: "srsm-number" });
  const high = h("span", { class: "srsm-number" });
  const strip = h("div", { class: "srsm-strip" });
  const caption = h("figcaption", {}, title, words);
  const root = h(
    "figure",
    { class: "srsm-heatmap", "data-map": name },
    caption,
    surface,
    h("div", { class: "srsm-heatmap-bar" }, low, strip, high),
  );

  return {
    root,
    /** @type {(strong: string, rest: string) => void} */
    caption(strong, rest) {
      title.textContent = strong;
      words.textContent = rest;
      caption.title = strong + rest;
    },
    /**
     * @param {Uint8Array | undefined} colours N * N indices into the palette; one past its end is left transparent
     * @param {string[]} palette of "#rrggbb"
     * @param {[string, string]} ends of the range, in words
     */
    draw(colours, palette, ends) {
      veil.textContent = colours ? "" : "not defined";
      canvas.hidden = !colours;
      low.textContent = ends[0];
      high.textContent = ends[1];
      strip.style.backgroundImage = `linear-gradient(to right, ${palette.join(",")})`;
      if (colours) drawPixels(canvas, colours, { rows: size, columns: size, palette });
    },
    /** @param {Cell | null} where */
    cursor: (where) => outlineCell(cursor, where, grid),
    /** @param {Cell | null} where */
    chosen: (where) => outlineCell(chosen, where, grid),
    /** @param {string} text */
    describe(text) {
      surface.setAttribute("aria-label", text);
    },
    /**
     * @param {object} heard
     * @param {(where: Cell | null) => void} heard.point
     * @param {(where: Cell) => void} heard.choose
     * @param {() => Cell} heard.current the cell from which the arrow keys start
     */
    listen({ point, choose, current }) {
      /** @param {MouseEvent} event */
      const cellUnder = (event) => nearestCell(fractionsOf(event, surface.getBoundingClientRect()), grid);
      let last = "";
      surface.addEventListener("pointermove", (event) => {
        const where = cellUnder(event);
        if (String(where) === last) return;
        last = String(where);
        point(where);
      });
      surface.addEventListener("pointerleave", () => {
        last = "";
        point(null);
      });
      surface.addEventListener("blur", () => point(null));
      // What was pressed is chosen: taking the focus may move the page before the button is released.
      /** @type {Cell | null} */
      let pressed = null;
      surface.addEventListener("pointerdown", (event) => {
        pressed = cellUnder(event);
      });
      surface.addEventListener("click", (event) => {
        choose(pressed ?? cellUnder(event));
        pressed = null;
      });
      listenToKeys(surface, (event) => {
        const step = arrowStep(event);
        if (step) point(stepped(current(), step, grid));
        else if (event.key === "Enter" || event.key === " ") choose(current());
        else if (event.key === "Escape") point(null);
        else return false;
        return true;
      });
    },
  };
}
