// The layer control: a slider over the layers, and above its track, once there are values, a chart of them by layer.

import { badgeOf } from "./controls.js";
import { h, OWN_KEYS } from "./dom.js";
import { format } from "./format.js";
import { layerChart, layerUnder, scaleOf } from "./layer_chart.js";
import { shortened } from "./names.js";

// A name of fewer characters tells nothing.
const SHORTEST = 5;
// The chart's width, in pixels and as a share of the row's, before side texts get any: that of style.css. It is the same
// at every layer, or the thumb would move away from under the pointer that drags it.
const CHART_WIDTH = 180;
const CHART_SHARE = 0.4;
const WIDEST_CHART = 300;

/**
 * A layer as the views' `_layers` describes it.
 *
 * @typedef {object} Layer
 * @property {string} name
 * @property {number} tokens
 * @property {number} channels
 * @property {[number, number] | null} grid
 * @property {[number, number] | null} [native] the grid before it was pooled
 * @property {number} [prefix] how many tokens were kept aside
 * @property {boolean} [class_token] whether a class token is among them
 * @property {string} [note]
 * @property {string} [caution] why its tokens are no function of the picture alone: in short, then after a colon at length
 */

// Of a pair, the one that all is about on top.
const CURVES = ["unrelated", "pooled", "aligned", "semantic"];
const SPOKEN = ["aligned", "semantic", "pooled", "unrelated"];

/**
 * The layer slider: depth from left to right, the layer's name and shape beside it. Over its track stands a chart, once
 * there are values by layer.
 *
 * @param {Layer[]} layers
 * @param {(name: string) => void} onChange
 * @param {string} badge what is to be known of the model; empty for nothing
 */
export function layerSlider(layers, onChange, badge = "") {
  const last = layers.length - 1;
  const words = h("output", { class: "srsm-layer" });
  const look = { type: "range", min: 0, max: last, step: 1, class: "srsm-slider", "aria-label": "layer", ...OWN_KEYS };
  const input = h("input", look);
  const chart = layerChart(CURVES);
  const marks = layers.map((_, k) => {
    const mark = h("span");
    mark.style.left = `${last ? (100 * k) / last : 50}%`;
    return mark;
  });
  const track = h("span", { class: "srsm-layer-track", "aria-hidden": "true" }, ...marks);
  const control = h("span", { class: "srsm-layer-control" }, chart.root, track, input);
  const name = h("strong");
  const parts = h("span");
  words.append(name, parts);
  /** @type {{ rows: (import("./layer_chart.js").Row | null)[], isBounded: boolean } | null} */
  let profile = null;
  // Nothing is cut: side texts go first, the last ones before the others, and before the chart gets small; then the chart,
  // down to its least width; then the name is shortened.
  const fit = () => {
    const texts = /** @type {HTMLElement[]} */ ([...parts.children]);
    for (const text of texts) text.hidden = false;
    const full = layers[Number(input.value)].name;
    name.textContent = full;
    const isCut = () => words.scrollWidth > words.clientWidth;
    const room = Math.min(WIDEST_CHART, Math.max(CHART_WIDTH, CHART_SHARE * root.clientWidth));
    const isSmall = () => control.dataset.chart === "true" && control.clientWidth < Math.floor(room);
    if (!words.clientWidth) return; // not on the page yet
    for (const text of texts.reverse()) {
      if (!isCut() && !isSmall()) return;
      text.hidden = true;
    }
    for (let most = full.length - 1; most >= SHORTEST && isCut(); most -= 2) name.textContent = shortened(full, most);
  };
  const observer = new ResizeObserver(fit);
  observer.observe(words); // it grows with the type
  /** @param {number} k */
  const valuesAt = (k) => {
    const row = profile?.rows[k] ?? {};
    return SPOKEN.flatMap((curve) => (Number.isFinite(row[curve]) ? [`${curve} ${format(row[curve])}`] : [])).join(
      ", ",
    );
  };
  let written = -1; // the layer whose name and shape are written: they are measured, which takes time
  const describe = () => {
    const at = Number(input.value);
    const row = layers[at];
    if (at !== written) {
      written = at;
      name.textContent = row.name;
      parts.replaceChildren(...shapeParts(row).map((text) => h("span", {}, ` ${text}`)));
      fit();
      words.title = `${row.name} · ${layerShape(row)}`;
    }
    const spoken = [`${row.name}, ${layerShape(row)}`, valuesAt(at)].filter(Boolean).join("; ");
    input.setAttribute("aria-valuetext", spoken);
    drawProfile();
  };
  function drawProfile() {
    const isNew = control.dataset.chart !== String(profile !== null);
    control.dataset.chart = root.dataset.chart = String(profile !== null);
    if (isNew) fit();
    if (!profile) return;
    const { rows, isBounded } = profile;
    chart.show(rows, Number(input.value), scaleOf(rows, isBounded));
    const isReady = rows.map((row) => Number.isFinite(row?.semantic));
    control.dataset.ready = String(isReady.filter(Boolean).length);
    marks.forEach((mark, k) => {
      mark.dataset.ready = String(isReady[k]);
    });
  }
  const change = () => {
    describe();
    onChange(layers[Number(input.value)].name);
  };
  /** @param {number} by */
  const step = (by) => {
    input.value = String(Math.min(last, Math.max(0, Number(input.value) + by)));
    change();
  };
  input.addEventListener("input", change);
  control.addEventListener("pointermove", (event) => {
    const k = layerUnder(event, control, layers.length);
    control.title = [layers[k].name, profile ? valuesAt(k) || "not computed yet" : ""].filter(Boolean).join(": ");
  });
  /** @type {(sign: string, by: number, label: string) => HTMLButtonElement} */
  const button = (sign, by, label) => {
    const onclick = () => step(by);
    return h("button", { class: "srsm-button srsm-step", type: "button", "aria-label": label, onclick }, sign);
  };
  const root = h(
    "span",
    { class: "srsm-field srsm-layers" },
    h("span", { class: "srsm-label" }, "layer"),
    button("‹", -1, "previous layer"),
    control,
    button("›", 1, "next layer"),
    words,
    badgeOf(badge),
  );
  root.dataset.single = String(last === 0);
  observer.observe(root); // words that were shortened do not grow by themselves
  return {
    root,
    /** @param {string} name */
    set(name) {
      const k = layers.findIndex((row) => row.name === name);
      if (k >= 0 && Number(input.value) !== k) input.value = String(k);
      describe();
    },
    /**
     * Shows the similarities of a pair at every layer over the track.
     *
     * @param {(import("./layer_chart.js").Row | null)[]} rows a row a layer, null where nothing is there yet
     * @param {boolean} isBounded whether 1 is the highest similarity
     */
    profile(rows, isBounded) {
      profile = { rows, isBounded };
      describe();
    },
    stop() {
      observer.disconnect();
      chart.stop();
    },
  };
}

/** What the curves over a slider's track are, for a view that has no bars in their colours. */
export const curvesLegend = () =>
  h(
    "div",
    { class: "srsm-curves-legend" },
    ...SPOKEN.map((curve) => h("span", {}, h("span", { class: "srsm-curve-key", "data-name": curve }), curve)),
  );

/** @param {Layer} row */
export const layerShape = (row) => shapeParts(row).join(" ").replace(/^· /, "");

/**
 * A layer's shape in parts, the more important ones first.
 *
 * @param {Layer} row
 */
function shapeParts({ grid, native, tokens, channels, caution }) {
  const told = caution ? [`· ${caution.split(":")[0]}`] : [];
  const patches = grid ? `· ${grid[0]}×${grid[1]} patches` : `· ${tokens} tokens`;
  const pooled = native && grid && native[0] !== grid[0];
  const from = pooled ? [`(pooled from ${native[0]}×${native[1]})`] : [];
  return [...told, patches, ...from, `· ${channels} channels`];
}
