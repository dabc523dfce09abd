// TransformLab: a picture, the same picture moved about, and what the three similarities make of it while sliders move.

const SHIFT_STEPS = 28; // of the picture's side: half patches on a 14 x 14 grid

export default () => {
  const views = new Set();
  const last = { pictures: null, matches: null };

  return withPrivate({
    initialize({ model }) {
      model.on("msg:custom", (content, buffers) => {
        if (content.kind === "pictures") {
          last.pictures?.urls.forEach((url) => URL.revokeObjectURL(url));
          last.pictures = { ...content, urls: buffers.map(jpegUrl) };
          views.forEach((view) => view.pictures(last.pictures));
        } else if (content.kind === "matches") {
          last.matches = { ...content, permutation: asArray(buffers[0], Int32Array) };
          views.forEach((view) => view.matches(last.matches));
        }
      });
      model.send({ kind: "ready" });
    },
    render({ model, el }) {
      const view = transformLab(model, el);
      views.add(view);
      if (last.pictures) view.pictures(last.pictures);
      if (last.matches) view.matches(last.matches);
      return () => { views.delete(view); view.stop(); };
    },
  });
};

function transformLab(model, el) {
  const events = listeners(model);
  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const status = statusLine(model);
  events.add(status.stop);
  let matches = null;
  let token = -1; // of the original, under the pointer or the arrow keys

  const name = h("span", { class: "srsm-title" });
  const layerPlace = h("span", { class: "srsm-layers srsm-field" });
  let slider = null;
  const choose = h("select", { class: "srsm-choose", "aria-label": "picture" });
  choose.addEventListener("change", () => set("index", Number(choose.value)));

  const before = labPicture("original");
  const after = labPicture("moved");
  const back = labCanvas("the moved picture’s patches, put where their partners are");
  const numbers = labNumbers();
  const knobs = labKnobs(model, set);
  const chart = shiftChart();
  const line = h("p", { class: "srsm-token-line", "aria-live": "polite" });
  const root = h("div", { class: "srsm srsm-lab", "data-ready": "false" },
    h("div", { class: "srsm-head" }, name, status.root),
    h("div", { class: "srsm-controls" }, layerPlace,
      h("span", { class: "srsm-field", hidden: model.get("_images").length < 2 }, h("span", { class: "srsm-label" }, "picture"), choose)),
    h("div", { class: "srsm-lab-body" },
      h("div", { class: "srsm-lab-pictures" }, before.root, after.root, back.root), numbers.root),
    line,
    h("div", { class: "srsm-lab-body srsm-lab-foot" }, knobs.root, chart.root));
  el.append(root);

  function showLayers() {
    const layers = model.get("_layers");
    if (!layers.length) { layerPlace.textContent = "loading the model …"; return; }
    slider = layerSlider(layers, (layer) => set("layer", layer));
    layerPlace.replaceChildren(slider.root);
    slider.set(model.get("layer"));
  }

  function showSetting() {
    slider?.set(model.get("layer"));
    choose.value = model.get("index");
    knobs.show(matches?.grid);
    showAge();
  }

  // Never the numbers of one setting beside the sliders of another: they are dimmed until the new ones are there.
  function showAge() {
    const same = matches && matches.layer === model.get("layer") && matches.index === model.get("index")
      && Object.entries(matches.setting).every(([name, value]) => String(value) === String(model.get(name)));
    root.dataset.stale = String(!same);
  }

  function focus(next) {
    token = next;
    const grid = matches?.grid;
    const partner = grid && token >= 0 && token < matches.permutation.length ? matches.permutation[token] : -1;
    before.mark(partner < 0 ? -1 : token, grid);
    back.mark(partner < 0 ? -1 : token, grid);
    after.mark(partner, grid);
    root.dataset.token = token;
    root.dataset.partner = partner;
    if (!grid) { line.textContent = matches ? "The tokens of this layer have no known place, so no patch is drawn." : ""; return; }
    const at = (k) => `${Math.floor(k / grid[1])},${k % grid[1]}`;
    const share = matches.same_position;
    line.textContent = partner >= 0 ? `patch ${at(token)} of the original is matched with patch ${at(partner)} of the moved picture`
      : `${share === null ? "" : `${Math.round(100 * share)} % of patches match the same position. `}Point at a patch to see its partner.`;
  }

  before.listen({
    grid: () => matches?.grid,
    point: (next) => { if (next !== token) focus(next); },
    current: () => token,
  });

  function offer() {
    choose.replaceChildren(...model.get("_images").map((row, k) => h("option", { value: k }, row.id)));
    name.replaceChildren("Transform lab", h("small", {}, model.get("_model_title") ? ` · ${model.get("_model_title")}` : ""));
  }

  for (const each of ["layer", "index", "shift", "flip", "zoom", "tiles", "seed", "border"]) events.on(`change:${each}`, showSetting);
  events.on("change:_layers", () => { showLayers(); showSetting(); });
  events.on("change:_model_title", offer);
  events.on("change:_images", () => { offer(); showSetting(); });
  offer();
  showLayers();
  showSetting();

  return {
    async pictures({ urls, index }) {
      const words = model.get("_images")[index].id;
      await Promise.all([before.show(urls[0], words), after.show(urls[1], `${words}, moved`)]);
      root.dataset.pictured = String(Number(root.dataset.pictured ?? 0) + 1);
      if (matches) back.draw(after.picture, matches);
    },
    matches(next) {
      matches = next;
      numbers.show(matches);
      chart.show(matches);
      back.draw(after.picture, matches);
      knobs.show(matches.grid);
      showAge();
      focus(token);
      root.dataset.layer = matches.layer;
      root.dataset.shift = matches.setting.shift.join(",");
      root.dataset.tiles = matches.setting.tiles;
      root.dataset.seed = matches.setting.seed;
      for (const [kind] of SIMILARITIES) root.dataset[kind] = matches[kind] ?? "";
      root.dataset.null = matches.null ? matches.null.mean : "";
      root.dataset.ready = "true";
    },
    stop() { events.stop(); },
  };
}

function gridMark(node, token, grid) {
  node.hidden = token < 0 || !grid;
  if (node.hidden) return;
  const [rows, columns] = grid;
  Object.assign(node.style, {
    left: `${(100 * (token % columns)) / columns}%`, top: `${(100 * Math.floor(token / columns)) / rows}%`,
    width: `${100 / columns}%`, height: `${100 / rows}%`,
  });
}

function labPicture(title) {
  const picture = h("img", { alt: "", draggable: "false" });
  const mark = h("div", { class: "srsm-cell srsm-cursor srsm-lab-mark", hidden: true });
  const frame = h("div", { class: "srsm-picture" }, picture, mark);
  const root = h("figure", { class: "srsm-side" }, h("figcaption", {}, title), frame);
  return {
    root, picture,
    mark: (token, grid) => gridMark(mark, token, grid),
    async show(url, words) {
      picture.src = url;
      picture.alt = words;
      await picture.decode().catch(() => {});
    },
    listen({ grid, point, current }) {
      frame.tabIndex = 0;
      frame.setAttribute("role", "img");
      frame.setAttribute("data-lm-suppress-shortcuts", "true");
      frame.setAttribute("aria-label", `${title} picture. Arrow keys move from patch to patch, Escape leaves.`);
      const leave = () => point(-1);
      frame.addEventListener("pointermove", (event) => {
        if (!grid()) return;
        const [rows, columns] = grid();
        const box = picture.getBoundingClientRect();
        const along = (position, start, length, count) => Math.min(count - 1, Math.max(0, Math.floor(((position - start) / length) * count)));
        point(along(event.clientY, box.top, box.height, rows) * columns + along(event.clientX, box.left, box.width, columns));
      });
      frame.addEventListener("pointerleave", leave);
      frame.addEventListener("blur", leave);
      frame.addEventListener("keydown", (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (event.key === "Escape") leave();
        else if (step && grid()) {
          const [rows, columns] = grid();
          const from = Math.max(0, current());
          const row = Math.min(rows - 1, Math.max(0, Math.floor(from / columns) + step[0]));
          const column = Math.min(columns - 1, Math.max(0, (from % columns) + step[1]));
          point(current() < 0 ? 0 : row * columns + column);
        } else return;
        event.preventDefault();
        event.stopPropagation(); // the notebook would take them for its own
      });
    },
  };
}

function labCanvas(title) {
  const canvas = h("canvas", { width: 1, height: 1, role: "img" });
  const mark = h("div", { class: "srsm-cell srsm-cursor srsm-lab-mark", hidden: true });
  const root = h("figure", { class: "srsm-side" }, h("figcaption", { title }, title), h("div", { class: "srsm-picture" }, canvas, mark));
  return {
    root,
    mark: (token, grid) => gridMark(mark, token, grid),
    draw(picture, { grid, permutation, same_position: share }) {
      root.hidden = !grid;
      if (!grid || !picture.naturalWidth) return;
      const [rows, columns] = grid;
      canvas.width = picture.naturalWidth;
      canvas.height = picture.naturalHeight;
      const [width, height] = [canvas.width / columns, canvas.height / rows];
      const context = canvas.getContext("2d");
      permutation.forEach((partner, token) => {
        if (partner < 0) return;
        context.drawImage(picture, (partner % columns) * width, Math.floor(partner / columns) * height, width, height,
          (token % columns) * width, Math.floor(token / columns) * height, width, height);
      });
      canvas.setAttribute("aria-label", `The moved picture with each patch put where its partner is in the original; `
        + `${Math.round(100 * (share ?? 0))} % of them stay where they are.`);
    },
  };
}

// The three similarities as bars; beside the semantic one a mark at what unrelated tokens reach.
function labNumbers() {
  const mark = h("span", { class: "srsm-lab-null", hidden: true });
  const rows = new Map(SIMILARITIES.map(([name, words]) => [name, {
    name: h("span", { class: "srsm-name" }, name, h("small", {}, words)),
    bar: h("span", { class: "srsm-bar", "aria-hidden": "true", "data-name": name }, h("span"), name === "semantic" ? mark : null),
    value: h("span", { class: "srsm-number" }),
  }]));
  const table = h("div", { class: "srsm-values" });
  for (const row of rows.values()) table.append(row.name, row.bar, row.value);
  const note = h("p", { class: "srsm-note" });
  const words = h("p", { class: "srsm-hidden", "aria-live": "polite" });
  const root = h("aside", { class: "srsm-card srsm-lab-numbers" }, h("p", { class: "srsm-label" }, "cosine of original and moved"), table, note, words);
  return {
    root,
    show(matches) {
      for (const [name, row] of rows) {
        const value = matches[name];
        row.value.textContent = format(value);
        row.bar.dataset.negative = String(value < 0);
        row.bar.firstChild.style.width = `${100 * Math.min(1, Math.abs(value ?? 0))}%`;
      }
      const level = matches.null;
      mark.hidden = !level;
      if (level) mark.style.left = `${100 * Math.min(1, Math.max(0, level.mean))}%`;
      note.textContent = level ? `Unrelated tokens reach ${format(level.mean)} under their best match: read semantic from there.` : "What unrelated tokens reach is being sampled …";
      note.title = level ? `Mean of ${level.n} pairs of different pictures, the channels of one shuffled.` : "";
      words.textContent = `${SIMILARITIES.map(([name]) => `${name} ${format(matches[name])}`).join(", ")}${level ? `, unrelated ${format(level.mean)}` : ""}`;
    },
  };
}

// The sliders. Each says in words what it does, in patches where there are some.
function labKnobs(model, set) {
  const limits = model.get("_limits");
  const range = (label, min, max, step, change) => {
    const input = h("input", { type: "range", class: "srsm-slider", min, max, step, "aria-label": label, ...OWN_KEYS });
    const words = h("output", { class: "srsm-knob-words" });
    input.addEventListener("input", () => change(Number(input.value)));
    return { input, words, cells: [h("span", { class: "srsm-label" }, label), input, words] };
  };
  const most = Math.round(limits.shift * SHIFT_STEPS);
  const move = (axis) => (steps) => { const shift = [...model.get("shift")]; shift[axis] = steps / SHIFT_STEPS; set("shift", shift); };
  const across = range("shift across", -most, most, 1, move(0));
  const down = range("shift down", -most, most, 1, move(1));
  const zoom = range("zoom", limits.least_zoom, limits.most_zoom, 0.05, (value) => set("zoom", value));
  const tiles = range("tiles", 1, limits.tiles, 1, (value) => set("tiles", value));
  const again = h("button", { class: "srsm-button", type: "button", onclick: () => set("seed", model.get("seed") + 1) }, "Shuffle again");
  const flip = h("input", { type: "checkbox" });
  flip.addEventListener("change", () => set("flip", flip.checked));
  const border = h("select", { class: "srsm-choose", "aria-label": "beyond the picture’s edge" }, ...model.get("_borders").map((words) => h("option", { value: words }, words)));
  border.addEventListener("change", () => set("border", border.value));
  const reset = h("button", { class: "srsm-button", type: "button", onclick() {
    for (const [name, value] of Object.entries({ shift: [0, 0], flip: false, zoom: 1, tiles: 1 })) model.set(name, value);
    model.save_changes();
  } }, "Reset");
  const root = h("div", { class: "srsm-knobs" },
    ...across.cells, ...down.cells, ...zoom.cells, ...tiles.cells.slice(0, 2), h("span", { class: "srsm-knob-tiles" }, tiles.words, again),
    h("div", { class: "srsm-knob-row" },
      h("label", { class: "srsm-field" }, flip, "mirror left and right"),
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "beyond the edge"), border), reset));

  const patches = (part, grid, axis, forth, back) => {
    if (Math.abs(part) < 1e-9) return "none";
    const way = part > 0 ? forth : back;
    const percent = `${Math.round(100 * Math.abs(part))} % ${way}`;
    const count = grid ? Math.abs(part) * grid[axis] : 0;
    return grid ? `${percent} · ${Number(count.toFixed(1))} patch${count === 1 ? "" : "es"}` : percent;
  };
  return {
    root,
    show(grid) {
      const [dx, dy] = model.get("shift");
      across.input.value = dx * SHIFT_STEPS;
      down.input.value = dy * SHIFT_STEPS;
      across.words.textContent = patches(dx, grid, 1, "right", "left");
      down.words.textContent = patches(dy, grid, 0, "down", "up");
      zoom.input.value = model.get("zoom");
      const scale = model.get("zoom");
      zoom.words.textContent = Math.abs(scale - 1) < 1e-9 ? "none" : `${scale.toFixed(2)}× · ${scale > 1 ? "centre cropped" : "shrunk"}`;
      tiles.input.value = model.get("tiles");
      const count = model.get("tiles");
      tiles.words.textContent = count === 1 ? "whole" : `${count} × ${count} shuffled`;
      for (const knob of [across, down, zoom, tiles]) knob.input.setAttribute("aria-valuetext", knob.words.textContent);
      again.disabled = count === 1;
      flip.checked = model.get("flip");
      border.value = model.get("border");
    },
  };
}
