// CompareView: the layer x layer map with its read-out, and for an opened cell both RSMs, their difference and the pairs
// of images that changed most. The two PairViews below are widgets of their own.

const KINDS = [["aligned", "same position"], ["semantic", "best match"], ["pooled", "mean token"]];
const LETTERS = ["A", "B"];

export default () => {
  const views = new Set();
  const state = { setup: null, cells: new Map(), detail: null, late: null }; // cells: kernel -> Map of "a\nb\nsimilarity"

  return withPrivate({
    initialize({ model }) {
      model.on("msg:custom", (content, buffers) => {
        if (content.kind === "setup") {
          state.setup?.thumbnails.forEach((url) => URL.revokeObjectURL(url));
          state.setup = { palettes: content.palettes, thumbnails: buffers.map(jpegUrl) };
          views.forEach((view) => { view.map(); view.detail(); });
        } else if (content.kind === "cells") {
          const cells = content.fresh ? new Map() : state.cells.get(content.kernel) ?? new Map();
          const layers = model.get("_sides").map((side) => side.layers);
          for (const row of content.cells) {
            const cell = readCell(row, layers, content.n);
            cells.set(`${cell.layer_a}\n${cell.layer_b}\n${cell.similarity}`, cell);
          }
          cells.complete = content.complete;
          state.cells.set(content.kernel, cells);
          views.forEach((view) => view.map());
        } else if (content.kind === "detail") {
          state.detail?.own.forEach((url) => URL.revokeObjectURL(url));
          state.detail = readDetail(content, buffers, model.get("_images").length);
          views.forEach((view) => view.detail());
        } else if (content.kind === "value") {
          state.late = content;
          views.forEach((view) => view.read());
        }
      });
      model.send({ kind: "ready" });
    },
    render({ model, el }) {
      const view = compareView(model, el, state);
      views.add(view);
      return () => { views.delete(view); view.stop(); };
    },
  });
};

// The order is that of _send_cells and _cell_facts in _layer_map.py.
function readCell([row, column, kind, value, low, high, lowestA, lowestB, reason], layers, n) {
  return {
    layer_a: layers[0][row].name, layer_b: layers[1][column].name, similarity: KINDS[kind][0],
    value, low, high, smallest_eigenvalue_a: lowestA, smallest_eigenvalue_b: lowestB, reason, n,
  };
}

// The order of the buffers is that of detail_message in _cell_detail.py.
function readDetail(content, buffers, size) {
  const own = content.thumbnails ?? [];
  const count = buffers.length - own.length;
  const urls = buffers.slice(count).map(jpegUrl);
  const maps = content.limit === undefined ? 2 : 5;
  const at = (k, Type) => (k < count ? asArray(buffers[k], Type) : null);
  const colours = Array.from({ length: Math.min(maps, count) }, (_, k) => at(k, Uint8Array));
  return {
    ...content, size, colours, own: urls, ownThumbnails: new Map(own.map((k, place) => [k, urls[place]])),
    values: [at(maps, Float32Array), at(maps + 1, Float32Array)],
    standard: maps === 5 ? [at(maps + 2, Float32Array), at(maps + 3, Float32Array)] : [null, null],
    ranks: maps === 5 ? [at(maps + 4, Int32Array), at(maps + 5, Int32Array)] : [null, null],
  };
}

function compareView(model, el, state) {
  const sides = model.get("_sides");
  const events = listeners(model);
  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const status = statusLine(model);
  events.add(status.stop);
  let pointed = null; // the cell of the map under the pointer

  const similarity = segmented("similarity", KINDS.map(([name]) => [name, name]), model.get("similarity"), (name) => set("similarity", name));
  const card = cellCard(sides);
  const grid = layerGrid(sides, {
    point(where) { if (String(where) !== String(pointed)) { pointed = where; readCell(); } },
    choose(where) { set("cell", where && grid.names(where)); },
  });
  const bar = mapBar();
  const detail = cellDetail(model, state, { close: () => set("cell", null), pair: (pair) => set("pair", pair) });
  const title = h("p", { class: "srsm-compare-title" });
  const root = h("div", { class: "srsm srsm-comparison", "data-ready": "false" },
    h("div", { class: "srsm-head" }, title, status.root),
    h("div", { class: "srsm-controls" }, h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "RSMs"), similarity.root),
      h("span", { class: "srsm-label srsm-kind" })),
    h("div", { class: "srsm-compare-body" },
      h("div", { class: "srsm-compare-map" },
        h("p", { class: "srsm-axis-words" }, h("span", {}, h("strong", {}, "A"), ` ${sides[0].name} ↓`), h("span", {}, h("strong", {}, "B"), ` ${sides[1].name} →`)),
        grid.root, bar.root),
      card.root),
    detail.root);
  el.append(root);
  title.append(h("span", { class: "srsm-label" }, "model "), h("strong", {}, "A"), ` ${sides[0].name} `,
    h("span", { class: "srsm-label" }, "against model "), h("strong", {}, "B"),
    ` ${sides[1].name}`, h("small", { class: "srsm-label" }, ` · ${model.get("_images").length} images`));

  const cells = () => state.cells.get(model.get("kernel"));
  const find = (kind) => (a, b) => cells()?.get(`${a}\n${b}\n${kind}`);

  function readCell() {
    const where = pointed ?? grid.place(model.get("cell"));
    const names = where && grid.names(where);
    card.show(names, names && Object.fromEntries(KINDS.map(([kind]) => [kind, find(kind)(...names)])), model.get("similarity"), pointed === null);
    root.dataset.pointed = pointed && names ? names.join(" ") : "";
  }

  function drawMap() {
    const kind = model.get("similarity");
    const palettes = state.setup?.palettes;
    similarity.set(kind);
    root.querySelector(".srsm-kind").textContent = `${KINDS.find(([name]) => name === kind)[1]} · ${model.get("kernel")} kernel`;
    grid.show(find(kind), palettes?.map);
    grid.describe(`CKA of the ${kind} RSMs of ${sides[0].name}, down, and ${sides[1].name}, across. Arrow keys move, Enter opens, Escape closes.`);
    bar.show(palettes?.map, [...(cells()?.values() ?? [])].filter((cell) => cell.similarity === kind));
    grid.chosen(grid.place(model.get("cell")));
    root.dataset.similarity = kind;
    root.dataset.kernel = model.get("kernel");
    root.dataset.complete = String(Boolean(cells()?.complete));
    root.dataset.ready = String(Boolean(palettes && cells()?.size));
    readCell();
  }

  for (const name of ["similarity", "kernel", "cell"]) events.on(`change:${name}`, () => { drawMap(); detail.show(); });
  events.on("change:pair", () => detail.read());
  drawMap();
  detail.show();
  return { map: drawMap, detail: detail.show, read: detail.read, stop: () => events.stop() };
}

// The fixed colour range, and what the marks on cells mean; only marks that occur are explained.
function mapBar() {
  const strip = h("span", { class: "srsm-strip" });
  const scale = h("span", { class: "srsm-map-scale" }, h("span", { class: "srsm-number" }, "0"), strip, h("span", { class: "srsm-number" }, "1"));
  const key = (look, words) => h("span", { class: "srsm-key" }, h("span", { class: `srsm-key-swatch ${look}` }), words);
  const negative = key("srsm-swatch-negative", "below 0");
  const uncertain = key("srsm-swatch-uncertain", "interval holds 0: not certain");
  const missing = key("srsm-swatch-undefined", "not defined");
  const root = h("div", { class: "srsm-map-bar" }, h("span", { class: "srsm-label" }, "CKA"), scale, negative, uncertain, missing);
  return {
    root,
    show(palette, cells) {
      if (palette) strip.style.backgroundImage = `linear-gradient(to right, ${palette.join(",")})`;
      negative.hidden = !cells.some((cell) => cell.value !== null && cell.value < 0);
      uncertain.hidden = !cells.some(isUncertain);
      missing.hidden = !cells.some((cell) => cell.value === null);
    },
  };
}

// The two layers of a cell, and the CKA of all three similarities with their intervals.
function cellCard(sides) {
  const heads = LETTERS.map((letter) => h("p", { class: "srsm-card-layer" }, h("strong", { class: "srsm-letter" }, letter), " ", h("span")));
  const rows = new Map(KINDS.map(([kind, words]) => {
    const mean = h("span", { class: "srsm-whisker-value" });
    const whisker = h("span", { class: "srsm-whisker-line" });
    return [kind, {
      name: h("span", { class: "srsm-name" }, kind, h("small", {}, words)), whisker, mean,
      bar: h("span", { class: "srsm-whisker", "aria-hidden": "true", "data-name": kind }, whisker, mean),
      value: h("span", { class: "srsm-number" }), ends: h("small", { class: "srsm-label" }),
    }];
  }));
  const table = h("div", { class: "srsm-values srsm-cka" });
  for (const row of rows.values()) table.append(row.name, row.bar, h("span", { class: "srsm-cka-value" }, row.value, row.ends));
  const note = h("p", { class: "srsm-note" });
  const hint = h("p", { class: "srsm-hint" });
  const root = h("aside", { class: "srsm-card srsm-cell-card" }, h("p", { class: "srsm-card-title" }), ...heads, table, note, hint);
  const percent = (value) => 100 * Math.min(1, Math.max(0, value));
  return {
    root,
    show(names, cells, shown, chosen) {
      heads.forEach((node, side) => {
        const layer = names && sides[side].layers.find((each) => each.name === names[side]);
        const words = node.querySelector("span");
        if (layer) words.replaceChildren(h("b", {}, layer.name), ` · ${layerShape(layer)}`);
        node.hidden = !layer;
      });
      table.hidden = !names;
      for (const [kind, row] of rows) {
        const cell = cells?.[kind];
        const known = cell && cell.value !== null;
        row.value.textContent = known ? format(cell.value) : cell ? "n/a" : "…";
        row.ends.textContent = known && cell.low !== null ? `${format(cell.low)} to ${format(cell.high)}` : known ? "no interval" : "";
        row.mean.hidden = !known;
        row.whisker.hidden = !known || cell.low === null;
        if (known) row.mean.style.left = `${percent(cell.value)}%`;
        if (known && cell.low !== null) {
          row.whisker.style.left = `${percent(cell.low)}%`;
          row.whisker.style.width = `${percent(cell.high) - percent(cell.low)}%`;
        }
        for (const node of [row.name, row.bar]) node.dataset.shown = kind === shown;
      }
      const cell = cells?.[shown];
      note.textContent = !cell ? "" : cell.value === null ? `Not defined: ${cell.reason}` : [
        `95 % intervals leave out one of ${cell.n} images at a time.`,
        isUncertain(cell) ? "This one holds 0: it is not certain that the two are related." : "",
        spectrumWords(cell),
      ].filter(Boolean).join(" ");
      hint.textContent = !names ? "Each cell compares a layer of A with a layer of B: 1 where they find the same images alike, about 0 where they are unrelated. Point at one to read it; click it to see what differs."
        : chosen ? "Opened below." : "Click to see which pairs of images differ.";
      root.dataset.value = cell && cell.value !== null ? cell.value : "";
    },
  };
}

// The matched RSM need not be positive semi-definite; CKA then is a plain cosine of the centred RSMs.
function spectrumWords(cell) {
  const low = [["A", cell.smallest_eigenvalue_a], ["B", cell.smallest_eigenvalue_b]].filter(([, value]) => value !== null && value < -1e-6);
  if (!low.length) return "";
  const parts = low.map(([letter, value]) => `${letter}’s smallest eigenvalue is ${format(value, 3)} of its largest`);
  return `${parts.join(", ")}: no Gram matrix, so this is a cosine of centred RSMs.`;
}

// What an opened cell shows.
function cellDetail(model, state, { close, pair: choosePair }) {
  const images = model.get("_images");
  const size = images.length;
  const names = model.get("_sides").map((side) => side.name);
  const title = h("h3");
  const scale = segmented("scale of the RSMs", [["standard", "as CKA compares them"], ["values", "as they are"]], "standard", (key) => { shownScale = key; draw(); });
  const maps = ["a", "b", "difference"].map((name) => heatmapCanvas(name, size));
  const explain = h("p", { class: "srsm-detail-words" });
  const line = h("p", { class: "srsm-pair-line", "aria-live": "polite" });
  const lists = LETTERS.map((letter) => h("ol", { class: "srsm-changes", "data-side": letter, "aria-label": `pairs more alike in ${letter}` }));
  const headings = LETTERS.map((letter) => h("h4", {}, h("span", { class: `srsm-key-swatch srsm-swatch-${letter}` }), `More alike in ${letter}`, h("small", { class: "srsm-label" }, "A − B in sd")));
  const body = h("div", {}, h("div", { class: "srsm-heatmaps" }, ...maps.map((map) => map.root)), line,
    h("div", { class: "srsm-change-lists" }, ...LETTERS.map((_, k) => h("div", {}, headings[k], lists[k]))));
  const waiting = h("p", { class: "srsm-empty" });
  const root = h("section", { class: "srsm-detail", hidden: true, "data-ready": "false" },
    h("div", { class: "srsm-detail-head" }, title, scale.root,
      h("button", { class: "srsm-button", type: "button", onclick: close, "aria-label": "close this cell" }, "Close")),
    explain, waiting, body);
  let shownScale = "standard";
  let pointed = null;

  const current = () => {
    const shown = state.detail;
    const cell = model.get("cell");
    return shown && cell && String(shown.cell) === String(cell) && shown.similarity === model.get("similarity")
      && shown.kernel === model.get("kernel") ? shown : null;
  };
  const thumbnail = (k) => state.setup?.thumbnails[k] ?? state.detail?.ownThumbnails.get(k);

  function pairWords(shown, [i, j]) {
    const who = `${images[i].id} and ${images[j].id}`;
    if (i === j) return `${images[i].id} with itself: the diagonal, which CKA leaves out.`;
    const late = state.late && state.late.i === i && state.late.j === j ? state.late.values : null;
    const at = (arrays, side, place) => (arrays[side] ? arrays[side][i * size + j] : late?.[place]);
    const part = (side) => {
      const value = at(shown.values, side, side);
      if (value === undefined) return `${LETTERS[side]} …`;
      const standard = at(shown.standard, side, 2 + side);
      const rank = shown.ranks[side] ? `, rank ${shown.ranks[side][i * size + j]} of ${shown.pairs}` : "";
      const level = shown.nulls ? `, unrelated ${format(shown.nulls[side])}` : "";
      return `${LETTERS[side]} ${format(value)}${rank}${level}${standard === undefined ? "" : `, ${signed(standard)} sd`}`;
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
    root.querySelectorAll(".srsm-change").forEach((node) => {
      node.setAttribute("aria-pressed", String(node.dataset.pair === model.get("pair").join(",")));
    });
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
    title.replaceChildren(h("strong", {}, "A"), ` ${model.get("cell")[0]} `, h("span", { class: "srsm-label" }, "against"), " ",
      h("strong", {}, "B"), ` ${model.get("cell")[1]}`);
    if (!shown) return;
    const comparable = shown.limit !== undefined;
    const standard = comparable && shownScale === "standard";
    scale.root.hidden = !comparable;
    explain.textContent = !comparable ? `There is no difference to show: ${shown.reason}`
      : standard ? `Levels of two layers are not comparable. As CKA compares them: each image’s level taken out, the rest in standard deviations (sd); CKA ${format(shown.cka)} = 1 − half the mean squared difference.`
        : "As they are: the two ranges differ, and levels of two layers are not comparable. The difference stays as CKA compares them.";
    const palettes = state.setup?.palettes;
    if (!palettes) return;
    body.querySelector(".srsm-change-lists").hidden = maps[2].root.hidden = !comparable;
    [0, 1].forEach((side) => {
      maps[side].caption(`${LETTERS[side]} ${shown.cell[side]}`, ` · ${names[side]}`);
      const [low, high] = standard ? shown.span : shown.ranges?.[side] ?? [NaN, NaN];
      maps[side].draw(shown.colours[standard ? 2 + side : side], palettes.values, [format(low), format(high)]);
    });
    if (comparable) {
      maps[2].caption("A − B", " · in sd, purple more alike in A");
      maps[2].draw(shown.colours[4], palettes.difference, [format(-shown.limit, 1), format(shown.limit, 1)]);
      [shown.more_a, shown.more_b].forEach((changes, side) => {
        lists[side].replaceChildren(...changes.map((change) => changeRow(change, shown, side)));
      });
    }
    read();
  }

  function changeRow(change, shown, side) {
    const [i, j] = change.pair;
    const picture = (k) => (thumbnail(k) ? h("img", { src: thumbnail(k), alt: "" }) : null);
    const bar = h("span", { class: "srsm-change-bar", "data-side": LETTERS[side] });
    bar.style.width = `${(100 * Math.abs(change.a - change.b)) / shown.limit}%`;
    const words = `rank ${change.rank_a} in A, ${change.rank_b} in B`;
    return h("li", {}, h("button", {
      class: "srsm-change", type: "button", "data-pair": change.pair.join(","), onclick: () => choosePair([i, j]),
      "aria-label": `${images[i].id} and ${images[j].id}: ${words} of ${shown.pairs} pairs, difference ${signed(change.a - change.b)} standard deviations`,
    },
    h("span", { class: "srsm-change-pictures" }, picture(i), picture(j)),
    h("span", { class: "srsm-change-words" }, h("span", { class: "srsm-change-names" }, `${images[i].id} – ${images[j].id}`),
      h("small", { class: "srsm-label" }, words),
      h("span", { class: "srsm-change-track", "aria-hidden": "true" }, bar)),
    h("span", { class: "srsm-number" }, signed(change.a - change.b))));
  }

  let timer = null;
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

function signed(value) {
  return `${value > 0 ? "+" : ""}${format(value, 1)}`;
}
