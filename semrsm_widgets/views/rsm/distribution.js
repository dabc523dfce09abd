// Under each heatmap: its colours as a scale, and above them how the pairs are spread over it, those with a label in
// common against the others, so that one sees what the similarity tells apart.

import { h, svg } from "../base/dom.js";
import { format } from "../base/format.js";

export const BINS = 48;

/**
 * What a scale shows.
 *
 * @typedef {object} Spread
 * @property {[low: number, high: number]} range
 * @property {[same: Float64Array | null, other: Float64Array | null]} shares of `spread`
 * @property {number | null} [level] what unrelated tokens reach on average
 * @property {number | null} [readable] from which value on a pair's matches are read
 * @property {number | null} [auc] how often a pair with a label in common is the more similar one
 * @property {string} [title]
 * @property {boolean} [kept] whether all layers have this range; else the same colour is another value in the next layer
 * @property {boolean} labelled whether any image has a label
 */

/** @param {string[]} palette */
export function distribution(palette) {
  const low = h("span", { class: "srsm-number" });
  const high = h("span", { class: "srsm-number" });
  const span = h("span", { class: "srsm-ends-words" });
  const words = h("span", { class: "srsm-spread-words" });
  const place = h("span", { class: "srsm-spread-words srsm-spread-place", hidden: true });
  const paths = ["other", "same"].map((kind) => svg("path", { class: `srsm-spread-${kind}` }));
  const curves = svg("svg", {
    viewBox: `0 0 ${BINS} 1`,
    preserveAspectRatio: "none",
    class: "srsm-spread",
    role: "img",
  });
  curves.append(...paths);
  const mark = h("span", { class: "srsm-mark" });
  const markWords = h("span", { class: "srsm-mark-words" });
  const band = h("span", { class: "srsm-mark-band" });
  const strip = h("div", { class: "srsm-strip" });
  const here = h("span", { class: "srsm-here", hidden: true, title: "this pair" });
  /** @type {[number, number] | null} */
  let ends = null;
  strip.style.backgroundImage = `linear-gradient(to right, ${palette.join(",")})`;
  const root = h(
    "div",
    { class: "srsm-scale" },
    h("div", { class: "srsm-plot" }, band, curves, strip, mark, markWords, here),
    h("div", { class: "srsm-ends" }, low, span, high),
    place,
    words,
  );

  return {
    root,
    /** @param {Spread} what */
    show({ range, shares, level = null, readable = null, auc = null, title = "", kept = false, labelled }) {
      const [same, other] = shares;
      ends = range;
      [low.textContent, high.textContent] = range.map((end) =>
        format(Math.abs(end) < 0.005 * (range[1] - range[0]) ? 0 : end),
      );
      span.textContent = kept ? "same colours at all layers" : "colours of this layer";
      span.title = kept
        ? "All layers have these colours. “More” gives each its own again."
        : "Each layer has colours of its own: the same colour is another value there. “More” keeps these for all.";
      const top = Math.max(1e-9, ...(same ?? []), ...(other ?? []));
      paths[0].setAttribute("d", other ? steps(other, top) : "");
      paths[1].setAttribute("d", same ? steps(same, top) : "");
      const at = level === null ? -1 : (level - range[0]) / (range[1] - range[0]);
      mark.hidden = markWords.hidden = !(at >= 0 && at <= 1);
      mark.style.left = markWords.style.left = `${100 * at}%`;
      band.hidden = mark.hidden || readable === null;
      const width = Math.min(1, ((readable ?? 0) - range[0]) / (range[1] - range[0])) - at;
      band.style.left = mark.style.left;
      band.style.width = `${100 * width}%`;
      markWords.dataset.side = at > 0.5 ? "left" : "right";
      markWords.textContent = `unrelated ${format(level)}`;
      markWords.title = `Unrelated tokens, matched as well as they can be, reach ${format(level)} on average${readable === null ? "" : `; matches are read from ${format(readable)} on`}.`;
      words.textContent = auc === null ? "" : `same label above other: ${(100 * auc).toFixed(0)}\u00a0%`;
      words.title =
        auc === null ? "" : "How often a pair with a label in common is more similar than one without (chance: 50 %).";
      root.title = title;
      const spoken = labelled ? "Pairs with a label in common against others" : "All pairs";
      curves.setAttribute(
        "aria-label",
        `${spoken}, from ${format(range[0])} to ${format(range[1])}. ${words.textContent}`,
      );
    },
    /**
     * Where the pair that is read stands among the others.
     *
     * @param {number | undefined} value
     * @param {number | null} [above] of how many pairs without a label in common it is above, 0 to 1
     */
    point(value, above = null) {
      const at = ends && value !== undefined ? (value - ends[0]) / (ends[1] - ends[0]) : NaN;
      here.hidden = !(at >= 0 && at <= 1);
      here.style.left = `${100 * at}%`;
      place.hidden = here.hidden || above === null;
      const share = above === 1 ? "all" : `${Math.floor(100 * (above ?? 0))}\u00a0% of`;
      place.textContent = above === null ? "" : `this pair: above ${share} other pairs`;
    },
    clear() {
      ends = null;
      here.hidden = place.hidden = true;
      for (const each of [low, span, high, words]) each.textContent = "";
      for (const path of paths) path.setAttribute("d", "");
      mark.hidden = markWords.hidden = band.hidden = true;
    },
  };
}

/**
 * A stepped curve, closed along the bottom.
 *
 * @param {Float64Array} shares
 * @param {number} top the share that reaches the top
 */
function steps(shares, top) {
  const points = [...shares].map(
    (share, bin) => `L${bin} ${1 - (0.96 * share) / top}L${bin + 1} ${1 - (0.96 * share) / top}`,
  );
  return `M0 1${points.join("")}L${BINS} 1Z`;
}

/**
 * What the curves under the heatmaps are.
 *
 * @param {boolean} labelled
 * @param {boolean} isLarge whether labels are not looked at, as there are too many pairs
 */
export function spreadLegend(labelled, isLarge = false) {
  /** @type {(kind: string, words: string) => HTMLElement} */
  const swatch = (kind, words) =>
    h("span", { class: "srsm-field" }, h("span", { class: `srsm-swatch srsm-swatch-${kind}` }), words);
  return h(
    "span",
    { class: "srsm-legend" },
    ...(labelled
      ? [swatch("same", "pairs with a label in common"), swatch("other", "other pairs")]
      : [swatch("other", isLarge ? "all pairs" : "all pairs (these images have no labels)")]),
  );
}
