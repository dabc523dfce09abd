// CompareView: the layer x layer map with its read-out, and for an opened cell both RSMs, their difference and the pairs
// of images that changed most. The two PairViews below are widgets of their own.

import { badgeOf, segmented } from "../base/controls.js";
import { h } from "../base/dom.js";
import { helpButton } from "../base/help.js";
import { listeners, setter } from "../base/model.js";
import { withPrivate } from "../base/private.js";
import { captionOf, patchSimilarities, similaritiesOf } from "../base/similarities.js";
import { statusLine } from "../base/status_line.js";
import { jpegUrl, onMessages } from "../base/wire.js";
import { cellCard } from "./cell_card.js";
import { cellDetail } from "./cell_detail.js";
import { isUncertain } from "./cells.js";
import { layerGrid } from "./layer_grid.js";
import { cellKey, readCells, readDetail } from "./messages.js";

/** @typedef {import("../base/grid_pointer.js").Cell} Cell */
/** @typedef {import("../base/model.js").Model} Model */
/** @typedef {import("./cells.js").MapCell} MapCell */
/** @typedef {import("./layer_grid.js").Side} Side */
/** @typedef {import("./messages.js").MapState} MapState */

export default () => {
  /** @type {Set<ReturnType<typeof compareView>>} */
  const views = new Set();
  /** @type {MapState} */
  const state = { setup: null, cells: new Map(), detail: null, late: null };

  return withPrivate({
    /** @param {{ model: Model }} given */
    initialize({ model }) {
      onMessages(model, {
        setup({ palettes, thumbnails }) {
          for (const url of state.setup?.thumbnails ?? []) URL.revokeObjectURL(url);
          state.setup = { palettes, thumbnails: thumbnails.map(jpegUrl) };
          for (const view of views) {
            view.map();
            view.detail();
          }
        },
        cells(message) {
          const known = message.fresh ? undefined : state.cells.get(message.kernel)?.known;
          const cells = { known: known ?? new Map(), complete: message.complete };
          const layers = model.get("_sides").map((/** @type {Side} */ side) => side.layers);
          for (const cell of readCells(message, layers, similaritiesOf(model))) {
            cells.known.set(cellKey(cell.layer_a, cell.layer_b, cell.similarity), cell);
          }
          state.cells.set(message.kernel, cells);
          for (const view of views) view.map();
        },
        detail(message) {
          for (const url of state.detail?.own ?? []) URL.revokeObjectURL(url);
          state.detail = readDetail(message);
          for (const view of views) view.detail();
        },
        value(message) {
          state.late = message;
          for (const view of views) view.read();
        },
      });
      model.send({ kind: "ready" });
      return () => {
        for (const url of [...(state.setup?.thumbnails ?? []), ...(state.detail?.own ?? [])]) URL.revokeObjectURL(url);
        state.cells.clear();
      };
    },
    /** @param {{ model: Model, el: HTMLElement }} given */
    render({ model, el }) {
      const view = compareView(model, el, state);
      views.add(view);
      return () => {
        views.delete(view);
        view.stop();
      };
    },
  });
};

/**
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {MapState} state
 */
function compareView(model, el, state) {
  /** @type {Side[]} */
  const sides = model.get("_sides");
  const similarities = patchSimilarities(model);
  const events = listeners(model);
  const set = setter(model);
  const status = statusLine(model);
  events.add(status.stop);
  /** @type {Cell | null} */
  let pointed = null; // the cell of the map under the pointer

  const similarity = segmented(
    "similarity",
    similarities.map(({ name }) => [name, name]),
    model.get("similarity"),
    (name) => set("similarity", name),
  );
  const card = cellCard(sides, similarities);
  events.add(card.stop);
  const grid = layerGrid(sides, {
    point(where) {
      if (String(where) !== String(pointed)) {
        pointed = where;
        showCell();
      }
    },
    choose(where) {
      set("cell", where && grid.names(where));
    },
  });
  const bar = mapBar();
  const detail = cellDetail(model, state, { close: () => set("cell", null), pair: (pair) => set("pair", pair) });
  const title = h("p", { class: "srsm-compare-title" });
  const kindWords = h("span", { class: "srsm-label srsm-kind" });
  const root = h(
    "div",
    { class: "srsm srsm-comparison", "data-ready": "false" },
    h("div", { class: "srsm-head" }, title, status.root, helpButton()),
    h(
      "div",
      { class: "srsm-controls" },
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "RSMs"), similarity.root),
      kindWords,
    ),
    h(
      "div",
      { class: "srsm-compare-body" },
      h(
        "div",
        { class: "srsm-compare-map" },
        h(
          "p",
          { class: "srsm-axis-words" },
          h("span", {}, h("strong", {}, "A"), ` ${sides[0].name} ↓ `, badgeOf(sides[0].badge)),
          h("span", {}, h("strong", {}, "B"), ` ${sides[1].name} → `, badgeOf(sides[1].badge)),
        ),
        grid.root,
        bar.root,
      ),
      card.root,
    ),
    detail.root,
  );
  el.append(root);
  title.append(
    h("span", { class: "srsm-label" }, "model "),
    h("strong", {}, "A"),
    ` ${sides[0].name} `,
    h("span", { class: "srsm-label" }, "against model "),
    h("strong", {}, "B"),
    ` ${sides[1].name}`,
    h("small", { class: "srsm-label" }, ` · ${model.get("_images").length} images`),
  );

  const cells = () => state.cells.get(model.get("kernel"));
  /** @type {(kind: string) => (a: string, b: string) => MapCell | undefined} */
  const find = (kind) => (a, b) => cells()?.known.get(cellKey(a, b, kind));

  function showCell() {
    const where = pointed ?? grid.place(model.get("cell"));
    const names = where && grid.names(where);
    card.show(
      names,
      names && Object.fromEntries(similarities.map(({ name }) => [name, find(name)(...names)])),
      model.get("similarity"),
      pointed === null,
    );
    root.dataset.pointed = pointed && names ? names.join(" ") : "";
  }

  function drawMap() {
    const kind = model.get("similarity");
    const palettes = state.setup?.palettes;
    similarity.set(kind);
    kindWords.textContent = `${captionOf(similarities, kind)} · ${model.get("kernel")} kernel`;
    grid.show(find(kind), palettes?.map);
    grid.describe(
      `CKA of the ${kind} RSMs of ${sides[0].name}, down, and ${sides[1].name}, across. ` +
        "Arrow keys move, Enter opens, Escape closes.",
    );
    bar.show(
      palettes?.map,
      [...(cells()?.known.values() ?? [])].filter((cell) => cell.similarity === kind),
    );
    grid.chosen(grid.place(model.get("cell")));
    root.dataset.similarity = kind;
    root.dataset.kernel = model.get("kernel");
    root.dataset.complete = String(Boolean(cells()?.complete));
    root.dataset.ready = String(Boolean(palettes && cells()?.known.size));
    showCell();
  }

  for (const name of ["similarity", "kernel", "cell"])
    events.on(`change:${name}`, () => {
      drawMap();
      detail.show();
    });
  events.on("change:pair", () => detail.read());
  drawMap();
  detail.show();
  return { map: drawMap, detail: detail.show, read: detail.read, stop: () => events.stop() };
}

/** The fixed colour range, and what the marks on cells mean; only marks that occur are explained. */
function mapBar() {
  const strip = h("span", { class: "srsm-strip" });
  const scale = h(
    "span",
    { class: "srsm-map-scale" },
    h("span", { class: "srsm-number" }, "0"),
    strip,
    h("span", { class: "srsm-number" }, "1"),
  );
  /** @type {(look: string, words: string) => HTMLElement} */
  const key = (look, words) => h("span", { class: "srsm-key" }, h("span", { class: `srsm-key-swatch ${look}` }), words);
  const negative = key("srsm-swatch-negative", "below 0");
  const uncertain = key("srsm-swatch-uncertain", "interval holds 0: not certain");
  const missing = key("srsm-swatch-undefined", "not defined");
  const root = h(
    "div",
    { class: "srsm-map-bar" },
    h("span", { class: "srsm-label" }, "CKA"),
    scale,
    negative,
    uncertain,
    missing,
  );
  return {
    root,
    /**
     * @param {string[] | undefined} palette
     * @param {MapCell[]} cells
     */
    show(palette, cells) {
      if (palette) strip.style.backgroundImage = `linear-gradient(to right, ${palette.join(",")})`;
      negative.hidden = !cells.some((cell) => cell.value !== null && cell.value < 0);
      uncertain.hidden = !cells.some(isUncertain);
      missing.hidden = !cells.some((cell) => cell.value === null);
    },
  };
}
