// RetrievalView: a query and what each similarity retrieves for it. A hover, k and the search field never ask the kernel.

const FILE_PART = 2 ** 20; // bytes: a larger message would close the connection

export default () => {
  const views = new Set();
  const last = { query: null, results: null };
  let store = null;
  const thumbnails = (model) => { store ??= thumbnailStore(model); return store; };

  return withPrivate({
    initialize({ model }) {
      thumbnails(model);
      model.on("msg:custom", (content, buffers) => {
        if (content.kind === "thumbnails") store.receive(content.indices, buffers);
        else if (content.kind === "query") {
          if (last.query) URL.revokeObjectURL(last.query.url);
          last.query = { ...content, url: jpegUrl(buffers[0]) };
          views.forEach((view) => view.query(last.query));
        } else if (content.kind === "results") {
          last.results = readResults(content, buffers);
          views.forEach((view) => view.results(last.results));
        }
      });
      model.send({ kind: "ready" });
      return () => { store.stop(); if (last.query) URL.revokeObjectURL(last.query.url); };
    },
    render({ model, el }) {
      const view = retrievalView(model, el, thumbnails(model));
      views.add(view);
      if (last.query) view.query(last.query);
      if (last.results) view.results(last.results);
      return () => { views.delete(view); view.stop(); };
    },
  });
};

// The numbers come as buffers: F1 of every image's labels with the query's, then similarities and order of each row.
function readResults(content, buffers) {
  let next = 0;
  const right = content.answers ? asArray(buffers[next++], Float32Array) : null;
  const rows = content.rows.map((row) => {
    if (row.state !== "ready") return row;
    const [values, order] = [asArray(buffers[next++], Float32Array), asArray(buffers[next++], Int32Array)];
    const ranks = new Int32Array(values.length).fill(-1);
    order.forEach((index, rank) => { ranks[index] = rank; });
    return { ...row, values, order, ranks };
  });
  return { ...content, right, rows };
}

function retrievalView(model, el, store) {
  let images = model.get("_images");
  let results = null;
  const layers = model.get("_layers");
  const events = listeners(model);
  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const status = statusLine(model);
  events.add(status.stop);

  // -- the parts ---------------------------------------------------------------------------------------------------

  const layer = layerSlider(layers, (name) => set("layer", name));
  const kernel = segmented("kernel", model.get("_kernels").map((name) => [name, name]), model.get("kernel"), (name) => set("kernel", name));
  const mostK = Math.max(1, Math.min(model.get("_largest_k"), images.length - 1));
  const answers = h("input", { type: "range", class: "srsm-slider srsm-short", min: 1, max: mostK, step: 1, "aria-label": "answers shown", ...OWN_KEYS });
  const answersWords = h("output", { class: "srsm-number" });
  answers.addEventListener("input", () => set("k", Number(answers.value)));

  const strip = thumbnailStrip(store, (index) => { if (index !== model.get("query")) set("query", index); });
  events.add(strip.stop);
  const find = h("input", { type: "search", class: "srsm-find", placeholder: "find by name or label", "aria-label": "find a query image by name or label", ...OWN_KEYS });
  const found = h("span", { class: "srsm-aside", role: "status" });
  find.addEventListener("input", () => filter());
  find.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && wanted.length) set("query", wanted[0]);
  });
  const file = h("input", { type: "file", accept: "image/*,.heic,.heif,.tif,.tiff", hidden: true, "aria-hidden": "true", tabindex: -1 });
  file.addEventListener("change", () => { if (file.files.length) sendFile(model, file.files[0]); file.value = ""; });
  const fileButton = h("button", { type: "button", class: "srsm-button", onclick: () => file.click() }, "your own picture …");
  const outside = h("button", { type: "button", class: "srsm-button srsm-outside", hidden: true, onclick: () => set("query", -1) });

  const panel = queryPanel({ onBox: (box) => set("box", box) });
  const ranks = rankRows(store, {
    onChoose(index) {
      const query = model.get("query");
      if (query >= 0) set("pair", [query, index]);
      else line.textContent = "A picture from outside the set cannot be opened as a pair.";
    },
    onPoint: (index) => describe(index),
  });
  events.add(ranks.stop);
  const line = h("p", { class: "srsm-token-line srsm-rank-line", "aria-live": "polite" });
  const notes = h("p", { class: "srsm-hint" });
  const root = h("div", { class: "srsm srsm-retrieval", "data-ready": "false" },
    model.get("_controls") ? h("div", { class: "srsm-controls" }, layer.root,
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "kernel"), kernel.root)) : null,
    h("div", { class: "srsm-chooser" }, find, strip.root, found, outside, ...(model.get("_takes_files") ? [fileButton, file] : [])),
    h("div", { class: "srsm-retrieval-body" },
      h("div", { class: "srsm-query-column" }, panel.root,
        h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "answers"), answers, answersWords)),
      h("div", { class: "srsm-answers" }, ranks.root, line, notes)),
    status.root);
  el.append(root);
  events.add(store.attach(root));

  // -- choosing the query ----------------------------------------------------------------------------------------

  let wanted = []; // the images that the search field leaves
  function filter() {
    const words = find.value.trim().toLowerCase();
    wanted = [...images.keys()].filter((index) => !words || describeImage(images[index]).toLowerCase().includes(words));
    strip.show(images, wanted);
    found.textContent = words ? `${wanted.length} of ${images.length}` : "";
  }

  // -- what is shown ---------------------------------------------------------------------------------------------

  // The similarities and ranks of one image in every row; without one, what can be done here.
  function describe(index) {
    root.dataset.pointed = index;
    if (!results) return;
    if (index < 0) {
      line.textContent = "Point at an image to see its similarity and rank in every row; click to open it with the query.";
      return;
    }
    const parts = results.rows.filter((row) => row.state === "ready")
      .map((row) => `${row.name} ${format(row.values[index])} (rank ${row.ranks[index] + 1})`);
    line.replaceChildren(h("strong", {}, describeImage(images[index])), ` · ${parts.join(" · ")}`);
  }

  function note() {
    const said = [];
    const known = images.some((image) => image.labels.length);
    if (!known) said.push("The images have no labels, so right and wrong answers are not marked.");
    else if (!results.answers) said.push("The query has no label, so right and wrong answers are not marked.");
    else {
      const others = results.rows.find((row) => row.state === "ready")?.order.length ?? 0;
      said.push(`${results.answers.relevant} of ${others} other images share a label with the query. By chance: F1@k ${format(results.answers.chance_f1)}, AP ${format(results.answers.chance_ap)}.`);
    }
    const [used, all] = results.patches;
    if (used < all) said.push(`Searched with ${used} of ${all} patches: the levels are not comparable with those of whole images.`);
    if (results.sigma !== null) said.push(`RBF σ ${format(results.sigma)}${results.own_sigma ? ", from this query’s own distances" : ""}.`);
    notes.textContent = said.join(" ");
  }

  // Never the answers to one question under another: they are dimmed until the new ones are there.
  function showAge() {
    const same = (name) => String(results[name] ?? "") === String(model.get(name) ?? "");
    root.dataset.stale = String(Boolean(results) && !["layer", "kernel", "query", "box"].every(same));
  }

  function showGrid() {
    const row = layers.find((each) => each.name === model.get("layer"));
    const why = row?.grid ? "" : `The tokens of ${row?.name} have no known place in the image: the whole image is searched with.`;
    panel.setGrid(model.get("_takes_boxes") && row?.grid ? row.grid : null, model.get("_takes_boxes") ? why : "");
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
  const showImages = () => { images = model.get("_images"); find.hidden = images.length <= 16; filter(); if (results) ranks.show(results, images, model.get("k")); };
  events.on("change:_images", showImages);
  events.on("change:query", showQuery);
  events.on("change:_outside_name", showOutside);
  events.on("change:k", showK);
  events.on("change:box", () => { panel.setBox(model.get("box")); showAge(); });
  events.on("change:layer", () => { layer.set(model.get("layer")); showGrid(); showAge(); });
  events.on("change:kernel", () => { kernel.set(model.get("kernel")); showAge(); });
  events.on("change:pair", () => ranks.choose(model.get("pair")));
  layer.set(model.get("layer"));
  showImages();
  showQuery();
  showOutside();
  showGrid();
  showK();

  return {
    query(query) { panel.show(query); root.dataset.pictured = query.index; },
    results(next) {
      results = next;
      showAge();
      ranks.show(results, images, model.get("k"));
      ranks.choose(model.get("pair"));
      note();
      root.dataset.layer = results.layer;
      root.dataset.kernel = results.kernel;
      root.dataset.answered = results.query;
      root.dataset.box = results.box ? results.box.join(",") : "";
      root.dataset.null = results.null ? String(results.null.mean) : "";
      root.dataset.complete = String(results.complete);
      root.dataset.ready = "true";
    },
    stop() { events.stop(); },
  };
}

async function sendFile(model, file) {
  const parts = Math.max(1, Math.ceil(file.size / FILE_PART));
  for (let part = 0; part < parts; part += 1) {
    const bytes = await file.slice(part * FILE_PART, (part + 1) * FILE_PART).arrayBuffer();
    model.send({ kind: "file", name: file.name, size: file.size, part, parts }, undefined, [bytes]);
    if (part === 0 && file.size > model.get("_largest_file")) return; // the view says so
  }
}
