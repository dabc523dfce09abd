// RetrievalView: a query and what each similarity retrieves for it. A hover, k and the search field never ask the kernel.

import { segmented } from "../base/controls.js";
import { h, OWN_KEYS, PAIR_OPENED } from "../base/dom.js";
import { format } from "../base/format.js";
import { helpButton } from "../base/help.js";
import { layerSlider } from "../base/layer_slider.js";
import { listeners, offers, setter } from "../base/model.js";
import { withPrivate } from "../base/private.js";
import { similaritiesOf } from "../base/similarities.js";
import { statusLine } from "../base/status_line.js";
import { jpegUrl, onMessages } from "../base/wire.js";
import { readResults } from "./messages.js";
import { queryPanel } from "./query_panel.js";
import { rankRows } from "./rank_rows.js";
import { describeImage, thumbnailStore, thumbnailStrip } from "./thumbnails.js";

/** @typedef {import("../base/model.js").Model} Model */
/** @typedef {import("./messages.js").Results} Results */
/** @typedef {import("./messages.js").Where} Where */
/** @typedef {import("./thumbnails.js").ThumbnailStore} ThumbnailStore */
/** @typedef {Parameters<ReturnType<typeof queryPanel>["show"]>[0] & { index: number }} QueryPicture */

const FILE_PART = 2 ** 20; // bytes: a larger message would close the connection

export default () => {
  /** @type {Set<ReturnType<typeof retrievalView>>} */
  const views = new Set();
  /** @type {{ query: QueryPicture | null, results: Results | null, where: Where | null }} what the newest messages said */
  const last = { query: null, results: null, where: null };
  /** @type {ThumbnailStore} */
  let store;

  return withPrivate({
    /** @param {{ model: Model }} given */
    initialize({ model }) {
      store = thumbnailStore(model);
      onMessages(model, {
        thumbnails: ({ indices, thumbnails }) => store.receive(indices, thumbnails),
        query(message) {
          if (last.query) URL.revokeObjectURL(last.query.url);
          const query = { ...message, url: jpegUrl(message.pictures[0]) };
          last.query = query;
          for (const view of views) view.query(query);
        },
        results(message) {
          const results = readResults(message);
          last.results = results;
          for (const view of views) view.results(results);
        },
        where(message) {
          last.where = message;
          for (const view of views) view.where(message);
        },
      });
      model.send({ kind: "ready" });
      return () => {
        store.stop();
        if (last.query) URL.revokeObjectURL(last.query.url);
      };
    },
    /** @param {{ model: Model, el: HTMLElement }} given */
    render({ model, el }) {
      const view = retrievalView(model, el, store);
      views.add(view);
      if (last.query) view.query(last.query);
      if (last.results) view.results(last.results);
      if (last.where) view.where(last.where);
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
 * @param {ThumbnailStore} store
 */
function retrievalView(model, el, store) {
  /** @type {import("./thumbnails.js").Image[]} */
  let images = model.get("_images");
  /** @type {Results | null} */
  let results = null;
  /** @type {import("../base/layer_slider.js").Layer[]} */
  const layers = model.get("_layers");
  const events = listeners(model);
  const set = setter(model);
  const status = statusLine(model);
  events.add(status.stop);

  // -- the parts ---------------------------------------------------------------------------------------------------

  const layer = layerSlider(layers, (name) => set("layer", name), model.get("_model_badge"));
  events.add(layer.stop);
  const kernel = segmented(
    "kernel",
    model.get("_kernels").map((/** @type {string} */ name) => [name, name]),
    model.get("kernel"),
    (name) => set("kernel", name),
  );
  const mostK = Math.max(1, Math.min(model.get("_largest_k"), images.length - 1));
  const answers = h("input", {
    type: "range",
    class: "srsm-slider srsm-short",
    min: 1,
    max: mostK,
    step: 1,
    "aria-label": "answers shown",
    ...OWN_KEYS,
  });
  const answersWords = h("output", { class: "srsm-number" });
  answers.addEventListener("input", () => set("k", Number(answers.value)));

  const strip = thumbnailStrip(store, (index) => {
    if (index !== model.get("query")) set("query", index);
  });
  events.add(strip.stop);
  const find = h("input", {
    type: "search",
    class: "srsm-find",
    placeholder: "find by name or label",
    "aria-label": "find a query image by name or label",
    ...OWN_KEYS,
  });
  const found = h("span", { class: "srsm-aside", role: "status" });
  find.addEventListener("input", () => filter());
  find.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && wanted.length) set("query", wanted[0]);
  });
  const file = h("input", {
    type: "file",
    accept: "image/*,.heic,.heif,.tif,.tiff",
    hidden: true,
    "aria-hidden": "true",
    tabindex: -1,
  });
  file.addEventListener("change", () => {
    if (file.files?.length) sendFile(model, file.files[0]);
    file.value = "";
  });
  const fileButton = h(
    "button",
    { type: "button", class: "srsm-button", onclick: () => file.click() },
    "your own picture …",
  );
  const outside = h("button", {
    type: "button",
    class: "srsm-button srsm-outside",
    hidden: true,
    onclick: () => set("query", -1),
  });

  const panel = queryPanel({ onBox: (box) => set("box", box) });
  const ranks = rankRows(store, similaritiesOf(model), {
    onChoose(index) {
      const query = model.get("query");
      if (query >= 0) {
        set("pair", [query, index]);
        root.dispatchEvent(new CustomEvent(PAIR_OPENED, { bubbles: true }));
      } else if (model.get("_opens_outside")) model.send({ kind: "outside pair", index });
      else line.textContent = "A picture from outside the set cannot be opened as a pair.";
    },
    onPoint: (index) => describe(index),
    onSelect(indices) {
      const query = model.get("query");
      set("selection", query >= 0 ? [query, ...indices] : indices);
    },
  });
  events.add(ranks.stop);
  const line = h("p", { class: "srsm-token-line srsm-rank-line", "aria-live": "polite" });
  const notes = h("p", { class: "srsm-hint" });
  const chosen = [
    ...(offers(model, "layers") ? [layer.root] : []),
    ...(offers(model, "kernels")
      ? [h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "kernel"), kernel.root)]
      : []),
  ];
  const root = h(
    "div",
    { class: "srsm srsm-retrieval", "data-ready": "false" },
    chosen.length ? h("div", { class: "srsm-controls srsm-controls-helped" }, ...chosen, helpButton()) : null,
    h(
      "div",
      { class: "srsm-chooser" },
      find,
      strip.root,
      found,
      outside,
      ...(offers(model, "files") ? [fileButton, file] : []),
    ),
    h(
      "div",
      { class: "srsm-retrieval-body" },
      h(
        "div",
        { class: "srsm-query-column" },
        panel.root,
        h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "answers"), answers, answersWords),
      ),
      h("div", { class: "srsm-answers" }, ranks.root, line, notes),
    ),
    status.root,
  );
  el.append(root);
  events.add(store.attach(root));

  // -- choosing the query ----------------------------------------------------------------------------------------

  /** @type {number[]} */
  let wanted = []; // the images that the search field leaves
  function filter() {
    const words = find.value.trim().toLowerCase();
    wanted = [...images.keys()].filter((index) => !words || describeImage(images[index]).toLowerCase().includes(words));
    strip.show(images, wanted);
    found.textContent = words ? `${wanted.length} of ${images.length}` : "";
  }

  // -- what is shown ---------------------------------------------------------------------------------------------

  // The similarities and ranks of one image in every row; without one, what can be done here.
  /** @param {number} index */
  function describe(index) {
    root.dataset.pointed = String(index);
    if (!results) return;
    if (index < 0) {
      line.textContent =
        "Point at an image to see its similarity and rank in every row; click to open it with the query.";
      return;
    }
    const parts = results.rows
      .filter((row) => row.state === "ready")
      .map((row) => `${row.name} ${format(row.values[index])} (rank ${row.ranks[index] + 1})`);
    line.replaceChildren(h("strong", {}, describeImage(images[index])), ` · ${parts.join(" · ")}`);
  }

  /** @param {Results} results */
  function note(results) {
    const said = [];
    const known = images.some((image) => image.labels.length);
    if (!known) said.push("The images have no labels, so right and wrong answers are not marked.");
    else if (!results.answers) said.push("The query has no label, so right and wrong answers are not marked.");
    else {
      const { relevant, labelled, unlabelled, chance_f1: f1, chance_ap: ap } = results.answers;
      const shared = unlabelled ? "that have a label share one" : "share a label";
      said.push(`${relevant} of ${labelled} other images ${shared} with the query.`);
      if (unlabelled)
        said.push(`${unlabelled} unlabelled ${unlabelled > 1 ? "ones are" : "one is"} left out of F1@k and AP.`);
      said.push(`By chance: F1@k ${format(f1)}, AP ${format(ap)}.`);
    }
    const [used, all] = results.patches;
    if (used < all)
      said.push(`Searched with ${used} of ${all} patches: the levels are not comparable with those of whole images.`);
    if (results.sigma !== null)
      said.push(`RBF σ ${format(results.sigma)}${results.own_sigma ? ", from this query’s own distances" : ""}.`);
    notes.textContent = said.join(" ");
  }

  // Never the answers to one question under another: they are dimmed until the new ones are there.
  function showAge() {
    const shown = results && { layer: results.layer, kernel: results.kernel, query: results.query, box: results.box };
    const isOld = Object.entries(shown ?? {}).some(
      ([name, value]) => String(value ?? "") !== String(model.get(name) ?? ""),
    );
    root.dataset.stale = String(isOld);
  }

  function showGrid() {
    const row = layers.find((each) => each.name === model.get("layer"));
    const why = row?.grid
      ? ""
      : `The tokens of ${row?.name} have no known place in the image: the whole image is searched with.`;
    const takesBoxes = offers(model, "boxes");
    panel.setGrid(takesBoxes && row?.grid ? row.grid : null, takesBoxes ? why : "");
    panel.setBox(model.get("box"));
  }

  const showQuery = () => {
    strip.choose(model.get("query"));
    root.dataset.query = model.get("query");
    outside.setAttribute("aria-pressed", String(model.get("query") < 0));
    showAge();
  };
  const showOutside = () => {
    const name = model.get("_outside_name");
    outside.hidden = !name;
    outside.textContent = name;
    outside.title = "search with this picture from outside the set";
  };
  const showK = () => {
    answers.value = model.get("k");
    answersWords.textContent = model.get("k");
    root.dataset.k = model.get("k");
    if (results) ranks.resize(model.get("k"));
  };
  const showImages = () => {
    images = model.get("_images");
    find.hidden = images.length <= 16;
    filter();
    if (results) ranks.show(results, images, model.get("k"));
  };
  events.on("change:_images", showImages);
  events.on("change:query", showQuery);
  events.on("change:_outside_name", showOutside);
  events.on("change:k", showK);
  events.on("change:box", () => {
    panel.setBox(model.get("box"));
    showAge();
  });
  events.on("change:layer", () => {
    layer.set(model.get("layer"));
    showGrid();
    showAge();
  });
  events.on("change:kernel", () => {
    kernel.set(model.get("kernel"));
    showAge();
  });
  events.on("change:pair", () => ranks.choose(model.get("pair")));
  layer.set(model.get("layer"));
  showImages();
  showQuery();
  showOutside();
  showGrid();
  showK();

  return {
    /** @param {QueryPicture} query */
    query(query) {
      panel.show(query);
      root.dataset.pictured = String(query.index);
    },
    /** @param {Where} found */
    where(found) {
      ranks.where(found);
    },
    /** @param {Results} next */
    results(next) {
      results = next;
      showAge();
      ranks.show(next, images, model.get("k"));
      ranks.choose(model.get("pair"));
      note(next);
      root.dataset.layer = next.layer;
      root.dataset.kernel = next.kernel;
      root.dataset.answered = String(next.query);
      root.dataset.box = next.box ? next.box.join(",") : "";
      root.dataset.null = next.null ? String(next.null.mean) : "";
      root.dataset.complete = String(next.complete);
      root.dataset.ready = "true";
    },
    stop() {
      events.stop();
    },
  };
}

/**
 * @param {Model} model
 * @param {File} file
 */
async function sendFile(model, file) {
  const parts = Math.max(1, Math.ceil(file.size / FILE_PART));
  for (let part = 0; part < parts; part += 1) {
    const bytes = await file.slice(part * FILE_PART, (part + 1) * FILE_PART).arrayBuffer();
    model.send({ kind: "file", name: file.name, size: file.size, part, parts }, undefined, [bytes]);
    if (part === 0 && file.size > model.get("_largest_file")) return; // the view says so
  }
}
