// The three similarities of the lab as bars; beside the semantic one a mark at what unrelated tokens reach.

import { bar as barOf } from "../base/bars.js";
import { h } from "../base/dom.js";
import { format } from "../base/format.js";

/** @typedef {import("./view.js").LabMatches} LabMatches */

/** @param {import("../base/similarities.js").Similarity[]} similarities that every layer has */
export function labNumbers(similarities) {
  const table = h("div", { class: "srsm-values" });
  const rows = similarities.map(({ name, aside: words }) => {
    const bar = barOf();
    const value = h("span", { class: "srsm-number" });
    table.append(h("span", { class: "srsm-name" }, name, h("small", {}, words)), bar.root, value);
    return { name, bar, value };
  });
  const note = h("p", { class: "srsm-note" });
  const words = h("p", { class: "srsm-hidden", "aria-live": "polite" });
  const root = h(
    "aside",
    { class: "srsm-card srsm-lab-numbers" },
    h("p", { class: "srsm-label" }, "cosine of original and moved"),
    table,
    note,
    words,
  );
  return {
    root,
    /** @param {LabMatches} matches */
    show(matches) {
      const level = matches.null;
      const isSigned = rows.some(({ name }) => (matches[name] ?? 0) < 0);
      for (const { name, bar, value } of rows) {
        const number = matches[name];
        value.textContent = format(number);
        const unrelated = name === "semantic" ? (level?.mean ?? null) : null;
        bar.show([{ name, from: 0, to: number ?? 0 }], { unrelated, isSigned });
      }
      note.textContent = level
        ? `Unrelated tokens reach ${format(level.mean)} under their best match: read semantic from there.`
        : "What unrelated tokens reach is being sampled …";
      note.title = level ? `Mean of ${level.n} pairs of different pictures, the channels of one shuffled.` : "";
      const said = rows.map(({ name }) => `${name} ${format(matches[name])}`);
      words.textContent = [...said, ...(level ? [`unrelated ${format(level.mean)}`] : [])].join(", ");
    },
  };
}
