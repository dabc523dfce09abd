// The pictures of PairView: an image with its chooser, and B rebuilt in A's layout.

import { h, OWN_KEYS } from "../base/dom.js";
import { arrowStep, cellAt, cellOf, fractionsOf, listenToKeys, tokenOf } from "../base/grid_pointer.js";
import { cropShades, outlineCell, place } from "../base/placed.js";

/** @typedef {import("../base/grid_pointer.js").Grid} Grid */
/** @typedef {import("../base/placed.js").Box} Box */
/** @typedef {{ id: string, labels: string[] }} Image */
/** @typedef {ReturnType<typeof imagePanel>} ImagePanel */

/**
 * @param {string} letter
 * @param {(image: number) => void} onChoose
 * @param {...Node} more
 */
export function imagePanel(letter, onChoose, ...more) {
  const choose = h("select", { class: "srsm-choose", "aria-label": `image ${letter}` });
  choose.addEventListener("change", () => onChoose(Number(choose.value)));
  const role = h("span", { class: "srsm-role" });
  const picture = h("img", { alt: "", draggable: "false" });
  const missing = h("p", { class: "srsm-missing", hidden: true });
  const shades = cropShades();
  const heat = h("canvas", { class: "srsm-heat", hidden: true, "aria-hidden": "true" });
  const frame = h(
    "div",
    { class: "srsm-picture", tabindex: 0, role: "img", ...OWN_KEYS },
    picture,
    ...shades.nodes,
    heat,
    missing,
  );
  const root = h(
    "figure",
    { class: "srsm-side", "data-side": letter },
    h("figcaption", {}, h("span", { class: "srsm-letter" }, letter), role, choose, ...more),
    frame,
  );
  /** @type {Box} */
  let box = [0, 0, 1, 1];
  let offset = { left: 0, top: 0, width: 0, height: 0 };
  return {
    root,
    picture,
    heat,
    /** Whether the model sees a part only. */
    cropped: () => box.some((value, k) => Math.abs(value - (k < 2 ? 0 : 1)) > 1e-3),
    /** @param {string} words the image's part in a comparison */
    play(words) {
      role.textContent = words;
    },
    /** @param {string} words */
    describe(words) {
      frame.setAttribute("aria-label", words);
    },
    /** @param {Image[]} images */
    offer(images) {
      choose.replaceChildren(...images.map((image, k) => h("option", { value: k }, image.id)));
    },
    /**
     * @param {number} k
     * @param {Image | undefined} image
     */
    choose(k, image) {
      choose.value = String(k);
      choose.title = image ? [image.id, ...image.labels].join(" · ") : "";
    },
    /**
     * @param {string} url
     * @param {Box} where the part that the model sees
     * @param {Image} image
     * @param {string} problem why the picture cannot be shown; empty if it can
     */
    async show(url, where, image, problem) {
      box = where;
      missing.hidden = !problem;
      missing.textContent = problem ? `This picture is gone or cannot be read (${problem}).` : "";
      picture.src = url;
      picture.alt = image.id;
      await picture.decode().catch(() => {});
      shades.show(box);
      place(heat, box);
    },
    /** @param {HTMLElement} stage */
    measure(stage) {
      const outer = stage.getBoundingClientRect();
      const inner = picture.getBoundingClientRect();
      offset = { left: inner.left - outer.left, top: inner.top - outer.top, width: inner.width, height: inner.height };
    },
    // Where the token grid lies, in the stage's pixels.
    area() {
      const [left, top, right, bottom] = box;
      return {
        left: offset.left + left * offset.width,
        top: offset.top + top * offset.height,
        width: (right - left) * offset.width,
        height: (bottom - top) * offset.height,
      };
    },
    // Where the token grid lies, in the picture's own pixels.
    source() {
      const [left, top, right, bottom] = box;
      const { naturalWidth: width, naturalHeight: height } = picture;
      return { left: left * width, top: top * height, width: (right - left) * width, height: (bottom - top) * height };
    },
    /**
     * The token under a pointer, -1 outside the grid.
     *
     * @param {MouseEvent} event
     * @param {Grid} grid
     */
    tokenAt(event, grid) {
      const inner = picture.getBoundingClientRect();
      const [left, top, right, bottom] = box;
      const cell = cellAt(
        fractionsOf(event, {
          left: inner.left + left * inner.width,
          top: inner.top + top * inner.height,
          width: (right - left) * inner.width,
          height: (bottom - top) * inner.height,
        }),
        grid,
      );
      return cell ? tokenOf(cell, grid) : -1;
    },
    /**
     * @param {object} heard
     * @param {(event: MouseEvent) => void} heard.point
     * @param {() => void} heard.leave
     * @param {() => void} heard.pin
     * @param {(by: [number, number]) => void} heard.step
     * @param {() => void} heard.free
     */
    listen({ point, leave, pin, step, free }) {
      frame.addEventListener("pointermove", point);
      frame.addEventListener("pointerleave", leave);
      frame.addEventListener("click", (event) => {
        point(event);
        pin();
      });
      listenToKeys(frame, (event) => {
        const by = arrowStep(event);
        if (by) step(by);
        else if (event.key === "Enter" || event.key === " ") pin();
        else if (event.key === "Escape") free();
        else return false;
        return true;
      });
    },
  };
}

/** B's patches moved to their partners in A: where the match is meant, A's picture comes together again. */
export function rebuiltPanel() {
  const canvas = h("canvas", { width: 1, height: 1, role: "img" });
  const mark = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const caption = h("figcaption");
  const picture = h("div", { class: "srsm-picture" }, canvas, mark);
  const note = h("p", { class: "srsm-hint" });
  const root = h("figure", { class: "srsm-side srsm-rebuilt" }, caption, picture, note);
  return {
    root,
    /**
     * Draw B in the layout of `partner`, or say why there is none.
     *
     * @param {ImagePanel[]} sides
     * @param {{ grid: Grid | null, other_grid: Grid | null }} matches
     * @param {import("./reading.js").Numbers | null} partner
     * @param {string} words
     * @param {number[] | null} opacity of each tile; null for all
     */
    draw(sides, { grid, other_grid: otherGrid }, partner, words, opacity = null) {
      root.hidden = !grid;
      picture.hidden = !partner;
      note.hidden = Boolean(partner);
      caption.textContent = partner ? words : "";
      note.textContent = partner ? "" : words;
      if (!grid || !otherGrid || !partner || !sides[1].picture.naturalWidth) return;
      const source = sides[1].source();
      const shape = sides[0].source();
      const [rows, columns] = grid;
      const [fromRows, fromColumns] = otherGrid;
      // Patches as they stand on A: a transform that squashes makes them oblong there.
      const scale = 448 / Math.max(shape.width, shape.height, 1);
      const cellWidth = Math.max(4, Math.round((scale * shape.width) / columns));
      const cellHeight = Math.max(4, Math.round((scale * shape.height) / rows));
      canvas.width = cellWidth * columns;
      canvas.height = cellHeight * rows;
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const [width, height] = [source.width / fromColumns, source.height / fromRows];
      partner.forEach((from, token) => {
        if (from < 0) return;
        const [row, column] = cellOf(token, grid);
        const [fromRow, fromColumn] = cellOf(from, otherGrid);
        context.globalAlpha = opacity?.[token] ?? 1;
        context.drawImage(
          sides[1].picture,
          source.left + fromColumn * width,
          source.top + fromRow * height,
          width,
          height,
          column * cellWidth,
          row * cellHeight,
          cellWidth,
          cellHeight,
        );
      });
      canvas.setAttribute("aria-label", words);
    },
    /**
     * @param {number} token
     * @param {Grid} grid
     */
    mark(token, grid) {
      outlineCell(mark, token < 0 ? null : cellOf(token, grid), grid);
    },
  };
}
