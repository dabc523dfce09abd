// The words and numbers of PairView: the values of the pair, what is explained, the line under the pictures, "More".

import { bar } from "../base/bars.js";
import { h } from "../base/dom.js";
import { format, MINUS, signed } from "../base/format.js";
import { pairValue, placeName, sumOf } from "./reading.js";
import { isReadable, isWellAbove, readableFrom, verdict } from "./trust.js";

/** @typedef {import("../base/grid_pointer.js").Grid} Grid */
/** @typedef {import("./reading.js").Matches} Matches */
/** @typedef {import("./reading.js").Said} Said */

/** aligned → semantic, beside what unrelated tokens reach, and the split of the semantic value. */
export function pairSummary() {
  const number = () => h("span", { class: "srsm-number" });
  const [aligned, semantic, anyMatching, bestAdds] = [number(), number(), number(), number()];
  const aside = h("span", {
    class: "srsm-aside",
    title: "what images share whose channels were permuted, under their best matching; not the mean of other images",
  });
  const layer = h("span", { class: "srsm-aside" });
  const equals = h("span", { class: "srsm-equals" }, "= ");
  const bars = bar("srsm-split");
  const doubt = h("strong", { class: "srsm-verdict", role: "note", hidden: true });
  const root = h(
    "p",
    { class: "srsm-summary" },
    layer,
    h("span", { title: "cosine of all tokens, each with the one at the same position" }, "aligned ", aligned),
    h("span", { class: "srsm-arrow" }, "→"),
    h(
      "span",
      { class: "srsm-strong", title: "cosine of all tokens, each with its best partner" },
      "semantic ",
      semantic,
    ),
    aside,
    h(
      "span",
      {},
      equals,
      h(
        "span",
        { title: "the mean over all one-to-one matchings: what any of them gives" },
        "any matching ",
        anyMatching,
      ),
      " + ",
      h("span", { title: "what the best one-to-one matching adds" }, "best matching adds ", bestAdds),
      " ",
      bars.root,
    ),
    doubt,
  );
  return {
    root,
    wait() {
      layer.textContent = "matching …";
      for (const each of [aligned, semantic, anyMatching, bestAdds]) each.textContent = "…";
      aside.textContent = "";
      bars.show([]);
      doubt.hidden = true;
    },
    /**
     * @param {Matches} matches
     * @param {boolean} alone whether there is no other image
     */
    show(matches, alone) {
      const matched = matches.semantic - matches.any_matching;
      layer.textContent = `${matches.layer} · cosine:`;
      aligned.textContent = format(matches.aligned);
      semantic.textContent = format(matches.semantic);
      anyMatching.textContent = format(matches.any_matching);
      bestAdds.textContent = format(matched);
      const parts = Number(matches.any_matching.toFixed(2)) + Number(matched.toFixed(2));
      equals.textContent = Math.abs(parts - Number(matches.semantic.toFixed(2))) < 0.005 ? "= " : "≈ "; // by rounding
      const level = matches.null ? format(matches.null.mean) : "…";
      aside.textContent = alone
        ? "(unrelated tokens: needs two images)"
        : isWellAbove(matches.semantic, matches.null)
          ? `(well above unrelated tokens: ${level})`
          : isReadable(matches.semantic, matches.null)
            ? `(just above unrelated tokens: ${level})`
            : `(unrelated tokens: ${level} on average)`;
      bars.show(
        [
          { name: "any", from: 0, to: matches.any_matching },
          { name: "best", from: matches.any_matching, to: matches.semantic },
        ],
        { unrelated: matches.null?.mean ?? null, readable: readableFrom(matches.null) },
      );
      const marks = `; the tick is the unrelated level, and a value that ends in the band after it is not to be read`;
      bars.root.title = `from 0 to 1: what any matching gives, then what the best matching adds${matches.null ? marks : ""}`;
      doubt.textContent = verdict(matches.semantic, matches.null, matches.any_matching);
      doubt.hidden = !doubt.textContent;
      doubt.dataset.readable = String(isReadable(matches.semantic, matches.null));
    },
  };
}

/**
 * One sentence on the similarity that is explained.
 *
 * @param {Matches} matches
 * @param {string} similarity
 * @param {boolean} oneToOne
 */
export function explanation(matches, similarity, oneToOne) {
  if (similarity === "class token") {
    return matches.class_token === null
      ? "this layer has no class token"
      : `class token ${format(matches.class_token)}: no exact split over patches exists`;
  }
  if (similarity === "pooled") return `pooled ${format(matches.pooled)}: patches with the mean token`;
  if (similarity === "aligned") {
    return matches.aligned === null
      ? "the two images have different numbers of patches"
      : `aligned ${format(matches.aligned)}: patches at equal positions`;
  }
  if (!oneToOne) return `nearest neighbours ${format(matches.nearest_value)}, not one-to-one`;
  const share = matches.same_position;
  // Beside what chance gives it read as a test of likeness, which it is not.
  return share === null
    ? ""
    : `${Math.round(100 * share)}\u00a0% of partners stand at the same position: what moved, not what is alike`;
}

/**
 * Why B and not C: the two values with their difference, and how it adds up.
 *
 * @param {Said} said
 * @param {string} caption of the similarity
 */
export function whySentences({ matches, expected, similarity, oneToOne, difference }, caption) {
  const hit = pairValue(matches, similarity, oneToOne);
  const wanted = pairValue(expected, similarity, oneToOne);
  const [all, own] = ["nearest neighbours", similarity === caption ? caption : `${similarity} (${caption})`];
  const name = similarity === "semantic" && !oneToOne ? all : own;
  const total = hit === null || wanted === null ? null : hit - wanted;
  const head = `Why B and not C, by ${name}: A–B ${format(hit, 3)} ${MINUS} A–C ${format(wanted, 3)} = ${signed(total, 3)}.`;
  if (!difference)
    return [head, similarity === "class token" ? "The class token has no exact split over patches." : ""];
  /** @type {(keep: (value: number) => boolean, letter: string) => string} */
  const side = (keep, letter) => {
    const values = difference.filter(keep);
    return `${values.length} speak for ${letter} (${signed(sumOf(values), 3)})`;
  };
  return [head, `Of A’s patches ${side((value) => value > 0, "B")}, ${side((value) => value < 0, "C")}.`];
}

/**
 * What the k strongest carry together.
 *
 * @param {Said} said
 * @param {number} k
 */
export function shareWords({ reading, difference, comparing, order }, k) {
  if (!reading || (comparing && !difference)) return "";
  const shown = order.slice(0, k); // a small grid has fewer matches than the slider offers
  /** @param {ArrayLike<number>} of */
  const total = (of) => sumOf(shown.map((token) => of[token]));
  if (difference) return `${shown.length} carry ${signed(total(difference), 3)} of ${signed(sumOf(difference), 3)}`;
  const sum = total(reading.contribution);
  return reading.contribution.every((value) => value >= 0) && reading.value !== null && reading.value > 0
    ? `${shown.length} carry ${Math.round((100 * sum) / reading.value)}\u00a0%`
    : `${shown.length} carry ${format(sum)} of ${format(reading.value)}`;
}

/**
 * The line under the pictures: what is looked at.
 *
 * @param {Said} said
 * @param {number[]} at patches of A, B and C, -1 for none
 * @param {boolean} isTold whether a more similar patch than the partner is named beside
 */
export function focusSentence({ matches, expected, reading, other, difference }, [a, b, c], isTold = false) {
  if (!reading) return "";
  /** @type {(letter: string, token: number, grid: Grid | null) => string} */
  const name = (letter, token, grid) => `${letter} ${placeName(token, grid)}`;
  if (a < 0) {
    // a patch of B or C that no patch of A is compared with
    const where = b >= 0 ? name("B", b, matches.other_grid) : name("C", c, expected.other_grid);
    if (reading.partner) return `${where} · no patch of A has it as its partner`;
    const [own, token] = b >= 0 ? [reading, b] : [other, c];
    return `${where} with A’s mean token · cosine ${format(own?.otherCosine?.[token])} · contributes ${format(own?.otherContribution?.[token], 4)} of ${format(own?.value)}`;
  }
  const from = name("A", a, matches.grid);
  if (difference && other) {
    /** @type {(letter: string, one: import("./reading.js").Reading, token: number, grid: Grid | null) => string} */
    const part = (letter, one, token, grid) =>
      `${token >= 0 ? name(letter, token, grid) : letter}: ${format(one.contribution[a], 4)}`;
    const verdict = difference[a] > 0 ? " · speaks for B" : difference[a] < 0 ? " · speaks for C" : "";
    return (
      `${from} · with ${part("B", reading, b, matches.other_grid)} · with ${part("C", other, c, expected.other_grid)}` +
      ` · difference ${signed(difference[a], 4)}${verdict}`
    );
  }
  const to = !reading.partner
    ? "with B’s mean token"
    : b >= 0
      ? `→ ${name("B", b, matches.other_grid)}`
      : "· no partner";
  return (
    `${from} ${to} · cosine ${format(reading.cosine[a])} · contributes ${format(reading.contribution[a], 4)} of ${format(reading.value)}` +
    (reading.ambiguous?.[a] && !isTold ? " · another partner is better, or less than 5\u00a0% below" : "")
  );
}

/**
 * The k strongest patches as numbers; null where nothing splits.
 *
 * @param {Said} said
 * @param {number} k
 */
export function strongestTable({ matches, reading, other, difference, order }, k) {
  if (!reading || !order.length) return null;
  const shown = order.slice(0, k);
  /** @param {number} token */
  const a = (token) => placeName(token, matches.grid);
  if (difference && other) {
    return valueTable(
      "patches of A that speak most for either image",
      ["", "A", "with B", "with C", "difference"],
      shown.map((token, rank) => [
        String(rank + 1),
        a(token),
        format(reading.contribution[token], 4),
        format(other.contribution[token], 4),
        signed(difference[token], 4),
      ]),
    );
  }
  /** @param {number} token */
  const partner = (token) => (reading.partner ? placeName(reading.partner[token], matches.other_grid) : "mean token");
  return valueTable(
    "the strongest as numbers",
    ["", "A", "B", "cosine", "contribution", ""],
    shown.map((token, rank) => [
      String(rank + 1),
      a(token),
      partner(token),
      format(reading.cosine[token]),
      format(reading.contribution[token], 4),
      reading.ambiguous?.[token] ? "another partner is better, or less than 5\u00a0% below" : "",
    ]),
  );
}

/**
 * Rows of plain values as a table.
 *
 * @param {string} caption
 * @param {string[]} head
 * @param {string[][]} rows
 */
function valueTable(caption, head, rows) {
  return h(
    "table",
    {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ...head.map((words) => h("th", { scope: "col" }, words)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((words) => h("td", {}, words))))),
  );
}
