// What the page knows along the layers: the similarities of one pair, and of the whole set how far pairs with a label in
// common, and others, lie above unrelated tokens.

import { h } from "../base/dom.js";
import { signed } from "../base/format.js";
import { layerChart, layerUnder, scaleOf } from "../base/layer_chart.js";
import { cellOf, decoder, OTHER, SAME } from "./matrices.js";

/** @typedef {import("./matrices.js").Frame} Frame */
/** @typedef {import("../base/layer_chart.js").Row} Row */

const CURVES = ["other", "same"];

/**
 * The similarities of a pair at each layer, and what unrelated tokens reach there.
 *
 * @param {(Frame | null)[]} frames by layer
 * @param {[number, number]} pair
 * @param {number} size
 * @returns {(Row | null)[]}
 */
export const pairProfile = (frames, [i, j], size) =>
  frames.map((frame) => {
    if (!frame?.packed.length) return null;
    const { aligned, semantic, pooled } = cellOf(frame, i, j, size);
    return { aligned, semantic, pooled, unrelated: frame.null?.mean };
  });

/** @type {WeakMap<Frame, Row | null>} */
const known = new WeakMap();

/**
 * The mean semantic value of each kind of pairs, less what unrelated tokens reach; null before there is a level.
 *
 * @param {Frame | null} frame
 * @param {Uint8Array | null} kinds of the pairs i < j (`pairKinds`)
 * @param {number} size
 * @returns {Row | null}
 */
export function meanExcess(frame, kinds, size) {
  const place = frame ? frame.matrices.findIndex(({ name }) => name === "semantic") : -1;
  if (!frame?.null || place < 0) return null;
  const before = known.get(frame);
  if (before !== undefined) return before;
  const decode = decoder({ ...frame.matrices[place], exact: frame.exact });
  const values = frame.packed[place];
  const [sums, counts] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  let [from, pair] = [0, 0];
  for (let i = 0; i < size; i++) {
    from++; // the diagonal
    for (let j = i + 1; j < size; j++, from++, pair++) {
      const value = decode(values[from]);
      if (Number.isNaN(value)) continue;
      const kind = kinds ? kinds[pair] : OTHER;
      sums[kind] += value;
      counts[kind]++;
    }
  }
  const level = frame.null.mean;
  const [same, other] = [SAME, OTHER].map((kind) => sums[kind] / counts[kind] - level); // NaN where there are none
  const found = { same, other };
  known.set(frame, found);
  return found;
}

/**
 * The chart of the whole set under the heatmaps; a click goes to a layer.
 *
 * @param {{ name: string }[]} layers
 * @param {boolean} labelled
 * @param {(name: string) => void} open
 */
export function setChart(layers, labelled, open) {
  const words = h("span", { class: "srsm-set-words" });
  const chart = layerChart(CURVES);
  const plot = h("div", { class: "srsm-set-plot", role: "img" }, chart.root);
  const title = labelled
    ? "mean semantic above unrelated, by layer"
    : "mean semantic above unrelated, all pairs, by layer";
  const root = h("div", { class: "srsm-set", hidden: true }, h("span", {}, title), plot, words);
  /** @type {(Row | null)[]} */
  let rows = [];
  /** @param {PointerEvent | MouseEvent} event */
  const layerAt = (event) => layerUnder(event, plot, layers.length);
  /** @param {number} k */
  const sentence = (k) => {
    const { same = NaN, other = NaN } = rows[k] ?? {};
    if (!Number.isFinite(other) && !Number.isFinite(same)) return `${layers[k].name}: not computed yet`;
    if (!labelled) return `${layers[k].name}: ${signed(other)}`;
    return `${layers[k].name}: a label in common ${signed(same)}, others ${signed(other)}`;
  };
  plot.addEventListener("click", (event) => open(layers[layerAt(event)].name));
  plot.addEventListener("pointermove", (event) => {
    plot.title = `${sentence(layerAt(event))}; a click shows this layer`;
  });
  return {
    root,
    /**
     * @param {(Row | null)[]} next a row a layer
     * @param {number} at the layer on screen
     * @param {boolean} isBounded whether 1 is the highest similarity
     */
    show(next, at, isBounded) {
      rows = next;
      root.hidden = layers.length < 2 || !rows.some(Boolean);
      chart.show(rows, at, scaleOf(rows, isBounded));
      words.textContent = at < 0 ? "" : sentence(at);
      plot.setAttribute("aria-label", `${title}. ${layers.map((_, k) => sentence(k)).join("; ")}`);
      root.dataset.known = String(rows.filter(Boolean).length);
    },
    stop: chart.stop,
  };
}
