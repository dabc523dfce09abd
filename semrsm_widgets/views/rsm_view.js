// RSMView: layer slider and kernel over two Bokeh heatmaps on one colour range; a cell is read by hovering or by the
// arrow keys and chosen by a click or Enter. Frames are kept, so that a layer seen before is drawn without the kernel.

const THUMBNAILS_ON_AXES = 40; // more would be specks

const MAPS = [
  ["aligned", "aligned", "same position"],
  ["semantic", "semantic", "best match"],
];

export default () => {
  const frames = new Map(); // "layer\nkernel" -> frame
  const views = new Set();
  let setup = null;

  return withPrivate({
    initialize({ model }) {
      model.on("msg:custom", (content, buffers) => {
        if (content.kind === "setup") {
          frames.clear();
          setup?.thumbnails.forEach((url) => URL.revokeObjectURL(url));
          setup = { items: content.items, thumbnails: buffers.map(jpegUrl) };
          views.forEach((view) => view.setup());
        } else if (content.kind === "frame") {
          frames.set(`${content.layer}\n${content.kernel}`, readFrame(content, buffers));
          views.forEach((view) => view.draw());
        } else if (content.kind === "undefined") {
          frames.set(`${content.layer}\n${content.kernel}`, { ...content, exact: [], complete: true });
          views.forEach((view) => view.draw());
        } else if (content.kind === "value") {
          views.forEach((view) => view.value(content, buffers));
        }
      });
      model.send({ kind: "ready" });
    },
    render({ model, el }) {
      const view = rsmView(model, el, frames, () => setup);
      views.add(view);
      if (setup) view.setup();
      return () => { views.delete(view); view.stop(); };
    },
  });
};

function readFrame(content, buffers) {
  const bytes = buffers.slice(0, 2).map((buffer) => asArray(buffer, Uint8Array));
  const exact = buffers.slice(2).map((buffer) => asArray(buffer, Float32Array));
  return { ...content, colours: { aligned: bytes[0], semantic: bytes[1] }, exact };
}

function rsmView(model, el, frames, getSetup) {
  const images = model.get("_images");
  const layers = model.get("_layers");
  const size = images.length;
  const events = listeners(model);
  let cell = null; // the cell under the pointer or the arrow keys; null: the chosen pair is read out
  let maps = null;
  let scheduled = false;

  const status = statusLine(model);
  events.add(status.stop);
  status.root.hidden = !model.get("_own_status"); // the explorer's header shows it

  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const slider = layerSlider(layers, (name) => set("layer", name));
  const kernel = segmented("kernel", model.get("_kernels").map((k) => [k, k]), model.get("kernel"), (k) => set("kernel", k));
  const panels = MAPS.map(([name, title, words]) => heatmapPanel(name, title, words, size));
  const bar = colourBar(model.get("_palette"));
  const card = readout(images);

  const root = h("div", { class: "srsm srsm-rsm", "data-ready": "false" },
    h("div", { class: "srsm-controls" }, slider.root, h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "kernel"), kernel.root)),
    h("div", { class: "srsm-rsm-body" },
      h("div", { class: "srsm-maps" }, ...panels.map((panel) => panel.root), bar.root),
      card.root),
    status.root);
  el.append(root);

  const nothing = new Uint8Array(size * size).fill(255);
  const frame = () => frames.get(`${model.get("layer")}\n${model.get("kernel")}`);

  function read() {
    const [i, j] = cell ?? model.get("pair");
    const shown = frame();
    card.show(i, j, shown, cell === null);
    for (const panel of panels) {
      panel.cursor(cell);
      panel.chosen(model.get("pair"));
      panel.describe(`${panel.title} RSM of ${model.get("layer")}, ${model.get("kernel")}. `
        + card.sentence(i, j, shown) + " Arrow keys move, Enter opens the pair.");
    }
    root.dataset.cell = cell ? cell.join(",") : "";
    root.dataset.pair = model.get("pair").join(",");
  }

  function draw() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      slider.set(model.get("layer"));
      kernel.set(model.get("kernel"));
      const shown = frame();
      root.dataset.waiting = String(!shown);
      bar.show(shown?.colours ? shown : null);
      if (maps && shown) {
        MAPS.forEach(([name], k) => maps[k].setImage(name, shown.colours?.[name] ?? nothing, size, size));
        panels[0].missing(shown.reason ? "not defined" : "");
        const coming = model.get("_status")?.state === "waiting" ? "not matched yet" : "matching …";
        panels[1].missing(shown.reason ? "not defined" : shown.complete ? "" : coming);
        root.dataset.undefined = String(Boolean(shown.reason));
        root.dataset.layer = shown.layer;
        root.dataset.kernel = shown.kernel;
        root.dataset.complete = String(shown.complete);
        root.dataset.ready = "true";
      }
      if (maps && !shown) { // never the old picture under a new name
        MAPS.forEach(([name], k) => maps[k].setImage(name, nothing, size, size));
        panels.forEach((panel) => panel.missing("computing …"));
      }
      read();
    });
  }

  async function setUp() {
    const { items, thumbnails } = getSetup();
    card.thumbnails(thumbnails);
    if (size <= THUMBNAILS_ON_AXES && thumbnails.length) panels.forEach((panel) => panel.thumbnails(thumbnails, images));
    try {
      const Bokeh = await loadBokeh(model);
      if (maps) maps.forEach((map) => map.remove());
      maps = await Promise.all(items.map((item, k) => embedFigure(Bokeh, item, panels[k].canvas)));
      draw();
    } catch (error) {
      status.root.dataset.state = "error";
      status.root.querySelector(".srsm-status-text").textContent = String(error.message ?? error);
    }
  }

  const point = (where) => { cell = where; read(); if (where) ask(where); };
  const choose = (where) => set("pair", where);
  // Where the browser has colours only, the kernel is asked for the cell once the pointer rests.
  let timer = null;
  function ask([i, j]) {
    const shown = frame();
    if (shown?.exact.length && getSetup()?.thumbnails.length) return;
    clearTimeout(timer);
    timer = setTimeout(() => model.send({ kind: "value", i, j }), 120);
  }
  for (const panel of panels) panel.listen({ point, choose, current: () => cell ?? model.get("pair") });

  for (const name of ["layer", "kernel", "pair"]) events.on(`change:${name}`, draw);
  events.on("change:_status", () => { if (!frame()?.complete) draw(); });
  draw();

  return {
    setup: setUp,
    draw,
    value(content, buffers) { card.late(content, buffers.map(jpegUrl)); read(); },
    stop() { events.stop(); if (maps) maps.forEach((map) => map.remove()); },
  };
}

// One heatmap with its title, thumbnails along both axes, and outlines for the cell that is read and the chosen pair.
function heatmapPanel(name, title, words, size) {
  const canvas = h("div", { class: "srsm-canvas" });
  const veil = h("div", { class: "srsm-veil" });
  const cursor = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const chosen = h("div", { class: "srsm-cell srsm-chosen", hidden: true });
  const surface = h("div", { class: "srsm-surface", tabindex: 0, role: "img", ...OWN_KEYS }, canvas, veil, chosen, cursor);
  const top = h("div", { class: "srsm-axis srsm-axis-top", "aria-hidden": "true" });
  const left = h("div", { class: "srsm-axis srsm-axis-left", "aria-hidden": "true" });
  const root = h("figure", { class: "srsm-map", "data-map": name },
    h("figcaption", {}, h("strong", {}, title), ` (${words})`), top, left, surface);

  const place = (node, where) => {
    node.hidden = where === null;
    if (where === null) return;
    const [row, column] = where;
    Object.assign(node.style, {
      left: `${(100 * column) / size}%`, top: `${(100 * row) / size}%`, width: `${100 / size}%`, height: `${100 / size}%`,
    });
  };

  return {
    root, canvas, title,
    cursor: (where) => place(cursor, where),
    chosen: (where) => place(chosen, where),
    missing(text) { veil.textContent = text; },
    describe(text) { surface.setAttribute("aria-label", text); },
    thumbnails(urls, images) {
      const strip = (axis) => axis.replaceChildren(...urls.map((url, k) => h("img", { src: url, alt: "", title: images[k].id })));
      strip(top);
      strip(left);
      root.dataset.thumbnails = "true";
    },
    listen({ point, choose, current }) {
      const cellAt = (event) => {
        const box = surface.getBoundingClientRect();
        const along = (position, start, length) => Math.min(size - 1, Math.max(0, Math.floor(((position - start) / length) * size)));
        return [along(event.clientY, box.top, box.height), along(event.clientX, box.left, box.width)];
      };
      let last = "";
      surface.addEventListener("pointermove", (event) => {
        const where = cellAt(event);
        if (String(where) !== last) { last = String(where); point(where); }
      });
      surface.addEventListener("pointerleave", () => { last = ""; point(null); });
      surface.addEventListener("click", (event) => choose(cellAt(event)));
      surface.addEventListener("blur", () => point(null));
      surface.addEventListener("keydown", (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (step) point(current().map((k, axis) => Math.min(size - 1, Math.max(0, k + step[axis]))));
        else if (event.key === "Enter" || event.key === " ") choose(current());
        else if (event.key === "Escape") point(null);
        else return;
        event.preventDefault();
        event.stopPropagation(); // the notebook would take them for its own
      });
    },
  };
}

// One colour bar for both heatmaps, with a mark at the level that unrelated tokens reach.
function colourBar(palette) {
  const low = h("span", { class: "srsm-number" });
  const high = h("span", { class: "srsm-number" });
  const mark = h("span", { class: "srsm-mark" });
  const words = h("span", { class: "srsm-mark-words" });
  const diagonal = h("span", { class: "srsm-mark-words srsm-off-scale" }, "the diagonal is off the scale");
  const strip = h("div", { class: "srsm-strip" }, mark, words, diagonal);
  strip.style.backgroundImage = `linear-gradient(to right, ${palette.join(",")})`;
  const root = h("div", { class: "srsm-colourbar" }, low, strip, high);
  return {
    root,
    show(frame) {
      root.style.visibility = frame ? "visible" : "hidden";
      if (!frame) return;
      low.textContent = format(frame.low);
      high.textContent = format(frame.high);
      const at = frame.null ? (frame.null.mean - frame.low) / (frame.high - frame.low) : -1;
      mark.hidden = words.hidden = !(at >= 0 && at <= 1);
      mark.style.left = words.style.left = `${100 * at}%`;
      words.dataset.side = at > 0.5 ? "left" : "right";
      diagonal.hidden = at > 0.65 || frame.off_scale === false;
      if (frame.null) words.textContent = `unrelated tokens reach ${format(frame.null.mean)}`;
      root.title = `Both heatmaps share this colour range. The diagonal is left out of it.`
        + (frame.sigma ? ` RBF: σ = ${format(frame.sigma, 3)}, shared by all.` : "");
    },
  };
}

// The two images of a cell, and every similarity of theirs on one scale.
function readout(images) {
  const names = ["aligned", "semantic", "pooled", "unrelated"];
  const words = { aligned: "same position", semantic: "best match", pooled: "mean token", unrelated: "tokens, best match" };
  const pictures = [h("img", { alt: "" }), h("img", { alt: "" })];
  const captions = [h("figcaption"), h("figcaption")];
  const rows = new Map(names.map((name) => [name, {
    bar: h("span", { class: "srsm-bar", "aria-hidden": "true" }, h("span")), value: h("span", { class: "srsm-number" }),
  }]));
  const note = h("p", { class: "srsm-note" });
  const hint = h("p", { class: "srsm-hint" });
  const table = h("div", { class: "srsm-values" });
  for (const [name, row] of rows) {
    table.append(h("span", { class: "srsm-name", title: words[name] }, name, h("small", {}, words[name])), row.bar, row.value);
  }
  const root = h("aside", { class: "srsm-card" },
    h("div", { class: "srsm-card-pair" }, ...pictures.map((picture, k) => h("figure", {}, picture, captions[k]))), table, note, hint);
  let urls = [];
  let late = null;

  const values = (i, j, frame) => {
    if (frame?.exact.length) return frame.exact.map((matrix) => matrix[i * images.length + j]);
    const fits = late?.values && late.i === i && late.j === j && late.layer === frame?.layer && late.kernel === frame?.kernel;
    return fits ? late.values.map((value) => value ?? Infinity) : null;
  };
  return {
    root,
    thumbnails(list) { urls = list; },
    late(content, pair) {
      late?.pair.forEach((url) => URL.revokeObjectURL(url));
      late = { ...content, pair };
    },
    sentence(i, j, frame) {
      const known = values(i, j, frame);
      const pair = `${images[i].id} and ${images[j].id}`;
      return known ? `${pair}: aligned ${format(known[0])}, semantic ${format(known[1])}, pooled ${format(known[3])}.` : `${pair}.`;
    },
    show(i, j, frame, chosen) {
      [i, j].forEach((k, side) => {
        const own = late && late.i === i && late.j === j ? late.pair[side] : null;
        const url = urls[k] ?? own;
        if (url) pictures[side].src = url;
        pictures[side].style.visibility = url ? "visible" : "hidden";
        captions[side].textContent = images[k].id;
        captions[side].title = [images[k].id, ...images[k].labels].join(" · ");
      });
      const known = values(i, j, frame);
      const [aligned, semantic, upper, pooled] = known ?? [NaN, NaN, NaN, NaN];
      const unrelated = frame?.null?.mean ?? NaN;
      const all = { aligned, semantic, pooled, unrelated };
      const scale = Math.max(1e-12, ...Object.values(all).filter(Number.isFinite).map(Math.abs), Math.abs(frame?.high ?? 0));
      for (const [name, row] of rows) {
        row.value.textContent = format(all[name]);
        row.bar.dataset.name = name;
        row.bar.dataset.negative = all[name] < 0;
        row.bar.firstChild.style.width = `${Number.isFinite(all[name]) ? (100 * Math.abs(all[name])) / scale : 0}%`;
      }
      const gap = upper - semantic;
      note.textContent = frame?.reason ? `${frame.kernel} is not defined here: ${frame.reason}` : i === j ? "One image with itself: the diagonal."
        : Number.isFinite(gap) ? `The best match is within ${atMost(gap)} of ${format(semantic, 4)}: certified.`
        : Number.isFinite(semantic) ? "No certificate: the matcher is an approximation." : "";
      hint.textContent = chosen ? "Point at a cell to read it; click it to see the two images." : "Click to see which patches match.";
      root.dataset.semantic = Number.isFinite(semantic) ? String(semantic) : "";
      root.dataset.aligned = Number.isFinite(aligned) ? String(aligned) : "";
    },
  };
}
