// The two layers of a cell, and the CKA of all three similarities with their intervals.

import { h } from "../base/dom.js";
import { format } from "../base/format.js";
import { layerShape } from "../base/layer_slider.js";
import { isUncertain } from "./cells.js";

/** @typedef {import("./cells.js").MapCell} MapCell */

const HINT =
  "Each cell compares a layer of A with a layer of B: 1 where they find the same images alike, about 0 where they are " +
  "unrelated. Point at one to read it; click it to see what differs.";

/**
 * @param {import("./layer_grid.js").Side[]} sides
 * @param {import("../base/similarities.js").Similarity[]} similarities whose RSMs are compared
 */
export function cellCard(sides, similarities) {
  const heads = ["A", "B"].map((letter) => {
    const words = h("span");
    return {
      words,
      node: h("p", { class: "srsm-card-layer" }, h("strong", { class: "srsm-letter" }, letter), " ", words),
    };
  });
  const table = h("div", { class: "srsm-values srsm-cka" });
  const rows = similarities.map(({ name: kind, aside: words }) => {
    const name = h("span", { class: "srsm-name" }, kind, h("small", {}, words));
    const mean = h("span", { class: "srsm-whisker-value" });
    const whisker = h("span", { class: "srsm-whisker-line" });
    const bar = h("span", { class: "srsm-whisker", "aria-hidden": "true", "data-name": kind }, whisker, mean);
    const value = h("span", { class: "srsm-number" });
    const ends = h("small", { class: "srsm-label" });
    table.append(name, bar, h("span", { class: "srsm-cka-value" }, value, ends));
    return { kind, name, mean, whisker, bar, value, ends };
  });
  const note = h("p", { class: "srsm-note" });
  const hint = h("p", { class: "srsm-hint" });
  const root = h(
    "aside",
    { class: "srsm-card srsm-cell-card" },
    h("p", { class: "srsm-card-title" }),
    ...heads.map((head) => head.node),
    table,
    note,
    hint,
  );
  // What is open below must not move on the way there from the map: a click would land elsewhere. So the card keeps the
  // height of the longest that it has said in this width and type.
  let measure = "";
  const observer = new ResizeObserver(() => {
    const now = `${root.offsetWidth} ${getComputedStyle(root).fontSize}`;
    if (now !== measure) root.style.minHeight = "";
    measure = now;
    if (root.offsetHeight) root.style.minHeight = `${root.offsetHeight}px`;
  });
  observer.observe(root);
  observer.observe(table); // it shrinks with the type
  /** @param {number} value */
  const percent = (value) => 100 * Math.min(1, Math.max(0, value));
  return {
    root,
    stop: () => observer.disconnect(),
    /**
     * @param {[a: string, b: string] | null} names of the layers
     * @param {Record<string, MapCell | undefined> | null} cells one for each kind of RSM
     * @param {string} shown the kind that the map shows
     * @param {boolean} chosen whether this is the cell that is opened, not one that is pointed at
     */
    show(names, cells, shown, chosen) {
      heads.forEach(({ node, words }, side) => {
        const layer = names && sides[side].layers.find((each) => each.name === names[side]);
        if (layer) words.replaceChildren(h("b", {}, layer.name), ` · ${layerShape(layer)}`);
        node.hidden = !layer;
      });
      table.hidden = !names;
      for (const row of rows) {
        const cell = cells?.[row.kind];
        const value = cell?.value ?? null;
        const [low, high] = value === null ? [null, null] : [cell?.low ?? null, cell?.high ?? null];
        row.value.textContent = value !== null ? format(value) : cell ? "n/a" : "…";
        row.ends.textContent = value === null ? "" : low === null ? "no interval" : `${format(low)} to ${format(high)}`;
        row.mean.hidden = value === null;
        row.whisker.hidden = low === null;
        if (value !== null) row.mean.style.left = `${percent(value)}%`;
        if (low !== null && high !== null) {
          row.whisker.style.left = `${percent(low)}%`;
          row.whisker.style.width = `${percent(high) - percent(low)}%`;
        }
        for (const node of [row.name, row.bar]) node.dataset.shown = String(row.kind === shown);
      }
      const cell = cells?.[shown];
      note.textContent = cell ? noteOf(cell) : "";
      hint.textContent = !names ? HINT : chosen ? "Opened below." : "Click to see which pairs of images differ.";
      root.dataset.value = String(cell?.value ?? "");
    },
  };
}

/**
 * What is to be known of a value: why there is none, or how certain it is.
 *
 * @param {MapCell} cell
 */
function noteOf(cell) {
  if (cell.value === null) return `Not defined: ${cell.reason}`;
  return [
    `95 % intervals leave out one of ${cell.n} images at a time.`,
    isUncertain(cell) ? "This one holds 0: it is not certain that the two are related." : "",
    spectrumWords(cell),
  ]
    .filter(Boolean)
    .join(" ");
}

/**
 * The matched RSM need not be positive semi-definite; CKA then is a plain cosine of the centred RSMs.
 *
 * @param {MapCell} cell
 */
function spectrumWords(cell) {
  /** @type {(letter: string, value: number | null) => string[]} */
  const part = (letter, value) =>
    value !== null && value < -1e-6 ? [`${letter}’s smallest eigenvalue is ${format(value, 3)} of its largest`] : [];
  const parts = [...part("A", cell.smallest_eigenvalue_a), ...part("B", cell.smallest_eigenvalue_b)];
  if (!parts.length) return "";
  return `${parts.join(", ")}: no Gram matrix, so this is a cosine of centred RSMs.`;
}
