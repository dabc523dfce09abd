// RSMView: layer slider over three Bokeh heatmaps (baseline, semantic, difference) with one cursor, one zoom and one
// order; a cell is read by hovering or by the arrow keys and chosen by a click or Enter. Frames are kept, so that a layer
// seen before, another baseline, order or colour range is drawn without the kernel.

const MAPS = ["baseline", "semantic", "difference"];
const ORDER_WORDS = { file: "as loaded", label: "by label", cluster: "by cluster" };

export default () => {
  const views = new Set();
  let frames = null;
  let setup = null;
  let thumbnails = [];
  const each = (act) => views.forEach(act);

  return withPrivate({
    initialize({ model }) {
      frames = frameStore(model.get("_images").length);
      model.on("msg:custom", (content, buffers) => {
        if (content.kind === "setup") {
          frames.clear();
          setup = content.items;
          each((view) => view.setup());
        } else if (content.kind === "thumbnails") {
          thumbnails.forEach((url) => URL.revokeObjectURL(url));
          thumbnails = buffers.map(jpegUrl);
          each((view) => view.thumbnails());
        } else if (content.kind === "frame") {
          frames.add(content, buffers);
          each((view) => view.draw());
        } else if (content.kind === "undefined") {
          frames.add({ ...content, complete: true }, []);
          each((view) => view.draw());
        } else if (content.kind === "value") {
          each((view) => view.value(content, buffers));
        }
      });
      model.send({ kind: "ready" });
    },
    render({ model, el }) {
      const view = rsmView(model, el, { frames, setup: () => setup, thumbnails: () => thumbnails });
      views.add(view);
      if (setup) view.setup();
      if (thumbnails.length) view.thumbnails();
      return () => { views.delete(view); view.stop(); };
    },
  });
};

function rsmView(model, el, sent) {
  const images = model.get("_images");
  const size = images.length;
  const kinds = pairKinds(images);
  const palettes = model.get("_palettes");
  const events = listeners(model);
  let cell = null; // the cell under the pointer or the arrow keys; null: the chosen pair is read out
  let maps = null;
  let area = { row: 0, column: 0, side: size };
  let order = null; // the images in the order of the rows; null: as they are
  let arranged = {};
  let range = null; // of the levels' colours, as last drawn
  let scheduled = false;
  let asked = "";

  const status = statusLine(model);
  events.add(status.stop);
  status.root.hidden = !model.get("_own_status"); // the explorer's header shows it

  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const controls = rsmControls(model, set, { labelled: kinds !== null, range: () => range });
  const baseline = segmented("baseline", [["aligned", "aligned"], ["pooled", "pooled"]], model.get("baseline"), (name) => set("baseline", name));
  const baselineWords = h("span");
  const semanticWords = h("span");
  const differenceName = h("strong");
  const captions = {
    baseline: [baseline.root, baselineWords], semantic: [h("strong", {}, "semantic"), semanticWords], difference: [differenceName],
  };
  const panels = MAPS.map((name) => heatmapPanel(name, captions[name], size));
  const scales = MAPS.map((name) => distribution(palettes[name === "difference" ? 1 : 0]));
  panels.forEach((panel, k) => panel.root.append(scales[k].root));
  const legend = pairLegend(kinds !== null);
  const reset = h("button", { class: "srsm-button srsm-reset", type: "button", hidden: true, onclick: () => zoom(null) }, "show all images");
  const card = readout(images);

  const root = h("div", { class: "srsm srsm-rsm", "data-ready": "false" },
    controls.root,
    h("div", { class: "srsm-rsm-body" },
      h("div", { class: "srsm-maps" }, ...panels.map((panel) => panel.root), h("div", { class: "srsm-maps-foot" }, legend, reset)),
      card.root),
    status.root);
  el.append(root);

  const nothing = new Uint8Array(size * size).fill(MISSING_COLOUR);
  const frame = () => sent.frames.get(model.get("layer"), model.get("kernel"));

  function read(shown = frame()) {
    const [i, j] = cell ?? model.get("pair");
    card.show(i, j, shown, cell === null);
    panels.forEach((panel, k) => {
      panel.cursor(cell);
      panel.chosen(model.get("pair"));
      panel.describe(`${title(MAPS[k])} RSM of ${model.get("layer")}, ${model.get("kernel")}. `
        + card.sentence(i, j, shown) + " Arrow keys move, Enter opens the pair, plus and minus zoom.");
    });
    root.dataset.cell = cell ? cell.join(",") : "";
    root.dataset.pair = model.get("pair").join(",");
  }
  const title = (name) => (name === "difference" ? differenceName.textContent : name === "baseline" ? model.get("baseline") : name);

  function draw() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      caption();
      arrange();
      const shown = frame();
      root.dataset.waiting = String(!shown);
      if (maps && shown?.full) paint(shown);
      else if (maps) blank(shown);
      read(shown);
      if (!shown) askAgain();
    });
  }

  function paint(shown) {
    const excess = model.get("excess");
    const view = shownMatrices(shown, { baseline: model.get("baseline"), excess, locked: model.get("colour_range") }, size);
    range = view.range;
    const coming = model.get("_status")?.state === "waiting" ? "not matched yet" : "matching …";
    MAPS.forEach((name, k) => {
      const matrix = view[name];
      const scale = name === "difference" ? [-view.reach, view.reach] : view.range;
      maps[k].setImage(name, matrix ? colourIndices(matrix, scale, order, size) : nothing, size, size);
      panels[k].missing(matrix ? "" : coming);
      if (!matrix) { scales[k].clear(); return; }
      const level = name === "semantic" && shown.null ? (excess ? 0 : shown.null.mean) : null;
      scales[k].show({
        range: scale, shares: spread(matrix, kinds, scale, BINS, size), level,
        auc: shown.auc?.[name === "baseline" ? model.get("baseline") : name] ?? null, labelled: kinds !== null,
        title: name === "difference" ? "Purple: semantic is above the baseline; orange: below. White is no difference."
          : "Both levels share this colour range. The diagonal is left out of it." + (shown.sigma ? ` RBF: σ = ${format(shown.sigma, 3)}, shared by all.` : ""),
      });
    });
    note(shown);
  }

  function blank(shown) { // never the old picture under a new name
    MAPS.forEach((name, k) => {
      maps[k].setImage(name, nothing, size, size);
      panels[k].missing(shown?.reason ? "not defined" : "computing …");
      scales[k].clear();
    });
    if (shown) note(shown);
  }

  function note(shown) {
    Object.assign(root.dataset, {
      undefined: String(Boolean(shown.reason)), layer: shown.layer, kernel: shown.kernel, complete: String(shown.complete),
      baseline: model.get("baseline"), order: model.get("order"), excess: String(model.get("excess")), range: (range ?? []).join(","), ready: "true",
    });
  }

  function caption() {
    controls.update();
    baseline.set(model.get("baseline"));
    baselineWords.textContent = model.get("baseline") === "aligned" ? "same position" : "mean token";
    semanticWords.textContent = model.get("excess") ? " excess over unrelated tokens" : " best match";
    differenceName.textContent = `semantic ${MINUS} ${model.get("baseline")}`;
  }

  function arrange() {
    const sequence = model.get("_sequence");
    if (sequence === arranged.sequence && model.get("order") === arranged.by) return;
    arranged = { sequence, by: model.get("order") };
    order = sequence.length === size ? sequence : null;
    const rows = order ?? images.map((_, k) => k);
    const inverse = new Array(size);
    rows.forEach((image, place) => { inverse[image] = place; });
    const label = (image) => [...images[image].labels].sort().join("\n");
    const borders = model.get("order") === "label" && order ? rows.flatMap((image, k) => (k && label(image) !== label(rows[k - 1]) ? [k] : [])) : [];
    panels.forEach((panel) => panel.arrange(rows, inverse, borders));
  }

  function zoom(next) {
    area = next ?? { row: 0, column: 0, side: size };
    reset.hidden = area.side === size;
    root.dataset.zoom = area.side === size ? "" : [area.row, area.column, area.side].join(",");
    panels.forEach((panel) => panel.zoom(area));
    maps?.forEach((map) => map.setArea(area, size));
  }

  async function setUp() {
    try {
      const Bokeh = await loadBokeh(model);
      if (maps) maps.forEach((map) => map.remove());
      maps = await Promise.all(sent.setup().map((item, k) => embedFigure(Bokeh, item, panels[k].canvas)));
      zoom(area);
      draw();
    } catch (error) {
      status.root.hidden = false;
      status.root.dataset.state = "error";
      status.root.querySelector(".srsm-status-text").textContent = String(error.message ?? error);
    }
  }

  const point = (where) => { cell = where; read(); if (where) ask(where); };
  const choose = (where) => set("pair", where);
  // Where the browser has rounded values and no thumbnails, the kernel is asked for the cell once the pointer rests.
  let timer = null;
  function ask([i, j]) {
    if (frame()?.exact && sent.thumbnails().length) return;
    clearTimeout(timer);
    timer = setTimeout(() => model.send({ kind: "value", i, j }), 120);
  }
  // A frame that was dropped to save memory is asked for once; one that is still to come, comes anyway.
  function askAgain() {
    const [layer, kernel] = [model.get("layer"), model.get("kernel")];
    if (asked === `${layer}\n${kernel}` || !maps || model.get("_status")?.state !== "ready") return;
    asked = `${layer}\n${kernel}`;
    model.send({ kind: "frame", layer, kernel });
  }
  for (const panel of panels) panel.listen({ point, choose, zoom, current: () => cell ?? model.get("pair") });

  for (const name of ["layer", "kernel", "pair", "baseline", "order", "excess", "colour_range", "_sequence", "_sequence_note"]) {
    events.on(`change:${name}`, () => { if (name === "layer" || name === "kernel") asked = ""; draw(); });
  }
  events.on("change:_status", () => { if (!frame()?.complete) draw(); });
  draw();

  return {
    setup: setUp,
    draw,
    thumbnails() {
      card.thumbnails(sent.thumbnails());
      panels.forEach((panel) => panel.thumbnails(sent.thumbnails(), images.map((image) => image.id)));
      read();
    },
    value(content, buffers) { card.late(content, buffers.map(jpegUrl)); read(); },
    stop() { clearTimeout(timer); events.stop(); if (maps) maps.forEach((map) => map.remove()); },
  };
}

// The line above the heatmaps; what is asked rarely stands under "More".
function rsmControls(model, set, { labelled, range }) {
  const slider = layerSlider(model.get("_layers"), (name) => set("layer", name));
  const order = h("select", { class: "srsm-select", "aria-label": "order of the images", onchange: () => set("order", order.value) },
    ...Object.entries(ORDER_WORDS).map(([key, words]) => h("option", { value: key, disabled: key === "label" && !labelled },
      key === "label" && !labelled ? "by label (no labels)" : words)));
  const orderNote = h("span", { class: "srsm-label" });
  const excess = h("input", { type: "checkbox", onchange: () => set("excess", excess.checked) });
  const kernel = segmented("kernel", model.get("_kernels").map((name) => [name, name]), model.get("kernel"), (name) => set("kernel", name));
  const lock = h("input", { type: "checkbox", onchange: () => set("colour_range", lock.checked ? range() : null) });
  const more = h("div", { class: "srsm-more", hidden: true },
    h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "kernel"), kernel.root),
    h("label", { class: "srsm-field" }, lock, "keep this colour range for all layers"),
    h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "matcher"), h("code", {}, model.get("_matcher"))),
    h("span", { class: "srsm-field srsm-dropped" }));
  const button = h("button", { class: "srsm-button", type: "button", "aria-expanded": "false", onclick: () => {
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
  } });
  const root = h("div", {},
    h("div", { class: "srsm-controls" }, slider.root,
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "order"), order, orderNote),
      h("label", { class: "srsm-field", title: "Subtract from semantic what unrelated tokens reach when they are matched as well as they can be." }, excess, "excess over unrelated"),
      button),
    more);
  return {
    root,
    update() {
      slider.set(model.get("layer"));
      kernel.set(model.get("kernel"));
      order.value = model.get("order");
      orderNote.textContent = model.get("_sequence_note");
      excess.checked = model.get("excess");
      lock.checked = model.get("colour_range") !== null;
      const unusual = [model.get("kernel") === "cosine" ? "" : model.get("kernel"), lock.checked ? "colours kept" : ""].filter(Boolean);
      button.textContent = ["More", ...unusual].join(" · ");
      const row = model.get("_layers").find((each) => each.name === model.get("layer"));
      more.lastChild.textContent = row?.prefix ? `${row.prefix} class or register token${row.prefix > 1 ? "s" : ""} of each image left out of the matching` : "";
    },
  };
}

// What the curves under the heatmaps are.
function pairLegend(labelled) {
  const swatch = (kind, words) => h("span", { class: "srsm-field" }, h("span", { class: `srsm-swatch srsm-swatch-${kind}` }), words);
  return h("span", { class: "srsm-legend" }, ...(labelled
    ? [swatch("same", "pairs with a label in common"), swatch("other", "other pairs")] : [swatch("other", "all pairs (these images have no labels)")]));
}
