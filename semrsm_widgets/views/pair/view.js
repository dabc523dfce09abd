// PairView: two images (and one that was expected) under one SVG overlay. Everything a hover or a choice needs is here
// already, so neither asks the kernel.

export default () => {
  const views = new Set();
  const last = {}; // kind of message -> what the newest one said
  const keep = (kind, said) => { last[kind] = said; views.forEach((view) => view[kind](said)); };

  return withPrivate({
    initialize({ model }) {
      model.on("msg:custom", (content, buffers) => {
        if (content.kind === "pictures") {
          last.pictures?.urls.forEach((url) => URL.revokeObjectURL(url));
          keep("pictures", { ...content, urls: buffers.map(jpegUrl) });
        } else if (content.kind === "expected picture") {
          if (last.expectedPicture) URL.revokeObjectURL(last.expectedPicture.url);
          keep("expectedPicture", { ...content, url: jpegUrl(buffers[0]) });
        } else if (content.kind === "matches" || content.kind === "expected") {
          keep(content.kind, decodeMatches(content, buffers));
        }
      });
      model.send({ kind: "ready" });
    },
    render({ model, el }) {
      const view = pairView(model, el);
      views.add(view);
      for (const [kind, said] of Object.entries(last)) view[kind](said);
      return () => { views.delete(view); view.stop(); };
    },
  });
};

function pairView(model, el) {
  let images = model.get("_images");
  let layers = model.get("_layers");
  const colours = model.get("_colours");
  const events = listeners(model);
  let matches = null; // of A and B
  let expected = null; // of A and C
  let said = readPair(null, null, {}); // what the two say under the similarity that is explained
  let cursor = null; // { side, token } under the pointer or the arrow keys

  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const status = statusLine(model);
  events.add(status.stop);

  const setImage = (side) => (k) => {
    const pair = [...model.get("pair")];
    pair[side] = k;
    set("pair", pair);
  };
  const stop = h("button", { class: "srsm-button srsm-step", type: "button", "aria-label": "stop comparing", title: "stop comparing", onclick: () => set("expected", -1) }, "×");
  const sides = [imagePanel("A", setImage(0)), imagePanel("B", setImage(1)), imagePanel("C", (k) => set("expected", k), stop)];
  const gridOf = (side) => (side === 0 ? matches.grid : side === 1 ? matches.otherGrid : expected.otherGrid);
  const rebuilt = rebuiltPanel();
  const stage = h("div", { class: "srsm-stage" }, ...sides.map((side) => side.root));
  const overlay = pairOverlay(stage, sides, gridOf);
  stage.append(overlay.root);

  const layer = layerSlider(layers, (name) => set("layer", name));
  const explained = segmented("what is explained", SIMILARITIES.map((name) => [name, name]), model.get("similarity"), (name) => set("similarity", name));
  const sentence = h("span", { class: "srsm-aside srsm-explanation" });
  const compare = h("select", { class: "srsm-choose srsm-compare", "aria-label": "compare with another image" });
  compare.addEventListener("change", () => set("expected", Number(compare.value)));
  const why = h("p", { class: "srsm-why", hidden: true, "aria-live": "polite" });
  const topK = h("input", { type: "range", class: "srsm-slider", min: 0, max: model.get("_most_lines"), step: 1, "aria-label": "strongest matches shown", ...OWN_KEYS });
  const topWords = h("output", { class: "srsm-layer" });
  const strongest = h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "strongest"), topK, topWords);
  topK.addEventListener("input", () => set("top_k", Number(topK.value)));
  const line = h("p", { class: "srsm-token-line", "aria-live": "polite" });
  const legend = pairLegend(colours);
  const summary = pairSummary();
  const more = pairMore((oneToOne) => set("one_to_one", oneToOne));
  const empty = h("div", { class: "srsm-empty", hidden: true });
  const root = h("div", { class: "srsm srsm-pair", "data-ready": "false" },
    model.get("_slider") ? h("div", { class: "srsm-controls" }, layer.root) : null,
    summary.root,
    h("div", { class: "srsm-controls srsm-explain" },
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "explain"), explained.root), sentence, compare),
    why,
    h("div", { class: "srsm-pair-body" }, stage, rebuilt.root), empty, legend.root,
    h("div", { class: "srsm-controls srsm-pair-foot" },
      line,
      strongest),
    more.root, status.root);
  el.append(root);

  const placed = () => Boolean(matches?.grid);

  // -- what is explained ---------------------------------------------------------------------------------------------

  function read() {
    const [similarity, oneToOne] = [model.get("similarity"), model.get("one_to_one")];
    said = readPair(matches, expected, { similarity, oneToOne, image: model.get("expected") });
    why.hidden = !said.comparing;
    if (said.comparing) {
      const [head, rest] = said.whole ? whySentences(said) : ["Comparing …", ""];
      why.replaceChildren(h("strong", {}, head), ` ${rest}`);
    }
    root.dataset.similarity = similarity;
    root.dataset.why = String(said.comparing);
    root.dataset.difference = said.difference ? String(sumOf(said.difference)) : "";
    showAge();
    explained.set(similarity);
    // The class token is offered where there is one, or where it is asked for.
    const row = layers.find((each) => each.name === model.get("layer"));
    explained.root.lastChild.hidden = !row?.class_token && similarity !== "class token";
    sentence.textContent = matches ? explanation(matches, similarity, oneToOne) : "";
    if (!matches) { legend.show("none"); return; }
    more.show(matches, row, {
      oneToOne, matched: similarity === "best match", cropped: sides[0].cropped() || sides[1].cropped(),
      table: placed() ? strongestTable(said, model.get("top_k")) : null,
    });
    legend.show(placed() ? legendOf(said) : "none");
    empty.hidden = placed();
    if (!placed()) {
      const text = `The tokens of ${matches.layer} have no known place in the image, so there is no place to draw.`
        + (row?.note ? ` ${row.note}` : "") + " Their values:";
      empty.replaceChildren(h("p", {}, text), h("div", { class: "srsm-table" }, strongestTable(said, model.get("top_k"))));
    }
    describe();
  }

  function describe() {
    const value = valueOf(matches, model.get("similarity"), model.get("one_to_one"));
    const keys = placed() ? " Arrow keys move from patch to patch, Enter pins, Escape frees." : "";
    const names = [...model.get("pair"), model.get("expected")].map((k) => images[k]?.id ?? "");
    const numbers = `${model.get("similarity")} ${format(value)}, aligned ${format(matches.aligned)}, semantic ${format(matches.semantic)}`;
    sides.forEach((side, k) => {
      side.describe(`${"ABC"[k]}: ${names[k]}. A and B: ${numbers}.${keys}`);
      side.play(said.comparing ? ["query", "hit", "expected"][k] : "");
    });
  }

  // -- what is drawn -------------------------------------------------------------------------------------------------

  function drawGrids() { overlay.drawGrids(placed() ? (said.comparing && said.whole ? [0, 1, 2] : [0, 1]) : []); }

  function drawMarks() {
    const k = model.get("top_k");
    topK.value = k;
    root.dataset.topK = k;
    overlay.drawMarks(placed() ? marksOf(said, k, colours) : [], !said.comparing);
    topWords.textContent = shareWords(said, k);
    strongest.hidden = Boolean(matches) && !said.reading; // the class token has no patches to count
  }

  const lookedAt = () => placesOf(said, cursor ?? { side: 0, token: model.get("token") });

  function drawFocus() {
    const at = lookedAt();
    const visible = placed() && at.some((token) => token >= 0);
    const shown = visible ? [0, 1, 2].filter((side) => at[side] >= 0 && (side < 2 || said.whole)) : [];
    overlay.drawFocus(shown.map((side) => ({ side, token: at[side] })), visible);
    root.dataset.token = at[0];
    root.dataset.partner = at[1];
    line.textContent = visible ? focusSentence(said, at) + (cursor ? "" : " · pinned") : idleSentence();
    if (placed()) rebuilt.mark(said.reading?.partner ? at[0] : -1, matches.grid);
  }

  function idleSentence() {
    if (!placed()) return "";
    if (!said.reading) return "";
    return `Point at a patch to see ${said.reading.partner ? "its partner" : "what it contributes"}; click to pin it.`;
  }

  function drawRebuilt() {
    rebuilt.root.hidden = said.comparing || !placed();
    if (said.comparing || !placed()) return;
    const words = !said.reading ? "The class token stands at no place: there are no partners to move."
      : !said.reading.partner ? "The mean token forgets where its patches stood: there are no partners to move."
        : said.similarity === "same position" ? "B’s patches, each at its own position"
          : !said.oneToOne ? "Each patch of A replaced by its nearest in B"
            : "B’s patches moved to their partners in A";
    rebuilt.draw(sides, matches, said.reading?.partner ?? null, words);
  }

  function redraw() { drawGrids(); drawMarks(); drawFocus(); }
  function refresh() {
    read();
    sides[2].root.hidden = !said.comparing;
    compare.hidden = said.comparing || images.length < 2 || !model.get("_comparable");
    drawRebuilt();
    overlay.fit();
    redraw();
  }

  const observer = new ResizeObserver(() => { overlay.fit(); if (matches) redraw(); });
  observer.observe(stage);
  sides.forEach((side) => observer.observe(side.picture));
  events.add(() => observer.disconnect());

  // -- pointing ------------------------------------------------------------------------------------------------------

  const focusOn = (next) => {
    if (cursor?.side === next?.side && cursor?.token === next?.token) return;
    cursor = next;
    drawFocus();
  };
  sides.forEach((side, k) => side.listen({
    point(event) {
      if (!placed() || (k === 2 && !said.whole)) return;
      const token = side.tokenAt(event, gridOf(k));
      focusOn(token < 0 ? null : { side: k, token });
    },
    leave: () => focusOn(null),
    pin() {
      const [a] = lookedAt();
      set("token", cursor && a === model.get("token") ? -1 : a);
      drawFocus();
    },
    step(dy, dx) {
      if (!placed() || !said.reading || (k === 2 && !said.whole)) return;
      const [rows, columns] = gridOf(k);
      const from = lookedAt()[k];
      if (from < 0) { focusOn({ side: k, token: 0 }); return; } // the first press shows where the cursor is
      const row = Math.min(rows - 1, Math.max(0, Math.floor(from / columns) + dy));
      const column = Math.min(columns - 1, Math.max(0, (from % columns) + dx));
      focusOn({ side: k, token: row * columns + column });
    },
    free() { cursor = null; set("token", -1); drawFocus(); },
  }));

  // -- what changes --------------------------------------------------------------------------------------------------

  // Never the numbers of one pair or layer under the name of another: they are dimmed until the new ones are there.
  function showAge() {
    const old = matches && (matches.layer !== model.get("layer") || String(matches.pair) !== String(model.get("pair")));
    root.dataset.stale = String(Boolean(old || (matches && said.comparing && !said.whole)));
  }
  const showPair = () => {
    [...model.get("pair"), model.get("expected")].forEach((k, side) => sides[side].choose(k, images[k]));
    root.dataset.pair = model.get("pair").join(",");
    root.dataset.expected = model.get("expected");
    compare.value = model.get("expected");
    refresh();
  };
  const showChoice = () => {
    images = model.get("_images");
    layers = model.get("_layers");
    sides.forEach((side) => side.offer(images));
    compare.replaceChildren(h("option", { value: -1 }, "compare with …"), ...images.map((image, k) => h("option", { value: k }, image.id)));
    showPair();
  };
  events.on("change:pair", showPair);
  events.on("change:expected", () => { cursor = null; showPair(); });
  events.on("change:_images", showChoice);
  events.on("change:layer", () => { layer.set(model.get("layer")); refresh(); });
  events.on("change:similarity", () => { cursor = null; refresh(); });
  events.on("change:one_to_one", refresh);
  events.on("change:top_k", () => { if (matches) read(); drawMarks(); });
  events.on("change:token", drawFocus);
  showChoice();
  layer.set(model.get("layer"));

  return {
    async pictures({ urls, boxes, problems, pair }) {
      // The matches of another pair must not be drawn on these pictures; those of this one follow.
      if (matches && String(matches.pair) !== String(pair)) {
        matches = null;
        cursor = null;
        summary.wait();
        refresh();
      }
      await Promise.all(urls.map((url, k) => sides[k].show(url, boxes[k], images[pair[k]], problems[k])));
      refresh();
    },
    async expectedPicture({ url, box, problem, image }) {
      await sides[2].show(url, box, images[image], problem);
      refresh();
    },
    expected(next) { expected = next; if (matches) refresh(); },
    matches(next) {
      const same = matches && matches.layer === next.layer && String(matches.pair) === String(next.pair);
      matches = next;
      if (!same) cursor = null;
      summary.show(matches, images.length < 2);
      refresh();
      root.dataset.layer = matches.layer;
      root.dataset.matched = matches.pair.join(",");
      root.dataset.semantic = String(matches.semantic);
      root.dataset.null = matches.null ? String(matches.null.mean) : "";
      root.dataset.ready = "true";
    },
    stop() { events.stop(); },
  };
}
