// Controls that several views have.

import { h, OWN_KEYS } from "./dom.js";

/**
 * A calm segmented control; arrow keys work as in any group of radio buttons.
 *
 * @param {string} label
 * @param {[key: string, words: string, title?: string][]} options
 * @param {string} value
 * @param {(key: string) => void} onChange
 */
export function segmented(label, options, value, onChange) {
  const name = `srsm-${Math.random().toString(36).slice(2)}`;
  /** @type {Map<string, HTMLInputElement>} */
  const inputs = new Map();
  const root = h("span", { class: "srsm-segmented", role: "radiogroup", "aria-label": label, ...OWN_KEYS });
  for (const [key, words, title] of options) {
    const input = h("input", { type: "radio", name, value: key, onchange: () => onChange(key) });
    input.checked = key === value;
    inputs.set(key, input);
    root.append(h("label", { title }, input, h("span", {}, words)));
  }
  return {
    root,
    /** @param {string} key */
    set(key) {
      const input = inputs.get(key);
      if (input) input.checked = true;
    },
    /**
     * @param {string} key
     * @param {boolean} isOffered
     */
    offer(key, isOffered) {
      const option = inputs.get(key)?.parentElement;
      if (option) option.hidden = !isOffered;
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
