// What stands under the pictures of PairView: the legend, and what is rarely asked.

import { h } from "../base/dom.js";
import { atMost, format, MINUS } from "../base/format.js";

/** @typedef {import("../base/layer_slider.js").Layer} Layer */
/** @typedef {import("./reading.js").Matches} Matches */

/**
 * Which of the legends fits what was read.
 *
 * @param {import("./reading.js").Said} said
 */
export function legendOf({ reading, comparing }) {
  if (!reading) return "none";
  if (comparing) return "why";
  return !reading.partner ? "mean" : reading.ambiguous ? "matched" : "paired";
}

/**
 * What colours, digits and dashes mean.
 *
 * @param {import("./marks.js").Colours} colours
 */
export function pairLegend(colours) {
  const root = h("p", { class: "srsm-legend" });
  const place = h("span", { class: "srsm-place-key", "aria-hidden": "true" });
  const [a, b, c, d] = colours.corners;
  place.style.background = `linear-gradient(to right, ${a}, ${b})`;
  const lower = h("span");
  lower.style.background = `linear-gradient(to right, ${c}, ${d})`;
  place.append(lower);
  /** @type {(colour: string, look?: string) => HTMLElement} */
  const line = (colour, look = "") => {
    const key = h("span", { class: `srsm-line-key ${look}`, "aria-hidden": "true" });
    if (colour) key.style.borderColor = colour;
    return key;
  };
  /** @param {...import("../base/dom.js").Child} children */
  const item = (...children) => h("span", {}, ...children);
  const digits = () => item("1–9: the strongest");
  return {
    root,
    /**
     * @param {string} kind
     * @param {boolean} cropped whether the model sees a part of a picture only
     * @param {HTMLElement | null} [more] what else stands there
     */
    show(kind, cropped, more = null) {
      /** @type {Record<string, () => HTMLElement[]>} */
      const items = {
        none: () => [],
        paired: () => [item(place, "colour: place in A"), digits()],
        matched: () => [
          item(place, "colour: place in A"),
          digits(),
          item(line("", "srsm-dashed"), "dashed: another partner is better, or less than 5\u00a0% below"),
        ],
        mean: () => [item(line(colours.for), "outlined: what contributes most, on either side"), digits()],
        why: () => [
          item(line(colours.for), "purple: speaks for B, the hit"),
          item(line(colours.against), "orange: speaks for C, the expected one"),
          item("bright and thick: more"),
          item("+ and ", MINUS, " mark the nine strongest"),
        ],
      };
      root.hidden = kind === "none";
      root.replaceChildren(
        ...items[kind](),
        ...(cropped ? [item("dark border: the model does not see it")] : []),
        ...(more ? [more] : []),
      );
    },
  };
}

/**
 * What is rarely asked: nearest neighbours, tokens that were dropped, the strongest matches as numbers.
 *
 * @param {(oneToOne: boolean) => void} onOneToOne
 */
export function pairMore(onOneToOne) {
  const free = h("input", { type: "checkbox" });
  free.addEventListener("change", () => onOneToOne(!free.checked));
  const choice = h(
    "label",
    { class: "srsm-check" },
    free,
    "nearest neighbours: each patch of A takes its best partner, whether others take it too or not",
  );
  const differs = h("p", { class: "srsm-hint" });
  const aside = h("p", { class: "srsm-hint" });
  const holder = h("div", { class: "srsm-table" });
  const root = h("details", { class: "srsm-more" }, h("summary", {}, "More"), choice, differs, aside, holder);
  return {
    root,
    /**
     * @param {Matches} matches
     * @param {Layer | undefined} row
     * @param {object} how
     * @param {boolean} how.oneToOne
     * @param {boolean} how.matched whether this similarity has partners to choose
     * @param {boolean} how.cropped whether the model sees a part of a picture only
     * @param {HTMLElement | null} how.table
     */
    show(matches, row, { oneToOne, matched, cropped, table }) {
      free.checked = !oneToOne;
      free.disabled = !matched;
      differs.textContent = nearestSentence(matches);
      aside.textContent = [
        certificateSentence(matches),
        droppedSentence(row),
        cropped ? "The model sees the bright part of a picture; its transform crops the rest." : "",
      ]
        .filter(Boolean)
        .join(" ");
      holder.replaceChildren(...(table ? [table] : []));
    },
  };
}

/** @param {Matches} matches */
function nearestSentence({ nearest, nearest_value: value, semantic, inverse }) {
  const takers = new Map();
  for (const partner of nearest) takers.set(partner, (takers.get(partner) ?? 0) + 1);
  return (
    `One-to-one, no patch of B counts twice: ${format(semantic)}. Nearest neighbours reach ${format(value)} with only ` +
    `${takers.size} of B’s ${inverse.length} patches; one of these is taken ${Math.max(...takers.values())} times. ` +
    "Semantic is the one-to-one value."
  );
}

/** @param {Matches} matches */
function certificateSentence({ upper, semantic }) {
  if (upper === null) return "The matcher gives no certificate: a better matching may exist.";
  return `Certified: no one-to-one matching is worth more than ${format(semantic)} by over ${atMost(upper - semantic)}.`;
}

/** @param {Layer | undefined} row */
function droppedSentence(row) {
  if (!row) return "";
  if (!row.prefix) return "No token of this layer was kept aside.";
  const others = row.prefix - (row.class_token ? 1 : 0);
  const names = [
    row.class_token ? "the class token" : "",
    others ? `${others} other${others > 1 ? "s" : ""} (such as registers)` : "",
  ];
  return `Kept aside, because they stand at no position: ${names.filter(Boolean).join(" and ")}.`;
}
