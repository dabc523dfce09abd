// The query, large, with its token grid: a box drawn on it, by pointer or by keyboard, is what is searched with.

import { h, OWN_KEYS, setAttributes, svg } from "../base/dom.js";
import { arrowStep, cellAt, fractionsOf, listenToKeys, nearestCell, stepped } from "../base/grid_pointer.js";
import { cropShades, place } from "../base/placed.js";

/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {import("../base/grid_pointer.js").Grid} Grid */
/** @typedef {[number, number, number, number]} Patches top, left, bottom, right: the last row and column are excluded */

const DRAG_PIXELS = 4; // a shorter way of the pointer is a click

/** @param {{ onBox: (box: Patches | null) => void }} heard */
export function queryPanel({ onBox }) {
  const picture = h("img", { alt: "", draggable: "false" });
  const shades = cropShades();
  const lines = svg("path", { class: "srsm-grid", "vector-effect": "non-scaling-stroke" });
  const veil = svg("path", { class: "srsm-veil-path", "fill-rule": "evenodd" });
  const outline = ["srsm-shadow", "srsm-bright"].map((name) =>
    svg("rect", { class: name, "vector-effect": "non-scaling-stroke" }),
  );
  const overlay = svg("svg", {
    class: "srsm-box-overlay",
    viewBox: "0 0 1 1",
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  overlay.append(lines, veil, ...outline);
  const frame = h(
    "div",
    { class: "srsm-picture srsm-query-picture", tabindex: 0, role: "img", ...OWN_KEYS },
    picture,
    ...shades.nodes,
    overlay,
  );
  const name = h("strong", { class: "srsm-query-name" });
  const kinds = h("span", { class: "srsm-aside" });
  const words = h("span", { class: "srsm-patches", "aria-live": "polite" });
  const reset = h(
    "button",
    { class: "srsm-button", type: "button", hidden: true, onclick: () => onBox(null) },
    "whole image",
  );
  const who = h("span", { class: "srsm-query-who" }, h("span", { class: "srsm-label" }, "query "), name);
  const caption = h("figcaption", {}, who, kinds);
  const root = h(
    "figure",
    { class: "srsm-query" },
    caption,
    frame,
    h("div", { class: "srsm-query-foot" }, words, reset),
  );

  /** @type {import("../base/placed.js").Box} */
  let where = [0, 0, 1, 1]; // the grid on the picture
  /** @type {Grid | null} */
  let grid = null; // null where no box can be drawn
  /** @type {Patches | null} */
  let box = null; // what is searched with
  /** @type {{ anchor: Cell, head: Cell, keyed?: boolean } | null} */
  let draft = null; // what is being drawn, by the pointer or by keys
  let reason = "";

  function draw() {
    place(overlay, where);
    const shown = draft ? boxBetween(draft.anchor, draft.head) : box;
    overlay.style.display = grid ? "" : "none";
    reset.hidden = !box && !draft;
    frame.style.cursor = grid ? "crosshair" : "default";
    if (!grid) {
      words.textContent = reason;
      return;
    }
    const [rows, columns] = grid;
    let path = "";
    for (let c = 0; c <= columns; c += 1) path += `M${c / columns} 0V1`;
    for (let r = 0; r <= rows; r += 1) path += `M0 ${r / rows}H1`;
    lines.setAttribute("d", path);
    lines.classList.toggle("srsm-fine", rows > 32);
    veil.style.display = shown ? "" : "none";
    outline.forEach((node) => {
      node.style.display = shown ? "" : "none";
    });
    const total = rows * columns;
    if (!shown) {
      words.textContent =
        total === 1 ? "The one patch." : `All ${total} patches. Drag on the picture to search with a part of it.`;
      return;
    }
    const [y0, x0, y1, x1] = [shown[0] / rows, shown[1] / columns, shown[2] / rows, shown[3] / columns];
    veil.setAttribute("d", `M0 0H1V1H0ZM${x0} ${y0}H${x1}V${y1}H${x0}Z`);
    for (const node of outline) setAttributes(node, { x: x0, y: y0, width: x1 - x0, height: y1 - y0 });
    words.textContent = `${boxWords(shown, total)}${draft?.keyed ? ". Enter searches, Escape drops the box." : ""}`;
  }

  /** @type {{ cell: Cell, x: number, y: number } | null} */
  let pressed = null; // where the pointer went down: a box begins once it has moved
  /** @param {MouseEvent} event */
  const fractions = (event) => fractionsOf(event, overlay.getBoundingClientRect());
  frame.addEventListener("pointerdown", (event) => {
    if (!grid || event.button !== 0) return;
    const cell = cellAt(fractions(event), grid);
    if (!cell) return;
    pressed = { cell, x: event.clientX, y: event.clientY };
    frame.setPointerCapture(event.pointerId);
    event.preventDefault(); // no text is selected, no image dragged
    frame.focus({ preventScroll: true });
  });
  frame.addEventListener("pointermove", (event) => {
    if (!pressed || !grid) return;
    if (!draft && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < DRAG_PIXELS) return;
    draft = { anchor: pressed.cell, head: nearestCell(fractions(event), grid) };
    draw();
  });
  /** @param {boolean} commit */
  const finish = (commit) => {
    const drawn = draft && !draft.keyed ? boxBetween(draft.anchor, draft.head) : null;
    const clicked = pressed && !draft;
    pressed = null;
    if (drawn) draft = null;
    if (commit && drawn) onBox(drawn);
    else if (commit && clicked && box) onBox(null); // a click beside the box, or on it, is back to the whole image
    draw();
  };
  frame.addEventListener("pointerup", () => finish(true));
  frame.addEventListener("pointercancel", () => finish(false));
  listenToKeys(frame, (event) => {
    const step = arrowStep(event);
    if (step && grid) {
      if (!draft) draft = firstDraft(grid, box);
      else {
        const head = stepped(draft.head, step, grid);
        draft = event.shiftKey ? { ...draft, head } : { anchor: head, head, keyed: true };
      }
    } else if (event.key === "Enter" && draft) {
      const drawn = boxBetween(draft.anchor, draft.head);
      draft = null;
      onBox(drawn);
    } else if (event.key === "Escape" && (draft || box)) {
      draft = null;
      if (box) onBox(null);
    } else return false;
    draw();
    return true;
  });

  return {
    root,
    /** @param {{ url: string, id: string, labels: string[], box: import("../base/placed.js").Box, problem: string }} query */
    show({ url, id, labels, box: seen, problem }) {
      where = seen;
      picture.src = url;
      picture.alt = id;
      name.textContent = id;
      name.title = id;
      frame.title = problem;
      caption.title = labels.join(", ");
      caption.dataset.problem = String(Boolean(problem));
      kinds.textContent = problem ? "· this picture cannot be read" : labels.length ? `· ${labels.join(", ")}` : "";
      frame.setAttribute(
        "aria-label",
        `Query: ${id}. Arrow keys move a cursor over the patches, with Shift they draw a box, Enter searches with it, Escape searches with the whole image.`,
      );
      shades.show(where);
      draw();
    },
    /**
     * @param {Grid | null} next the layer's grid
     * @param {string} why no box can be drawn at it
     */
    setGrid(next, why) {
      grid = next;
      reason = why;
      draft = null;
      pressed = null;
      draw();
    },
    /** @param {Patches | null} next */
    setBox(next) {
      box = next;
      draft = null;
      draw();
    },
  };
}

/**
 * What the first arrow key shows, which is where the cursor is: the box that is there, or the middle.
 *
 * @param {Grid} grid
 * @param {Patches | null} box
 */
export function firstDraft([rows, columns], box) {
  /** @type {Cell} */
  const anchor = box ? [box[0], box[1]] : [Math.floor(rows / 2), Math.floor(columns / 2)];
  /** @type {Cell} */
  const head = box ? [box[2] - 1, box[3] - 1] : anchor;
  return { anchor, head, keyed: true };
}

/**
 * The box with two cells in its corners.
 *
 * @param {Cell} a
 * @param {Cell} b
 * @returns {Patches}
 */
export function boxBetween([r0, c0], [r1, c1]) {
  return [Math.min(r0, r1), Math.min(c0, c1), Math.max(r0, r1) + 1, Math.max(c0, c1) + 1];
}

/**
 * @param {Patches} box
 * @param {number} total patches of the whole image
 */
function boxWords([top, left, bottom, right], total) {
  /** @type {(from: number, to: number) => string} */
  const span = (from, to) => (to - from === 1 ? `${from + 1}` : `${from + 1}–${to}`);
  const count = (bottom - top) * (right - left);
  return `${count} of ${total} patches (rows ${span(top, bottom)}, columns ${span(left, right)})`;
}
