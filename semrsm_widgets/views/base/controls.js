// Controls that several views have.

import { h, OWN_KEYS } from "./dom.js";

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
  const describe = () => {
    const row = layers[Number(input.value)];
    words.replaceChildren(h("strong", {}, row.name), ` · ${layerShape(row)}`);
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
export function layerShape(row) {
  const place = row.grid ? `${row.grid[0]}×${row.grid[1]} patches` : `${row.tokens} tokens`;
  const { native, grid } = row;
  const pooled = native && grid && native[0] !== grid[0] ? ` (pooled from ${native[0]}×${native[1]})` : "";
  return `${place}${pooled} · ${row.channels} channels`;
}
