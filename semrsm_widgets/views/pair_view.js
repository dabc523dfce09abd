// PairView: two images under one SVG overlay. Everything a hover needs is here already, so it never asks the kernel.

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
          const [permutation, inverse] = buffers.slice(0, 2).map((b) => asArray(b, Int32Array));
          const [cosine, contribution] = buffers.slice(2).map((b) => asArray(b, Float32Array));
          last.matches = { ...content, permutation, inverse, cosine, contribution };
          views.forEach((view) => view.matches(last.matches));
        }
      });
      model.send({ kind: "ready" });
    },
    render({ model, el }) {
      const view = pairView(model, el);
      views.add(view);
      if (last.pictures) view.pictures(last.pictures);
      if (last.matches) view.matches(last.matches);
      return () => { views.delete(view); view.stop(); };
    },
  });
};

// A colour for each place in A: hue by direction from the centre, lighter towards it. A match is found by its colour.
function placeColour(token, [rows, columns]) {
  const y = (Math.floor(token / columns) + 0.5) / rows - 0.5;
  const x = ((token % columns) + 0.5) / columns - 0.5;
  const hue = (Math.atan2(y, x) * 180) / Math.PI + 200;
  return `hsl(${hue.toFixed(0)} 95% ${(74 - 32 * Math.min(1, 2 * Math.hypot(x, y))).toFixed(0)}%)`;
}

function pairView(model, el) {
  let images = model.get("_images");
  const layers = model.get("_layers");
  const events = listeners(model);
  let matches = null;
  let strongest = []; // tokens of A by falling contribution
  let hovered = -1; // token of A under the pointer or the cursor

  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const status = statusLine(model);
  events.add(status.stop);

  const sides = ["A", "B"].map((letter, side) => imagePanel(letter, (k) => {
    const pair = [...model.get("pair")];
    pair[side] = k;
    set("pair", pair);
  }));
  const rebuilt = rebuiltPanel();
  const overlay = svg("svg", { class: "srsm-overlay", "aria-hidden": "true" });
  const stage = h("div", { class: "srsm-stage" }, sides[0].root, sides[1].root, overlay);
  const layer = layerSlider(layers, (name) => set("layer", name));
  const topK = h("input", { type: "range", class: "srsm-slider", min: 0, max: model.get("_most_lines"), step: 1, "aria-label": "strongest matches shown", ...OWN_KEYS });
  const topWords = h("output", { class: "srsm-layer" });
  topK.addEventListener("input", () => set("top_k", Number(topK.value)));
  const line = h("p", { class: "srsm-token-line", "aria-live": "polite" });
  const summary = pairSummary();
  const empty = h("p", { class: "srsm-empty", hidden: true });
  const root = h("div", { class: "srsm srsm-pair", "data-ready": "false" },
    model.get("_slider") ? h("div", { class: "srsm-controls" }, layer.root) : null,
    summary.root,
    h("div", { class: "srsm-pair-body" }, stage, rebuilt.root), empty,
    h("div", { class: "srsm-controls srsm-pair-foot" },
      line,
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "strongest matches"), topK, topWords)),
    status.root);
  el.append(root);

  // -- the overlay: outlines and lines in the stage's own pixels ---------------------------------------------------

  const layerOf = (name) => { const group = svg("g", { class: name }); overlay.append(group); return group; };
  const grids = layerOf("srsm-grids");
  const tops = layerOf("srsm-tops");
  const focus = layerOf("srsm-focus");
  const focusMarks = [0, 1].map(() => [svg("rect", { class: "srsm-shadow" }), svg("rect", { class: "srsm-bright" })]);
  const focusLine = [svg("line", { class: "srsm-shadow" }), svg("line", { class: "srsm-bright" })];
  focus.append(...focusLine, ...focusMarks.flat());

  // The pixel box of a token of side 0 (A) or 1 (B) in the stage.
  function tokenBox(side, token) {
    const grid = side === 0 ? matches.grid : matches.otherGrid;
    const area = sides[side].area();
    const [rows, columns] = grid;
    const width = area.width / columns;
    const height = area.height / rows;
    return { x: area.left + (token % columns) * width, y: area.top + Math.floor(token / columns) * height, width, height };
  }
  const centre = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  const place = (node, box, inset = 0) => {
    node.setAttribute("x", box.x + inset);
    node.setAttribute("y", box.y + inset);
    node.setAttribute("width", Math.max(1, box.width - 2 * inset));
    node.setAttribute("height", Math.max(1, box.height - 2 * inset));
  };
  const join = (node, a, b) => {
    const [[x1, y1], [x2, y2]] = [centre(a), centre(b)];
    for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) node.setAttribute(name, value);
  };

  function drawGrids() {
    grids.replaceChildren();
    if (!matches?.grid) return;
    [matches.grid, matches.otherGrid].forEach(([rows, columns], side) => {
      const area = sides[side].area();
      let path = "";
      for (let c = 0; c <= columns; c += 1) path += `M${area.left + (c * area.width) / columns} ${area.top}v${area.height}`;
      for (let r = 0; r <= rows; r += 1) path += `M${area.left} ${area.top + (r * area.height) / rows}h${area.width}`;
      grids.append(svg("path", { d: path, class: rows > 32 ? "srsm-grid srsm-fine" : "srsm-grid" }));
    });
  }

  function drawTops() {
    tops.replaceChildren();
    const k = model.get("top_k");
    topK.value = k;
    if (!matches?.grid) { topWords.textContent = ""; return; }
    const shown = strongest.slice(0, k);
    // The strongest are drawn last, on top.
    for (const token of [...shown].reverse()) {
      const colour = placeColour(token, matches.grid);
      const boxes = [tokenBox(0, token), tokenBox(1, matches.permutation[token])];
      for (const name of ["srsm-shadow", "srsm-colour"]) {
        const lineNode = svg("line", { class: name });
        join(lineNode, ...boxes);
        if (name === "srsm-colour") lineNode.style.stroke = colour;
        tops.append(lineNode);
      }
      for (const box of boxes) {
        for (const name of ["srsm-shadow", "srsm-colour"]) {
          const rect = svg("rect", { class: name });
          place(rect, box, 1);
          if (name === "srsm-colour") rect.style.stroke = colour;
          tops.append(rect);
        }
      }
    }
    const sum = shown.reduce((total, token) => total + matches.contribution[token], 0);
    const allPositive = matches.contribution.every((value) => value >= 0);
    const count = shown.length; // a small grid has fewer matches than the slider offers
    topWords.textContent = allPositive && matches.semantic > 0
      ? `${count} carry ${Math.round((100 * sum) / matches.semantic)} %`
      : `${count} carry ${format(sum)} of ${format(matches.semantic)}`;
    root.dataset.topK = k;
  }

  function drawFocus() {
    const token = hovered >= 0 ? hovered : model.get("token");
    const partner = matches && token >= 0 && token < matches.permutation.length ? matches.permutation[token] : -1;
    focus.style.display = matches?.grid && partner >= 0 ? "" : "none";
    root.dataset.token = token;
    root.dataset.partner = partner;
    tops.classList.toggle("srsm-dim", partner >= 0);
    if (!matches?.grid || partner < 0) {
      const share = matches?.same_position;
      line.textContent = !matches?.grid ? "" : "Point at a patch to see its partner; click to pin it."
        + (share === null ? "" : ` ${Math.round(100 * share)} % of patches match the same position.`);
      rebuilt.mark(null);
      return;
    }
    const boxes = [tokenBox(0, token), tokenBox(1, partner)];
    focusMarks.forEach((pair, side) => pair.forEach((node) => place(node, boxes[side])));
    focusLine.forEach((node) => join(node, ...boxes));
    rebuilt.mark(token, matches.grid);
    const at = (k, [, columns]) => `${Math.floor(k / columns)},${k % columns}`;
    line.textContent = `A ${at(token, matches.grid)} → B ${at(partner, matches.otherGrid)} · cosine ${format(matches.cosine[token])}`
      + ` · contributes ${format(matches.contribution[token], 4)} of ${format(matches.semantic)}`
      + (hovered < 0 ? " · pinned" : "");
  }

  function redraw() { drawGrids(); drawTops(); drawFocus(); }

  const observer = new ResizeObserver(() => {
    const box = stage.getBoundingClientRect();
    overlay.setAttribute("viewBox", `0 0 ${Math.max(1, box.width)} ${Math.max(1, box.height)}`);
    sides.forEach((side) => side.measure(stage));
    if (matches) redraw();
  });
  observer.observe(stage);
  sides.forEach((side) => observer.observe(side.picture));
  events.add(() => observer.disconnect());

  // -- pointing ------------------------------------------------------------------------------------------------------

  const focusOn = (token) => { if (token !== hovered) { hovered = token; drawFocus(); } };
  sides.forEach((side, k) => side.listen({
    point(event) {
      if (!matches?.grid) return;
      const grid = k === 0 ? matches.grid : matches.otherGrid;
      const token = side.tokenAt(event, grid);
      focusOn(token < 0 ? -1 : k === 0 ? token : matches.inverse[token]);
    },
    leave: () => focusOn(-1),
    pin() { set("token", hovered === model.get("token") ? -1 : hovered); drawFocus(); },
    step(dy, dx) {
      if (!matches?.grid) return;
      const [rows, columns] = k === 0 ? matches.grid : matches.otherGrid;
      const token = hovered >= 0 ? hovered : model.get("token");
      if (token < 0) { focusOn(0); return; } // the first press shows where the cursor is
      const from = k === 0 ? token : matches.permutation[token];
      const row = Math.min(rows - 1, Math.max(0, Math.floor(from / columns) + dy));
      const column = Math.min(columns - 1, Math.max(0, (from % columns) + dx));
      const reached = row * columns + column;
      const next = k === 0 ? reached : matches.inverse[reached];
      if (next >= 0) focusOn(next);
    },
    free() { hovered = -1; set("token", -1); drawFocus(); },
  }));

  const showPair = () => {
    model.get("pair").forEach((k, side) => sides[side].choose(k));
    root.dataset.pair = model.get("pair").join(",");
  };
  const showChoice = () => {
    images = model.get("_images");
    sides.forEach((side) => side.offer(images));
    showPair();
  };
  events.on("change:pair", showPair);
  events.on("change:_images", showChoice);
  // Never the numbers of one pair or layer under the name of another: they are dimmed until the new ones are there.
  const showAge = () => {
    root.dataset.stale = String(Boolean(matches) && (matches.layer !== model.get("layer") || String(matches.pair) !== String(model.get("pair"))));
  };
  events.on("change:pair", showAge);
  events.on("change:layer", () => { layer.set(model.get("layer")); showAge(); });
  events.on("change:top_k", drawTops);
  events.on("change:token", drawFocus);
  showChoice();
  layer.set(model.get("layer"));
  drawTops();
  drawFocus();

  return {
    async pictures({ urls, boxes, pair }) {
      // The matches of another pair must not be drawn on these pictures; those of this one follow.
      if (matches && String(matches.pair) !== String(pair)) {
        matches = null;
        hovered = -1;
        summary.wait();
        redraw();
      }
      await Promise.all(sides.map((side, k) => side.show(urls[k], boxes[k], images[pair[k]])));
      sides.forEach((side) => side.measure(stage));
      if (matches) { redraw(); rebuilt.draw(sides, matches); }
    },
    matches(next) {
      const same = matches && matches.layer === next.layer && String(matches.pair) === String(next.pair);
      matches = next;
      strongest = [...matches.contribution.keys()].filter((token) => matches.permutation[token] >= 0)
        .sort((a, b) => matches.contribution[b] - matches.contribution[a]);
      if (!same) hovered = -1;
      showAge();
      summary.show(matches);
      empty.hidden = Boolean(matches.grid);
      if (!matches.grid) {
        const row = layers.find((each) => each.name === matches.layer);
        empty.textContent = `The tokens of ${matches.layer} have no known place in the image, so no patch is drawn.`
          + (row?.note ? ` ${row.note}` : "");
      }
      sides.forEach((side) => side.measure(stage));
      redraw();
      rebuilt.draw(sides, matches);
      root.dataset.layer = matches.layer;
      root.dataset.matched = matches.pair.join(",");
      root.dataset.semantic = String(matches.semantic);
      root.dataset.null = matches.null ? String(matches.null.mean) : "";
      root.dataset.ready = "true";
    },
    stop() { events.stop(); },
  };
}

// One image with its chooser. The model sees only a part of it (its centre crop): the rest is dimmed.
function imagePanel(letter, onChoose) {
  const choose = h("select", { class: "srsm-choose", "aria-label": `image ${letter}` });
  choose.addEventListener("change", () => onChoose(Number(choose.value)));
  const picture = h("img", { alt: "", draggable: "false" });
  const shades = [0, 1, 2, 3].map(() => h("div", { class: "srsm-shade" }));
  const frame = h("div", { class: "srsm-picture", tabindex: 0, role: "img", ...OWN_KEYS }, picture, ...shades);
  const root = h("figure", { class: "srsm-side" }, h("figcaption", {}, h("span", { class: "srsm-letter" }, letter), choose), frame);
  let box = [0, 0, 1, 1];
  let offset = { left: 0, top: 0, width: 0, height: 0 };
  return {
    root, picture,
    offer(images) { choose.replaceChildren(...images.map((image, k) => h("option", { value: k }, image.id))); },
    choose(k) { choose.value = k; },
    async show(url, where, image) {
      box = where;
      picture.src = url;
      picture.alt = image.id;
      frame.setAttribute("aria-label", `${letter}: ${image.id}. Arrow keys move from patch to patch, Enter pins, Escape frees.`);
      await picture.decode().catch(() => {});
      const [left, top, right, bottom] = box.map((value) => Math.min(1, Math.max(0, value)));
      const at = (node, x1, y1, x2, y2) => Object.assign(node.style, {
        left: `${100 * x1}%`, top: `${100 * y1}%`, width: `${100 * (x2 - x1)}%`, height: `${100 * (y2 - y1)}%`,
      });
      at(shades[0], 0, 0, 1, top);
      at(shades[1], 0, bottom, 1, 1);
      at(shades[2], 0, top, left, bottom);
      at(shades[3], right, top, 1, bottom);
    },
    measure(stage) {
      const outer = stage.getBoundingClientRect();
      const inner = picture.getBoundingClientRect();
      offset = { left: inner.left - outer.left, top: inner.top - outer.top, width: inner.width, height: inner.height };
    },
    // Where the token grid lies, in the stage's pixels.
    area() {
      const [left, top, right, bottom] = box;
      return {
        left: offset.left + left * offset.width, top: offset.top + top * offset.height,
        width: (right - left) * offset.width, height: (bottom - top) * offset.height,
      };
    },
    // Where the token grid lies, in the picture's own pixels.
    source() {
      const [left, top, right, bottom] = box;
      const { naturalWidth: width, naturalHeight: height } = picture;
      return { left: left * width, top: top * height, width: (right - left) * width, height: (bottom - top) * height };
    },
    tokenAt(event, [rows, columns]) {
      const inner = picture.getBoundingClientRect();
      const [left, top, right, bottom] = box;
      const x = ((event.clientX - inner.left) / inner.width - left) / (right - left);
      const y = ((event.clientY - inner.top) / inner.height - top) / (bottom - top);
      if (x < 0 || y < 0 || x >= 1 || y >= 1) return -1;
      return Math.floor(y * rows) * columns + Math.floor(x * columns);
    },
    listen({ point, leave, pin, step, free }) {
      frame.addEventListener("pointermove", point);
      frame.addEventListener("pointerleave", leave);
      frame.addEventListener("click", (event) => { point(event); pin(); });
      frame.addEventListener("keydown", (event) => {
        const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (move) step(...move);
        else if (event.key === "Enter" || event.key === " ") pin();
        else if (event.key === "Escape") free();
        else return;
        event.preventDefault();
        event.stopPropagation(); // the notebook would take them for its own
      });
    },
  };
}

// B's patches moved to their partners in A: where the match is meant, A's picture comes together again.
function rebuiltPanel() {
  const canvas = h("canvas", { width: 1, height: 1, role: "img" });
  const mark = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const root = h("figure", { class: "srsm-side srsm-rebuilt" },
    h("figcaption", {}, "B’s patches moved to their partners in A"), h("div", { class: "srsm-picture" }, canvas, mark));
  return {
    root,
    draw(sides, matches) {
      root.hidden = !matches.grid;
      if (!matches.grid || !sides[1].picture.naturalWidth) return;
      const source = sides[1].source();
      const [rows, columns] = matches.grid;
      const [fromRows, fromColumns] = matches.otherGrid;
      const cell = Math.max(4, Math.round(448 / Math.max(rows, columns)));
      canvas.width = cell * columns;
      canvas.height = cell * rows;
      const context = canvas.getContext("2d");
      matches.permutation.forEach((partner, token) => {
        if (partner < 0) return;
        const [width, height] = [source.width / fromColumns, source.height / fromRows];
        context.drawImage(sides[1].picture,
          source.left + (partner % fromColumns) * width, source.top + Math.floor(partner / fromColumns) * height, width, height,
          (token % columns) * cell, Math.floor(token / columns) * cell, cell, cell);
      });
      canvas.setAttribute("aria-label", "Image B with each patch moved to the place of its partner in image A.");
    },
    mark(token, grid) {
      mark.hidden = token === null;
      if (token === null) return;
      const [rows, columns] = grid;
      Object.assign(mark.style, {
        left: `${(100 * (token % columns)) / columns}%`, top: `${(100 * Math.floor(token / columns)) / rows}%`,
        width: `${100 / columns}%`, height: `${100 / rows}%`,
      });
    },
  };
}

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
    h("span", {}, h("span", { class: "srsm-equals" }, "= "), "pooled part ", pooledPart, " + matched part ", matchedPart, " ", bars));
  return {
    root,
    wait() {
      layer.textContent = "matching …";
      for (const each of [aligned, semantic, pooledPart, matchedPart]) each.textContent = "…";
      aside.textContent = "";
      bars.replaceChildren();
    },
    show(matches) {
      const matched = matches.semantic - matches.pooled_part;
      layer.textContent = `${matches.layer} · cosine:`;
      aligned.textContent = format(matches.aligned);
      semantic.textContent = format(matches.semantic);
      pooledPart.textContent = format(matches.pooled_part);
      matchedPart.textContent = format(matched);
      const gap = matches.upper === null ? null : matches.upper - matches.semantic;
      aside.textContent = `(unrelated ${matches.null ? format(matches.null.mean) : "…"}; `
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
