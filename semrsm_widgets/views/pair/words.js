// The words and numbers of PairView: the values of the pair, what is explained, the line under the pictures, "More".

// aligned → semantic, beside what unrelated tokens reach, and the split of the semantic value.
function pairSummary() {
  const number = () => h("span", { class: "srsm-number" });
  const [aligned, semantic, pooledPart, matchedPart] = [number(), number(), number(), number()];
  const aside = h("span", { class: "srsm-aside" });
  const layer = h("span", { class: "srsm-aside" });
  const bars = h("span", { class: "srsm-split", "aria-hidden": "true" });
  const root = h("p", { class: "srsm-summary" },
    layer, h("span", { title: "cosine of all tokens, each with the one at the same position" }, "aligned ", aligned), h("span", { class: "srsm-arrow" }, "→"),
    h("span", { class: "srsm-strong", title: "cosine of all tokens, each with its best partner" }, "semantic ", semantic), aside,
    h("span", {}, h("span", { class: "srsm-equals" }, "= "),
      h("span", { title: "the mean over all one-to-one matchings: what any of them gives" }, "pooled part ", pooledPart), " + ",
      h("span", { title: "what the best one-to-one matching adds" }, "matched part ", matchedPart), " ", bars));
  return {
    root,
    wait() {
      layer.textContent = "matching …";
      for (const each of [aligned, semantic, pooledPart, matchedPart]) each.textContent = "…";
      aside.textContent = "";
      bars.replaceChildren();
    },
    show(matches, alone) {
      const matched = matches.semantic - matches.pooled_part;
      layer.textContent = `${matches.layer} · cosine:`;
      aligned.textContent = format(matches.aligned);
      semantic.textContent = format(matches.semantic);
      pooledPart.textContent = format(matches.pooled_part);
      matchedPart.textContent = format(matched);
      const gap = matches.upper === null ? null : matches.upper - matches.semantic;
      const level = alone ? "level: needs two images" : matches.null ? format(matches.null.mean) : "…";
      aside.textContent = `(unrelated ${level}; `
        + (gap === null ? "no certificate)" : `within ${atMost(gap)} of the best)`);
      const span = Math.abs(matches.pooled_part) + Math.abs(matched) || 1;
      bars.replaceChildren(...[["pooled", matches.pooled_part], ["matched", matched]].map(([name, value]) => {
        const bar = h("span", { "data-part": name, "data-negative": String(value < 0), title: `${name} part ${format(value, 3)}` });
        bar.style.width = `${(100 * Math.abs(value)) / span}%`;
        return bar;
      }));
    },
  };
}

// One sentence on the similarity that is explained.
function explanation(matches, similarity, oneToOne) {
  if (similarity === "class token") {
    return matches.class_token === null ? "this layer has no class token"
      : `class token ${format(matches.class_token)}: no exact split over patches exists`;
  }
  if (similarity === "mean token") return `pooled ${format(matches.pooled)}: patches with the mean token`;
  if (similarity === "same position") {
    return matches.aligned === null ? "the two images have different numbers of patches"
      : `aligned ${format(matches.aligned)}: patches at equal positions`;
  }
  if (!oneToOne) return `nearest neighbours ${format(matches.nearest_value)}, not one-to-one`;
  const share = matches.same_position;
  return share === null ? "" : `${Math.round(100 * share)} % of ${matches.grid ? "patches" : "tokens"} match the same position`;
}

// Why B and not C: the two values with their difference, and how it adds up.
function whySentences({ matches, expected, similarity, oneToOne, difference }) {
  const [hit, wanted] = [matches, expected].map((each) => valueOf(each, similarity, oneToOne));
  const name = similarity === "best match" && !oneToOne ? "nearest neighbours" : similarity;
  const total = hit === null || wanted === null ? null : hit - wanted;
  const head = `Why B and not C, by ${name}: A–B ${format(hit, 3)} ${MINUS} A–C ${format(wanted, 3)} = ${signed(total, 3)}.`;
  if (!difference) return [head, similarity === "class token" ? "The class token has no exact split over patches." : ""];
  const side = (keep, letter) => {
    const values = difference.filter(keep);
    return `${values.length} speak for ${letter} (${signed(sumOf(values), 3)})`;
  };
  return [head, `Of A’s patches ${side((value) => value > 0, "B")}, ${side((value) => value < 0, "C")}.`];
}

function signed(value, digits = 2) {
  return value === null || Number.isNaN(value) ? "–" : (value >= 0 ? "+" : "") + format(value, digits);
}

// What the k strongest carry together.
function shareWords({ reading, difference, comparing, order }, k) {
  if (!reading || (comparing && !difference)) return "";
  const shown = order.slice(0, k); // a small grid has fewer matches than the slider offers
  const total = (of, tokens) => tokens.reduce((sum, token) => sum + of[token], 0);
  if (difference) return `${shown.length} carry ${signed(total(difference, shown), 3)} of ${signed(sumOf(difference), 3)}`;
  const sum = total(reading.contribution, shown);
  return reading.contribution.every((value) => value >= 0) && reading.value > 0
    ? `${shown.length} carry ${Math.round((100 * sum) / reading.value)} %`
    : `${shown.length} carry ${format(sum)} of ${format(reading.value)}`;
}

// The line under the pictures: what is looked at, [a, b, c] being patches of A, B and C, -1 for none.
function focusSentence({ matches, expected, reading, other, difference }, [a, b, c]) {
  const name = (letter, token, grid) => `${letter} ${placeName(token, grid)}`;
  if (a < 0) { // a patch of B or C that no patch of A is compared with
    const [letter, token, grid] = b >= 0 ? ["B", b, matches.otherGrid] : ["C", c, expected.otherGrid];
    if (reading.partner) return `${name(letter, token, grid)} · no patch of A has it as its partner`;
    const own = b >= 0 ? reading : other;
    return `${name(letter, token, grid)} with A’s mean token · cosine ${format(own.otherCosine[token])} · contributes ${format(own.otherContribution[token], 4)} of ${format(own.value)}`;
  }
  const from = name("A", a, matches.grid);
  if (difference) {
    const part = (letter, one, token, grid) => `${token >= 0 ? name(letter, token, grid) : letter}: ${format(one.contribution[a], 4)}`;
    const verdict = difference[a] > 0 ? " · speaks for B" : difference[a] < 0 ? " · speaks for C" : "";
    return `${from} · with ${part("B", reading, b, matches.otherGrid)} · with ${part("C", other, c, expected.otherGrid)}`
      + ` · difference ${signed(difference[a], 4)}${verdict}`;
  }
  const to = !reading.partner ? "with B’s mean token" : b >= 0 ? `→ ${name("B", b, matches.otherGrid)}` : "· no partner";
  return `${from} ${to} · cosine ${format(reading.cosine[a])} · contributes ${format(reading.contribution[a], 4)} of ${format(reading.value)}`
    + (reading.ambiguous?.[a] ? " · another partner is nearly as good" : "");
}

// The k strongest patches as numbers; null where nothing splits.
function strongestTable({ matches, reading, other, difference, order }, k) {
  if (!order.length) return null;
  const shown = order.slice(0, k);
  const a = (token) => placeName(token, matches.grid);
  if (difference) {
    return valueTable("patches of A that speak most for either image", ["", "A", "with B", "with C", "difference"],
      shown.map((token, rank) => [String(rank + 1), a(token), format(reading.contribution[token], 4), format(other.contribution[token], 4), signed(difference[token], 4)]));
  }
  const partner = (token) => (reading.partner ? placeName(reading.partner[token], matches.otherGrid) : "mean token");
  return valueTable("the strongest as numbers", ["", "A", "B", "cosine", "contribution", ""],
    shown.map((token, rank) => [String(rank + 1), a(token), partner(token), format(reading.cosine[token]), format(reading.contribution[token], 4),
      reading.ambiguous?.[token] ? "another partner is nearly as good" : ""]));
}
