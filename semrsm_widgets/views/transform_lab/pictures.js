// The pictures of the lab: the original, the moved one, and the moved one's patches put where their partners are.

import { h, OWN_KEYS } from "../base/dom.js";
import { arrowStep, cellOf, fractionsOf, listenToKeys, nearestCell, stepped, tokenOf } from "../base/grid_pointer.js";
import { outlineCell } from "../base/placed.js";

/** @typedef {import("../base/grid_pointer.js").Grid} Grid */

/** @type {(node: HTMLElement, token: number, grid: Grid | null) => void} */
function markToken(node, token, grid) {
  outlineCell(node, token < 0 || !grid ? null : cellOf(token, grid), grid);
}

/** @param {string} title */
export function labPicture(title) {
  const picture = h("img", { alt: "", draggable: "false" });
  const mark = h("div", { class: "srsm-cell srsm-cursor srsm-lab-mark", hidden: true });
  const frame = h("div", { class: "srsm-picture" }, picture, mark);
  const root = h("figure", { class: "srsm-side" }, h("figcaption", {}, title), frame);
  return {
    root,
    picture,
    /** @type {(token: number, grid: Grid | null) => void} */
    mark: (token, grid) => markToken(mark, token, grid),
    /**
     * @param {string} url
     * @param {string} words
     */
    async show(url, words) {
      picture.src = url;
      picture.alt = words;
      await picture.decode().catch(() => {});
    },
    /**
     * @param {object} heard
     * @param {() => Grid | null} heard.grid
     * @param {(token: number) => void} heard.point -1: none
     * @param {() => number} heard.current the token from which the arrow keys start
     */
    listen({ grid: gridNow, point, current }) {
      frame.tabIndex = 0;
      frame.setAttribute("role", "img");
      for (const [name, value] of Object.entries(OWN_KEYS)) frame.setAttribute(name, value);
      frame.setAttribute("aria-label", `${title} picture. Arrow keys move from patch to patch, Escape leaves.`);
      const leave = () => point(-1);
      frame.addEventListener("pointermove", (event) => {
        const grid = gridNow();
        if (grid) point(tokenOf(nearestCell(fractionsOf(event, picture.getBoundingClientRect()), grid), grid));
      });
      frame.addEventListener("pointerleave", leave);
      frame.addEventListener("blur", leave);
      listenToKeys(frame, (event) => {
        const grid = gridNow();
        const step = arrowStep(event);
        if (event.key === "Escape") leave();
        else if (step && grid) point(current() < 0 ? 0 : tokenOf(stepped(cellOf(current(), grid), step, grid), grid));
        else return false;
        return true;
      });
    },
  };
}

/** @param {string} title */
export function labCanvas(title) {
  const canvas = h("canvas", { width: 1, height: 1, role: "img" });
  const mark = h("div", { class: "srsm-cell srsm-cursor srsm-lab-mark", hidden: true });
  const frame = h("div", { class: "srsm-picture" }, canvas, mark);
  const root = h("figure", { class: "srsm-side" }, h("figcaption", { title }, title), frame);
  return {
    root,
    /** @type {(token: number, grid: Grid | null) => void} */
    mark: (token, grid) => markToken(mark, token, grid),
    /**
     * @param {HTMLImageElement} picture the moved one
     * @param {import("./view.js").LabMatches} matches
     */
    draw(picture, { grid, permutation, same_position: share }) {
      root.hidden = !grid;
      if (!grid || !picture.naturalWidth) return;
      const [rows, columns] = grid;
      canvas.width = picture.naturalWidth;
      canvas.height = picture.naturalHeight;
      const [width, height] = [canvas.width / columns, canvas.height / rows];
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      permutation.forEach((partner, token) => {
        if (partner < 0) return;
        const [fromRow, fromColumn] = cellOf(partner, grid);
        const [row, column] = cellOf(token, grid);
        const source = /** @type {const} */ ([fromColumn * width, fromRow * height, width, height]);
        context.drawImage(picture, ...source, column * width, row * height, width, height);
      });
      const words = "The moved picture with each patch put where its partner is in the original";
      canvas.setAttribute("aria-label", `${words}; ${Math.round(100 * (share ?? 0))} % of them stay where they are.`);
    },
  };
}
