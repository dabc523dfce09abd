// PairView: two images (and one that was expected) under one SVG overlay. Everything a hover or a choice needs is here
// already, so neither asks the kernel.

import { segmented } from "../base/controls.js";
import { h, OWN_KEYS } from "../base/dom.js";
import { format } from "../base/format.js";
import { cellOf, stepped, tokenOf } from "../base/grid_pointer.js";
import { helpButton } from "../base/help.js";
import { curvesLegend, layerSlider } from "../base/layer_slider.js";
import { listeners, offers, setter } from "../base/model.js";
import { captionOf, similaritiesOf } from "../base/similarities.js";
import { statusLine } from "../base/status_line.js";
import { asItIs, messageWidget, withUrls } from "../base/widget.js";
import { patchProbe } from "../probe/probe.js";
import { readAlong } from "../probe/strips.js";
import { pairComparison } from "./comparison.js";
import { marksOf } from "./marks.js";
import { legendOf, pairLegend, pairMore } from "./more.js";
import { pairOverlay } from "./overlay.js";
import { imagePanel, rebuiltPanel } from "./panels.js";
import { profileRows, readProfile } from "./profile.js";
import { pairValue, placeName, placesOf, readPair, sumOf } from "./reading.js";
import { explanation, focusSentence, pairSummary, shareWords, strongestTable } from "./words.js";

/** @typedef {import("../base/layer_slider.js").Layer} Layer */
/** @typedef {import("../base/grid_pointer.js").Grid} Grid */
/** @typedef {import("../base/model.js").Model} Model */
/** @typedef {import("../base/placed.js").Box} Box */
/** @typedef {import("./panels.js").Image} Image */
/** @typedef {import("./reading.js").Matches} Matches */

/** @typedef {{ pair: [number, number], urls: string[], boxes: Box[], problems: string[] }} Pictures of A and B */
/** @typedef {{ image: number, urls: string[], box: Box, problem: string }} ExpectedPicture of C */

export default () =>
  messageWidget(
    {
      pictures: withUrls,
      "expected picture": withUrls,
      matches: asItIs,
      expected: asItIs,
      alike: asItIs,
      places: withUrls,
      along: readAlong,
      profile: readProfile,
    },
    pairView,
  );

/**
 * @param {Model} model
 * @param {HTMLElement} el
 */
function pairView(model, el) {
  /** @type {Image[]} */
  let images = model.get("_images");
  /** @type {Layer[]} */
  let layers = model.get("_layers");
  const colours = model.get("_colours");
  const events = listeners(model);
  /** @type {Matches | null} */
  let matches = null; // of A and B
  /** @type {Matches | null} */
  let expected = null; // of A and C
  let said = readPair(null, null, { similarity: "", oneToOne: true }); // under the similarity that is explained
  /** @type {{ side: number, token: number } | null} */
  let cursor = null; // { side, token } under the pointer or the arrow keys

  const set = setter(model);
  const status = statusLine(model);
  events.add(status.stop);

  /** @type {(side: number) => (k: number) => void} */
  const setImage = (side) => (k) => {
    const pair = [...model.get("pair")];
    pair[side] = k;
    set("pair", pair);
  };
  const comparison = pairComparison({ offered: offers(model, "comparison"), expect: (k) => set("expected", k) });
  const sides = [
    imagePanel("A", setImage(0)),
    imagePanel("B", setImage(1)),
    imagePanel("C", (k) => set("expected", k), comparison.stop),
  ];
  /** @param {number} side of a pair whose tokens have places */
  const gridOf = (side) => {
    const grid = side === 0 ? matches?.grid : side === 1 ? matches?.other_grid : expected?.other_grid;
    return /** @type {Grid} */ (grid);
  };
  const rebuilt = rebuiltPanel();
  const stage = h("div", { class: "srsm-stage" }, ...sides.map((side) => side.root));
  const overlay = pairOverlay(stage, sides, gridOf);
  stage.append(overlay.root);

  const isProbing = offers(model, "probe");
  const probe = patchProbe(
    sides.slice(0, 2).map((side) => side.heat),
    {
      ask: () => model.send({ kind: "alike" }),
      openImage: (k) => set("pair", [model.get("pair")[0], k]),
      openLayer: (name) => set("layer", name),
    },
  );

  const layer = layerSlider(layers, (name) => set("layer", name), model.get("_model_badge"));
  events.add(layer.stop);
  const hasLayers = offers(model, "layers");
  /** @type {import("./profile.js").Profile | null} */
  let profile = null;
  const drawProfile = () => {
    if (!hasLayers) return;
    layer.profile(profileRows(profile, matches, { layers, pair: model.get("pair") }), true);
  };
  const similarities = similaritiesOf(model);
  /** @type {string[]} */
  const explainable = model.get("_explained");
  const nameNow = () => similarities.find((each) => each.caption === model.get("similarity"))?.name ?? "";
  const explained = segmented(
    "what is explained",
    explainable.map((name) => [captionOf(similarities, name), name, captionOf(similarities, name)]),
    model.get("similarity"),
    (name) => set("similarity", name),
  );
  const classToken = /** @type {HTMLElement} */ (explained.root.lastChild);
  const sentence = h("span", { class: "srsm-aside srsm-explanation" });
  const topK = h("input", {
    type: "range",
    class: "srsm-slider",
    min: 0,
    max: model.get("_most_lines"),
    step: 1,
    "aria-label": "strongest matches shown",
    ...OWN_KEYS,
  });
  const topWords = h("output", { class: "srsm-layer" });
  const strongest = h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "strongest"), topK, topWords);
  topK.addEventListener("input", () => set("top_k", Number(topK.value)));
  const above = h("input", { type: "checkbox" });
  above.addEventListener("change", () => set("above_unrelated", above.checked));
  const aboveField = h(
    "label",
    { class: "srsm-check", title: "leave out the matches whose cosine unrelated tokens reach, too" },
    above,
    "only above unrelated",
  );
  const heat = h("input", { type: "checkbox" });
  heat.addEventListener("change", () => set("heat", heat.checked));
  const heatField = h(
    "label",
    { class: "srsm-check", title: "pointing at a patch shows how alike every patch is to it" },
    heat,
    "heat",
  );
  heatField.hidden = !isProbing;
  const line = h("p", { class: "srsm-token-line", "aria-live": "polite" });
  const legend = pairLegend(colours);
  const summary = pairSummary();
  const more = pairMore((oneToOne) => set("one_to_one", oneToOne));
  const empty = h("div", { class: "srsm-empty", hidden: true });
  const root = h(
    "div",
    { class: "srsm srsm-pair", "data-ready": "false" },
    hasLayers ? h("div", { class: "srsm-controls srsm-controls-helped" }, layer.root, helpButton()) : null,
    hasLayers ? curvesLegend() : null,
    summary.root,
    h(
      "div",
      { class: "srsm-controls srsm-explain" },
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "explain"), explained.root),
      sentence,
      comparison.choice,
    ),
    comparison.words,
    h(
      "div",
      { class: "srsm-pair-body" },
      h("div", { class: "srsm-stage-column" }, stage, line, legend.root),
      rebuilt.root,
    ),
    empty,
    h("div", { class: "srsm-controls srsm-pair-foot" }, strongest, heatField, aboveField),
    probe.strips.root,
    more.root,
    status.root,
  );
  el.append(root);

  const placed = () => Boolean(matches?.grid);
  const isHot = () => isProbing && placed() && model.get("heat") && !said.comparing;

  // -- what is explained ---------------------------------------------------------------------------------------------

  function read() {
    const [similarity, caption, oneToOne] = [nameNow(), model.get("similarity"), model.get("one_to_one")];
    const onlyAbove = model.get("above_unrelated");
    said = readPair(matches, expected, { similarity, oneToOne, image: model.get("expected"), onlyAbove });
    above.checked = onlyAbove;
    heat.checked = model.get("heat");
    aboveField.hidden = !said.opacity;
    comparison.show(said, caption);
    root.dataset.similarity = caption;
    root.dataset.why = String(said.comparing);
    root.dataset.difference = said.difference ? String(sumOf(said.difference)) : "";
    showAge();
    explained.set(caption);
    // The class token is offered where there is one, or where it is asked for.
    const row = layers.find((each) => each.name === model.get("layer"));
    classToken.hidden = !row?.class_token && similarity !== "class token";
    sentence.textContent = matches ? explanation(matches, similarity, oneToOne) : "";
    if (!matches) {
      legend.show("none", false);
      return;
    }
    const cropped = sides[0].cropped() || sides[1].cropped();
    more.show(matches, row, {
      oneToOne,
      matched: similarity === "semantic",
      cropped,
      table: placed() ? strongestTable(said, model.get("top_k")) : null,
    });
    legend.show(placed() ? legendOf(said) : "none", cropped, isHot() ? probe.scale.root : null);
    if (isHot()) probe.scale.show(matches.null?.mean ?? null);
    empty.hidden = placed();
    if (!placed()) {
      const text =
        `The tokens of ${matches.layer} have no known place in the image, so there is no place to draw.` +
        (row?.note ? ` ${row.note}` : "") +
        " Their values:";
      empty.replaceChildren(
        h("p", {}, text),
        h("div", { class: "srsm-table" }, strongestTable(said, model.get("top_k"))),
      );
    }
    describe(matches);
  }

  /** @param {Matches} matches */
  function describe(matches) {
    const value = pairValue(matches, said.similarity, said.oneToOne);
    const keys = placed() ? " Arrow keys move from patch to patch, Enter pins, Escape frees." : "";
    const names = [...model.get("pair"), model.get("expected")].map((k) => images[k]?.id ?? "");
    const numbers = `${model.get("similarity")} ${format(value)}, aligned ${format(matches.aligned)}, semantic ${format(matches.semantic)}`;
    sides.forEach((side, k) => {
      side.describe(`${"ABC"[k]}: ${names[k]}. A and B: ${numbers}.${keys}`);
      side.play(said.comparing ? ["query", "hit", "expected"][k] : "");
    });
  }

  // -- what is drawn -------------------------------------------------------------------------------------------------

  function drawGrids() {
    overlay.drawGrids(placed() ? (said.comparing && said.whole ? [0, 1, 2] : [0, 1]) : []);
  }

  function drawMarks() {
    const k = model.get("top_k");
    topK.value = String(k);
    root.dataset.topK = String(k);
    overlay.drawMarks(placed() ? marksOf(said, k, colours) : [], !said.comparing);
    topWords.textContent = shareWords(said, k);
    strongest.hidden = Boolean(matches) && !said.reading; // the class token has no patches to count
  }

  const lookedAt = () => placesOf(said, cursor ?? { side: 0, token: model.get("token") });

  function drawFocus() {
    const at = lookedAt();
    const visible = placed() && at.some((token) => token >= 0);
    const shown = visible ? [0, 1, 2].filter((side) => at[side] >= 0 && (side < 2 || said.whole)) : [];
    overlay.drawFocus(
      shown.map((side) => ({ side, token: at[side] })),
      visible,
    );
    root.dataset.token = String(at[0]);
    root.dataset.partner = String(at[1]);
    const more = drawHeat(visible);
    const words = visible ? focusSentence(said, at, more !== "") + (cursor ? "" : " · pinned") : idleSentence();
    line.textContent = more ? `${words} · ${more}` : words;
    if (matches?.grid) rebuilt.mark(said.reading?.partner ? at[0] : -1, matches.grid);
  }

  // Heat while a patch is looked at; returns why the most similar patch is not the partner.
  function drawHeat(/** @type {boolean} */ visible) {
    const on = visible && isHot();
    const at = cursor ?? { side: 0, token: model.get("token") };
    const found = on && matches && at.side < 2 ? probe.point(at, shownNow(matches)) : probe.clear();
    overlay.drawAlso(found && found.token >= 0 ? { side: 1 - at.side, token: found.token } : null);
    root.dataset.heat = String(!sides[0].heat.hidden);
    return found?.words ?? "";
  }

  const shownNow = (/** @type {Matches} */ shown) => ({
    matches: shown,
    paired: said.similarity === "semantic" && said.oneToOne,
    name: (/** @type {number} */ side, /** @type {number} */ token) =>
      `${"AB"[side]} ${placeName(token, side ? shown.other_grid : shown.grid)}`,
  });

  function drawPin() {
    if (!isProbing || !matches) return;
    const names = layers.map((each) => each.name);
    probe.pin(model.get("token"), shownNow(matches), images, names);
  }

  function idleSentence() {
    if (!placed()) return "";
    if (!said.reading) return "";
    if (!said.reading.partner) return "Point at a patch to see what it contributes; click to pin it.";
    const place = said.comparing ? "" : " Colours: place in A.";
    return `Point at a patch for its partner, click to pin it.${place}`;
  }

  function drawRebuilt() {
    rebuilt.root.hidden = said.comparing || !placed();
    if (said.comparing || !matches?.grid) return;
    const words = !said.reading
      ? "The class token stands at no place: there are no partners to move."
      : !said.reading.partner
        ? "The mean token forgets where its patches stood: there are no partners to move."
        : said.similarity === "aligned"
          ? "B’s patches, each at its own position"
          : !said.oneToOne
            ? "Each patch of A replaced by its nearest in B"
            : "B’s patches moved to their partners in\u00a0A";
    rebuilt.draw(sides, matches, said.reading?.partner ?? null, words, said.opacity);
  }

  const drawElsewhere = () => overlay.drawElsewhere(placed() ? (model.get("outlined") ?? []) : []);

  function redraw() {
    drawGrids();
    drawMarks();
    drawFocus();
    drawElsewhere();
  }
  function refresh() {
    read();
    sides[2].root.hidden = !said.comparing;
    drawRebuilt();
    overlay.fit();
    redraw();
    drawPin();
    drawProfile();
  }

  const observer = new ResizeObserver(() => {
    overlay.fit();
    if (matches) redraw();
  });
  observer.observe(stage);
  sides.forEach((side) => observer.observe(side.picture));
  events.add(() => observer.disconnect());

  // -- pointing ------------------------------------------------------------------------------------------------------

  /** @param {{ side: number, token: number } | null} next */
  const focusOn = (next) => {
    if (cursor?.side === next?.side && cursor?.token === next?.token) return;
    cursor = next;
    drawFocus();
  };
  sides.forEach((side, k) =>
    side.listen({
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
      step(by) {
        if (!placed() || !said.reading || (k === 2 && !said.whole)) return;
        const grid = gridOf(k);
        const from = lookedAt()[k]; // the first press shows where the cursor is
        focusOn({ side: k, token: from < 0 ? 0 : tokenOf(stepped(cellOf(from, grid), by, grid), grid) });
      },
      free() {
        cursor = null;
        set("token", -1);
        drawFocus();
      },
    }),
  );

  // -- what changes --------------------------------------------------------------------------------------------------

  // Never the numbers of one pair or layer under the name of another: they are dimmed until the new ones are there.
  function showAge() {
    const old = matches && (matches.layer !== model.get("layer") || String(matches.pair) !== String(model.get("pair")));
    root.dataset.stale = String(Boolean(old || (matches && said.comparing && !said.whole)));
  }
  const showPair = () => {
    [...model.get("pair"), model.get("expected")].forEach((k, side) => sides[side].choose(k, images[k]));
    root.dataset.pair = model.get("pair").join(",");
    root.dataset.expected = String(model.get("expected"));
    comparison.choose(model.get("expected"));
    refresh();
  };
  const showChoice = () => {
    images = model.get("_images");
    layers = model.get("_layers");
    sides.forEach((side) => side.offer(images));
    comparison.offer(images);
    showPair();
  };
  events.on("change:pair", showPair);
  events.on("change:expected", () => {
    cursor = null;
    showPair();
  });
  events.on("change:_images", showChoice);
  events.on("change:layer", () => {
    layer.set(model.get("layer"));
    refresh();
  });
  events.on("change:similarity", () => {
    cursor = null;
    refresh();
  });
  events.on("change:one_to_one", refresh);
  events.on("change:above_unrelated", refresh);
  events.on("change:top_k", () => {
    if (matches) read();
    drawMarks();
  });
  events.on("change:token", () => {
    drawFocus();
    drawPin();
  });
  events.on("change:heat", refresh);
  events.on("change:outlined", drawElsewhere);
  showChoice();
  layer.set(model.get("layer"));
  if (hasLayers) model.send({ kind: "profile" });

  return {
    /** @param {Pictures} given */
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
    /** @param {ExpectedPicture} given */
    async "expected picture"({ urls, box, problem, image }) {
      await sides[2].show(urls[0], box, images[image], problem);
      refresh();
    },
    /** @param {Matches} next */
    expected(next) {
      expected = next;
      if (matches) refresh();
    },
    /** @param {Matches} next */
    matches(next) {
      const same = matches && matches.layer === next.layer && String(matches.pair) === String(next.pair);
      matches = next;
      if (!same) cursor = null;
      summary.show(next, images.length < 2);
      refresh();
      root.dataset.layer = next.layer;
      root.dataset.matched = next.pair.join(",");
      root.dataset.semantic = String(next.semantic);
      root.dataset.null = next.null ? String(next.null.mean) : "";
      root.dataset.ready = "true";
    },
    /** @param {import("../probe/alike.js").Alike} next */
    alike(next) {
      probe.alike(next);
      drawFocus();
    },
    /** @param {import("../probe/strips.js").Places} next */
    places(next) {
      probe.places(next);
      drawPin();
    },
    /** @param {import("../probe/strips.js").Along} next */
    along(next) {
      probe.along(next);
      drawPin();
    },
    /** @param {import("./profile.js").Profile} next */
    profile(next) {
      profile = next;
      drawProfile();
    },
    stop() {
      events.stop();
    },
  };
}
