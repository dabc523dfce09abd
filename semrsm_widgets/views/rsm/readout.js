// The two images of a cell, and every similarity of theirs on one scale.

import { bar as barOf } from "../base/bars.js";
import { h } from "../base/dom.js";
import { atMost, format } from "../base/format.js";
import { captionOf } from "../base/similarities.js";
import { readableFrom } from "../pair/trust.js";

/** @typedef {import("./matrices.js").Frame} Frame */
/** @typedef {{ id: string, labels: string[] }} Image */
/** @typedef {{ aligned?: number, semantic?: number, upper?: number | null, pooled?: number }} Values of one cell */

/**
 * @param {Image[]} images
 * @param {import("../base/similarities.js").Similarity[]} similarities that every layer has
 */
export function readout(images, similarities) {
  const pictures = [h("img", { alt: "" }), h("img", { alt: "" })];
  const captions = [h("figcaption"), h("figcaption")];
  const note = h("p", { class: "srsm-note" });
  const several = h("p", { class: "srsm-note srsm-several", hidden: true });
  const hint = h("p", { class: "srsm-hint" });
  const table = h("div", { class: "srsm-values" });
  // in full: "unrelated" alone was read as the mean of the other images
  const unrelated = { name: "unrelated", shown: "unrelated tokens", aside: captionOf(similarities, "semantic") };
  const told = similarities.map((each) => ({ ...each, shown: each.name }));
  const rows = [...told, unrelated].map(({ name, shown, aside: words }) => {
    const bar = barOf();
    const value = h("span", { class: "srsm-number" });
    const title = name === "pooled" ? `${words}: a scale of its own, to be compared between pairs` : words;
    table.append(h("span", { class: "srsm-name", title }, shown, h("small", {}, words)), bar.root, value);
    return { name, bar, value };
  });
  const figures = pictures.map((picture, k) => h("figure", {}, picture, captions[k]));
  const root = h(
    "aside",
    { class: "srsm-card" },
    h("div", { class: "srsm-card-pair" }, ...figures),
    table,
    several,
    note,
    hint,
  );
  /** @type {string[]} */
  let urls = [];
  /** @type {{ i: number, j: number, layer: string, kernel: string, values: Values | null, pair: string[] } | null} */
  let late = null; // the kernel's answer to a hover, where the page has rounded values and no thumbnails

  /** @type {(i: number, j: number, frame: Frame | null) => boolean} whether the kernel has answered for this cell */
  const isLate = (i, j, frame) =>
    late?.i === i && late.j === j && late.layer === frame?.layer && late.kernel === frame?.kernel;
  /** @type {(i: number, j: number, frame: Frame | null) => Values} */
  const valuesOf = (i, j, frame) => {
    if (late?.values && isLate(i, j, frame)) return { ...late.values, upper: late.values.upper ?? Infinity };
    if (!frame?.full) return {};
    return Object.fromEntries(
      Object.entries(frame.full).map(([name, matrix]) => [name, matrix[i * images.length + j]]),
    );
  };
  return {
    root,
    /** @param {string[]} list */
    thumbnails(list) {
      urls = list;
    },
    /**
     * @param {any} content the kernel's answer
     * @param {string[]} pair the two pictures
     */
    late(content, pair) {
      for (const url of late?.pair ?? []) URL.revokeObjectURL(url);
      late = { ...content, pair };
    },
    /**
     * The cell in a sentence, for screen readers.
     *
     * @param {number} i
     * @param {number} j
     * @param {Frame | null} frame
     */
    sentence(i, j, frame) {
      const { aligned, semantic, pooled } = valuesOf(i, j, frame);
      const pair = `${images[i].id} and ${images[j].id}`;
      if (aligned === undefined) return `${pair}.`;
      return `${pair}: aligned ${format(aligned)}, semantic ${format(semantic)}, pooled ${format(pooled)}.`;
    },
    /**
     * @param {number} i
     * @param {number} j
     * @param {Frame | null} frame
     * @param {boolean} chosen whether this is the pair that is opened, not a cell that is pointed at
     * @param {string} around what the cell pointed at holds, where it is several pairs
     */
    show(i, j, frame, chosen, around = "") {
      [i, j].forEach((k, side) => {
        const own = late && late.i === i && late.j === j ? late.pair[side] : null;
        const url = urls[k] ?? own;
        if (url) pictures[side].src = url;
        pictures[side].style.visibility = url ? "visible" : "hidden";
        captions[side].textContent = images[k].id;
        captions[side].title = [images[k].id, ...images[k].labels].join(" · ");
      });
      const values = valuesOf(i, j, frame);
      const { aligned = NaN, semantic = NaN, pooled = NaN } = values;
      /** @type {Record<string, number>} */
      const all = { aligned, semantic, pooled, unrelated: frame?.null?.mean ?? NaN };
      const known = Object.values(all).filter(Number.isFinite);
      // Inner products have no natural end: the largest of the cell's is theirs.
      const most = frame?.kernel === "inner product" ? Math.max(1e-12, ...known.map(Math.abs)) : 1;
      const readable = frame?.kernel === "inner product" ? null : readableFrom(frame?.null);
      const how = { unrelated: all.unrelated, readable, isSigned: known.some((value) => value < 0), most };
      for (const { name, bar, value } of rows) {
        value.textContent = format(all[name]);
        bar.show([{ name, from: 0, to: all[name] }], name === "semantic" ? how : { ...how, unrelated: null });
      }
      const isAwaited = frame !== null && !frame.full && !frame.reason && !isLate(i, j, frame);
      note.textContent = isAwaited
        ? "The values of this pair are being read …"
        : noteOf(frame, i === j, semantic, values.upper ?? NaN);
      several.textContent = around;
      several.hidden = !around;
      hint.textContent = chosen
        ? "Point at a cell to read it, click it to see the two images, drag to zoom."
        : "Click to see which patches match.";
      root.dataset.semantic = Number.isFinite(semantic) ? String(semantic) : "";
      root.dataset.aligned = Number.isFinite(aligned) ? String(aligned) : "";
    },
  };
}

/**
 * What is to be known of a value: why there is none, or how far it is certified.
 *
 * @param {Frame | null} frame
 * @param {boolean} isDiagonal
 * @param {number} semantic
 * @param {number} upper
 */
function noteOf(frame, isDiagonal, semantic, upper) {
  if (frame?.reason) return `${frame.kernel} is not defined here: ${frame.reason}`;
  if (isDiagonal) return "One image with itself: the diagonal.";
  const gap = upper - semantic;
  if (Number.isFinite(gap)) return `The best match is within ${atMost(gap)} of ${format(semantic, 4)}: certified.`;
  return upper === Infinity ? "No certificate: the matcher is an approximation." : "";
}
