// What an opened cell of the map shows: both RSMs, their difference, and the pairs of images that changed most.

import { segmented } from "../base/controls.js";
import { h } from "../base/dom.js";
import { format, signed } from "../base/format.js";
import { heatmapCanvas } from "./heatmap_canvas.js";

/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {import("./messages.js").Change} Change */
/** @typedef {import("./messages.js").Detail} Detail */

const LETTERS = ["A", "B"];

/**
 * @param {import("../base/model.js").Model} model
 * @param {import("./messages.js").MapState} state
 * @param {object} heard
 * @param {() => void} heard.close
 * @param {(pair: Cell) => void} heard.pair
 */
export function cellDetail(model, state, { close, pair: choosePair }) {
  /** @type {{ id: string }[]} */
  const images = model.get("_images");
  const size = images.length;
  /** @type {import("./layer_grid.js").Side[]} */
  const sides = model.get("_sides");
  const title = h("h3");
  const scale = segmented(
    "scale of the RSMs",
    [
      ["standard", "as CKA compares them"],
      ["values", "as they are"],
    ],
    "standard",
    (key) => {
      shownScale = key;
      draw();
    },
  );
  const maps = ["a", "b", "difference"].map((name) => heatmapCanvas(name, size));
  const explain = h("p", { class: "srsm-detail-words" });
  const line = h("p", { class: "srsm-pair-line", "aria-live": "polite" });
  const lists = LETTERS.map((letter) =>
    h("ol", { class: "srsm-changes", "data-side": letter, "aria-label": `pairs more alike in ${letter}` }),
  );
  const headings = LETTERS.map((letter) =>
    h(
      "h4",
      {},
      h("span", { class: `srsm-key-swatch srsm-swatch-${letter}` }),
      `More alike in ${letter}`,
      h("small", { class: "srsm-label" }, "A − B in sd"),
    ),
  );
  const changeLists = h(
    "div",
    { class: "srsm-change-lists" },
    ...LETTERS.map((_, k) => h("div", {}, headings[k], lists[k])),
  );
  const body = h("div", {}, h("div", { class: "srsm-heatmaps" }, ...maps.map((map) => map.root)), line, changeLists);
  const waiting = h("p", { class: "srsm-empty" });
  const root = h(
    "section",
    { class: "srsm-detail", hidden: true, "data-ready": "false" },
    h(
      "div",
      { class: "srsm-detail-head" },
      title,
      scale.root,
      h("button", { class: "srsm-button", type: "button", onclick: close, "aria-label": "close this cell" }, "Close"),
    ),
    explain,
    waiting,
    body,
  );
  let shownScale = "standard";
  /** @type {Cell | null} */
  let pointed = null;

  const current = () => {
    const shown = state.detail;
    const cell = model.get("cell");
    if (!shown || !cell || String(shown.cell) !== String(cell)) return null;
    return shown.similarity === model.get("similarity") && shown.kernel === model.get("kernel") ? shown : null;
  };
  /** @param {number} k */
  const thumbnail = (k) => state.setup?.thumbnails[k] ?? state.detail?.ownThumbnails.get(k);

  /**
   * @param {Detail} shown
   * @param {Cell} pair
   */
  function pairWords(shown, [i, j]) {
    const who = `${images[i].id} and ${images[j].id}`;
    if (i === j) return `${images[i].id} with itself: the diagonal, which CKA leaves out.`;
    const late = state.late && state.late.i === i && state.late.j === j ? state.late.values : null;
    /** @type {(array: Float32Array | null, place: number) => number | null | undefined} */
    const at = (array, place) => (array ? array[i * size + j] : late?.[place]);
    /** @param {number} side */
    const part = (side) => {
      const value = at(shown.values[side], side);
      if (value === undefined) return `${LETTERS[side]} …`;
      const standard = at(shown.standard[side], 2 + side);
      const place = shown.ranks[side]?.[i * size + j];
      const rank = place === undefined ? "" : `, rank ${place} of ${shown.pairs}`;
      const level = shown.nulls ? `, unrelated ${format(shown.nulls[side])}` : "";
      const deviation = standard === undefined ? "" : `, ${signed(standard, 1)} sd`;
      return `${LETTERS[side]} ${format(value)}${rank}${level}${deviation}`;
    };
    return `${who}: ${part(0)} · ${part(1)}`;
  }

  function read() {
    const shown = current();
    if (!shown) return;
    const where = pointed ?? model.get("pair");
    line.textContent = shown.colours.length ? pairWords(shown, where) : "";
    maps.forEach((map, k) => {
      map.cursor(pointed);
      map.chosen(model.get("pair"));
      const what = k < 2 ? `${LETTERS[k]}, ${shown.cell[k]}: ${shown.similarity} RSM` : "A minus B, standardised";
      map.describe(`${what}. ${line.textContent} Arrow keys move, Enter opens the pair below.`);
    });
    /** @type {NodeListOf<HTMLElement>} */
    const rows = root.querySelectorAll(".srsm-change");
    for (const node of rows) {
      node.setAttribute("aria-pressed", String(node.dataset.pair === model.get("pair").join(",")));
    }
    root.dataset.pointed = pointed ? pointed.join(",") : "";
  }

  function draw() {
    const shown = current();
    root.hidden = !model.get("cell");
    body.hidden = !shown;
    waiting.hidden = Boolean(shown);
    waiting.textContent = "Opening …";
    root.dataset.ready = String(Boolean(shown));
    root.dataset.cell = (model.get("cell") ?? []).join(" ");
    if (!model.get("cell")) return;
    title.replaceChildren(
      h("strong", {}, "A"),
      ` ${model.get("cell")[0]} `,
      h("span", { class: "srsm-label" }, "against"),
      " ",
      h("strong", {}, "B"),
      ` ${model.get("cell")[1]}`,
    );
    if (!shown) return;
    const { limit } = shown;
    const comparable = limit !== undefined;
    const standard = comparable && shownScale === "standard";
    scale.root.hidden = !comparable;
    explain.textContent = explanation(shown, standard);
    const palettes = state.setup?.palettes;
    if (!palettes) return;
    changeLists.hidden = !comparable;
    maps[2].root.hidden = !comparable;
    [0, 1].forEach((side) => {
      maps[side].caption(`${LETTERS[side]} ${shown.cell[side]}`, ` · ${sides[side].name}`);
      const [low, high] = (standard ? shown.span : shown.ranges?.[side]) ?? [NaN, NaN];
      maps[side].draw(shown.colours[standard ? 2 + side : side], palettes.values, [format(low), format(high)]);
    });
    if (comparable) {
      maps[2].caption("A − B", " · in sd, purple more alike in A");
      maps[2].draw(shown.colours[4], palettes.difference, [format(-limit, 1), format(limit, 1)]);
      [shown.more_a, shown.more_b].forEach((changes = [], side) => {
        lists[side].replaceChildren(...changes.map((change) => changeRow(change, side, limit, shown.pairs)));
      });
    }
    read();
  }

  /** @type {(change: Change, side: number, limit: number, pairs: number | undefined) => HTMLElement} */
  function changeRow(change, side, limit, pairs) {
    const [i, j] = change.pair;
    /** @param {number} k */
    const picture = (k) => (thumbnail(k) ? h("img", { src: thumbnail(k), alt: "" }) : null);
    const bar = h("span", { class: "srsm-change-bar", "data-side": LETTERS[side] });
    bar.style.width = `${(100 * Math.abs(change.a - change.b)) / limit}%`;
    const words = `rank ${change.rank_a} in A, ${change.rank_b} in B`;
    const difference = signed(change.a - change.b, 1);
    const who = `${images[i].id} and ${images[j].id}`;
    return h(
      "li",
      {},
      h(
        "button",
        {
          class: "srsm-change",
          type: "button",
          "data-pair": change.pair.join(","),
          onclick: () => choosePair([i, j]),
          "aria-label": `${who}: ${words} of ${pairs} pairs, difference ${difference} standard deviations`,
        },
        h("span", { class: "srsm-change-pictures" }, picture(i), picture(j)),
        h(
          "span",
          { class: "srsm-change-words" },
          h("span", { class: "srsm-change-names" }, `${images[i].id} – ${images[j].id}`),
          h("small", { class: "srsm-label" }, words),
          h("span", { class: "srsm-change-track", "aria-hidden": "true" }, bar),
        ),
        h("span", { class: "srsm-number" }, difference),
      ),
    );
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @param {Cell | null} where */
  const point = (where) => {
    pointed = where;
    read();
    if (!where || current()?.values[0]) return;
    clearTimeout(timer); // the kernel is asked once the pointer rests
    timer = setTimeout(() => model.send({ kind: "value", i: where[0], j: where[1] }), 120);
  };
  maps.forEach((map) => map.listen({ point, choose: choosePair, current: () => pointed ?? model.get("pair") }));
  return { root, show: draw, read };
}

/**
 * What the heatmaps of a cell show.
 *
 * @param {Detail} shown
 * @param {boolean} standard whether they show what CKA compares
 */
function explanation({ limit, reason, cka }, standard) {
  if (limit === undefined) return `There is no difference to show: ${reason}`;
  return standard
    ? "Levels of two layers are not comparable. As CKA compares them: each image’s level taken out, the rest in " +
        `standard deviations (sd); CKA ${format(cka)} = 1 − half the mean squared difference.`
    : "As they are: the two ranges differ, and levels of two layers are not comparable. The difference stays as CKA " +
        "compares them.";
}
