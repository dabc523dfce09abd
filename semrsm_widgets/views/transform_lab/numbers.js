// The three similarities of the lab as bars; beside the semantic one a mark at what unrelated tokens reach.

import { h } from "../base/dom.js";
import { format } from "../base/format.js";
import { SIMILARITIES } from "../base/similarities.js";

/** @typedef {import("./view.js").LabMatches} LabMatches */

export function labNumbers() {
  const mark = h("span", { class: "srsm-lab-null", hidden: true });
  const table = h("div", { class: "srsm-values" });
  const rows = [...SIMILARITIES].map(([name, words]) => {
    const fill = h("span");
    const look = { class: "srsm-bar", "aria-hidden": "true", "data-name": name };
    const bar = h("span", look, fill, name === "semantic" ? mark : null);
    const value = h("span", { class: "srsm-number" });
    table.append(h("span", { class: "srsm-name" }, name, h("small", {}, words)), bar, value);
    return { name, bar, fill, value };
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
      for (const { name, bar, fill, value } of rows) {
        const number = matches[name];
        value.textContent = format(number);
        bar.dataset.negative = String(number !== null && number < 0);
        fill.style.width = `${100 * Math.min(1, Math.abs(number ?? 0))}%`;
      }
      const level = matches.null;
      mark.hidden = !level;
      if (level) mark.style.left = `${100 * Math.min(1, Math.max(0, level.mean))}%`;
      note.textContent = level
        ? `Unrelated tokens reach ${format(level.mean)} under their best match: read semantic from there.`
        : "What unrelated tokens reach is being sampled …";
      note.title = level ? `Mean of ${level.n} pairs of different pictures, the channels of one shuffled.` : "";
      const said = rows.map(({ name }) => `${name} ${format(matches[name])}`);
      words.textContent = [...said, ...(level ? [`unrelated ${format(level.mean)}`] : [])].join(", ");
    },
  };
}
