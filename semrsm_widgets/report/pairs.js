// Pairs that the file does not hold.

import { h } from "../views/base/dom.js";

/**
 * The pairs are kept once, the earlier image first. Another pair is said to be missing, and its nearest are offered.
 *
 * @param {import("../views/base/page_model.js").Model} model
 * @param {HTMLElement} section where the view of pairs stands
 * @param {{ held: [number, number][], words: string }} pairs
 */
export function guardPairs(model, section, pairs) {
  const held = new Set(pairs.held.map(String));
  /** @type {Map<number, number[]>} */
  const partners = new Map();
  for (const [i, j] of pairs.held) {
    // the nearest first
    for (const [a, b] of [
      [i, j],
      [j, i],
    ])
      partners.set(a, [...(partners.get(a) ?? []), b]);
  }
  const notice = h("div", { class: "srsm srsm-absent", role: "status", hidden: true });
  section.after(notice);
  /** @param {number} k */
  const idOf = (k) => model.get("_images")[k].id;

  /** @param {[number, number]} pair */
  function offer([i, j]) {
    const near = [i, j].flatMap((k) => (partners.get(k) ?? []).slice(0, 3).map((other) => [k, other]));
    const distinct = new Map(near.map((pair) => [String([...pair].sort((a, b) => a - b)), pair]));
    const buttons = [...distinct.values()].map((pair) => {
      const onclick = () => model.set("pair", pair);
      return h("button", { class: "srsm-button", type: "button", onclick }, `${idOf(pair[0])} – ${idOf(pair[1])}`);
    });
    const words =
      i === j
        ? `${idOf(i)} with itself is not kept in this file.`
        : `The patches of ${idOf(i)} and ${idOf(j)} are not in this file.`;
    notice.replaceChildren(
      h("p", {}, `${words} ${pairs.words}`),
      h("p", { class: "srsm-label" }, "Nearest pairs that are:"),
      ...buttons,
    );
  }
  const check = () => {
    /** @type {[number, number]} */
    const pair = model.get("pair");
    const reverse = [pair[1], pair[0]];
    if (!held.has(String(pair)) && held.has(String(reverse))) {
      model.set("pair", reverse);
      return;
    }
    const there = held.has(String(pair));
    section.hidden = !there;
    notice.hidden = there;
    if (!there) offer(pair);
  };
  model.on("change:pair", check);
  check();
}
