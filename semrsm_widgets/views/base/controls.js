// Controls that several views have.

import { h, OWN_KEYS } from "./dom.js";
import { shortened } from "./names.js";

// A name of fewer characters tells nothing.
const SHORTEST = 5;

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

/**
 * A calm segmented control; arrow keys work as in any group of radio buttons.
 *
 * @param {string} label
 * @param {[key: string, words: string][]} options
 * @param {string} value
 * @param {(key: string) => void} onChange
 */
export function segmented(label, options, value, onChange) {
  const name = `srsm-${Math.random().toString(36).slice(2)}`;
  /** @type {Map<string, HTMLInputElement>} */
  const inputs = new Map();
  const root = h("span", { class: "srsm-segmented", role: "radiogroup", "aria-label": label, ...OWN_KEYS });
  for (const [key, words] of options) {
    const input = h("input", { type: "radio", name, value: key, onchange: () => onChange(key) });
    input.checked = key === value;
    inputs.set(key, input);
    root.append(h("label", {}, input, h("span", {}, words)));
  }
  return {
    root,
    /** @param {string} key */
    set(key) {
      const input = inputs.get(key);
      if (input) input.checked = true;
    },
  };
}

/**
 * The layer slider: depth from left to right, the layer's name and shape beside it.
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
  const name = h("strong");
  const parts = h("span");
  words.append(name, parts);
  // Nothing is cut: side texts go first, the last ones before the others; then the name is shortened.
  const fit = () => {
    const texts = /** @type {HTMLElement[]} */ ([...parts.children]);
    for (const text of texts) text.hidden = false;
    const full = layers[Number(input.value)].name;
    name.textContent = full;
    const isCut = () => words.scrollWidth > words.clientWidth;
    if (!words.clientWidth) return; // not on the page yet
    for (const text of texts.reverse()) {
      if (!isCut()) return;
      text.hidden = true;
    }
    for (let most = full.length - 1; most >= SHORTEST && isCut(); most -= 2) name.textContent = shortened(full, most);
  };
  new ResizeObserver(fit).observe(words);
  const describe = () => {
    const row = layers[Number(input.value)];
    name.textContent = row.name;
    parts.replaceChildren(...shapeParts(row).map((text) => h("span", {}, ` ${text}`)));
    fit();
    words.title = `${row.name} · ${layerShape(row)}`;
    input.setAttribute("aria-valuetext", `${row.name}, ${layerShape(row)}`);
  };
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
    input,
    button("›", 1, "next layer"),
    words,
    badgeOf(badge),
  );
  return {
    root,
    /** @param {string} name */
    set(name) {
      const k = layers.findIndex((row) => row.name === name);
      if (k >= 0 && Number(input.value) !== k) input.value = String(k);
      describe();
    },
  };
}

/**
 * What is to be known of a model before anything else: that its weights are random.
 *
 * @param {string} words
 */
export const badgeOf = (words) =>
  words
    ? h(
        "strong",
        { class: "srsm-caution", title: "The model was not trained: what it finds alike means little." },
        words,
      )
    : null;

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
  return [...told, pooled ? `${patches} (pooled from ${native[0]}×${native[1]})` : patches, `· ${channels} channels`];
}
