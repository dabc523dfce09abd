// RSMView: layer slider over three Bokeh heatmaps (baseline, semantic, difference) with one cursor, one zoom and one
// order; a cell is read by hovering or by the arrow keys and chosen by a click or Enter. Frames are kept, so that a layer
// seen before, another baseline, order or colour range is drawn without the kernel.

import { embedFigure, loadBokeh } from "../base/bokeh_pane.js";
import { segmented } from "../base/controls.js";
import { h, PAIR_OPENED, whenIdle } from "../base/dom.js";
import { format, MINUS } from "../base/format.js";
import { listeners, offers, setter } from "../base/model.js";
import { withPrivate } from "../base/private.js";
import { captionOf, patchSimilarities } from "../base/similarities.js";
import { statusLine } from "../base/status_line.js";
import { jpegUrl, onMessages } from "../base/wire.js";
import { readableFrom } from "../pair/trust.js";
import { meanExcess, pairProfile, setChart } from "./along_layers.js";
import { THUMBNAILS_ON_AXES } from "./axes.js";
import { rsmControls } from "./controls.js";
import { BINS, distribution, spreadLegend } from "./distribution.js";
import { finder } from "./finder.js";
import { firstPaint } from "./first_paint.js";
import { heatmapPanel } from "./heatmap.js";
import { joined, unpackWhole, unpackWindow } from "./large.js";
import { largeView } from "./large_view.js";
import {
  colourIndices,
  frameStore,
  MISSING_COLOUR,
  pairKinds,
  shareBelow,
  shownMatrices,
  spread,
  taken,
} from "./matrices.js";
import { readout } from "./readout.js";
import { groupsOf, rowsOf } from "./rows.js";
import { selectionBar } from "./selection_bar.js";
import { around, following } from "./zoom.js";

const MAPS = ["baseline", "semantic", "difference"];
const FOUND_SIDE = 24; // rows around an image that is found among many

/** @typedef {import("../base/model.js").Model} Model */
/** @typedef {import("../base/bokeh_pane.js").Square} Square */
/** @typedef {import("./heatmap.js").Pair} Pair */
/** @typedef {import("./matrices.js").Frame} Frame */
/** @typedef {import("./matrices.js").Range} Range */
/** @typedef {ReturnType<typeof firstPaint>} Figure a heatmap of Bokeh's, or the canvas in its place */

/**
 * What the kernel has sent.
 *
 * @typedef {object} Sent
 * @property {ReturnType<typeof frameStore>} frames
 * @property {boolean} isAnswered whether the kernel has sent any frame
 * @property {Promise<object[]>} figures the three heatmaps, as Bokeh embeds them
 * @property {string[]} thumbnails URLs by image
 * @property {import("./large.js").Whole | null} whole of more images than a frame could hold
 * @property {ReturnType<typeof unpackWindow> | null} window what is in sight of them
 */

export default () => {
  /** @type {Set<ReturnType<typeof rsmView>>} */
  const views = new Set();
  /** @type {Sent} */
  let sent;

  return withPrivate({
    /** @param {{ model: Model }} given */
    initialize({ model }) {
      let figuresCame = (/** @type {object[]} */ _) => {};
      sent = {
        frames: frameStore(model.get("_images").length),
        isAnswered: false,
        figures: new Promise((resolve) => {
          figuresCame = resolve;
        }),
        thumbnails: [],
        whole: null,
        window: null,
      };
      onMessages(model, {
        figures({ items }) {
          figuresCame(items);
        },
        thumbnails({ thumbnails, indices }) {
          thumbnails.forEach((/** @type {import("../base/wire.js").Bytes} */ picture, /** @type {number} */ k) => {
            const old = sent.thumbnails[indices[k]];
            if (old) URL.revokeObjectURL(old);
            sent.thumbnails[indices[k]] = jpegUrl(picture);
          });
          for (const view of views) view.thumbnails();
        },
        frame(message) {
          sent.frames.add(message);
          sent.isAnswered = true;
          for (const view of views) view.draw();
        },
        undefined(message) {
          sent.frames.add({ ...message, complete: true });
          sent.isAnswered = true;
          for (const view of views) view.draw();
        },
        value(message) {
          for (const view of views) view.value(message);
        },
        large(message) {
          sent.whole = unpackWhole(message);
          sent.isAnswered = true;
          for (const view of views) view.draw();
        },
        window(message) {
          sent.window = joined(sent.window, unpackWindow(message));
          for (const view of views) view.windowCame();
        },
      });
      model.send({ kind: "ready" });
      return () => {
        for (const url of sent.thumbnails) if (url) URL.revokeObjectURL(url);
        sent.thumbnails = [];
        sent.frames.clear();
        sent.whole = sent.window = null;
      };
    },
    /** @param {{ model: Model, el: HTMLElement }} given */
    render({ model, el }) {
      const view = rsmView(model, el, sent);
      views.add(view);
      if (sent.thumbnails.length) view.thumbnails();
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
 * @param {Sent} sent
 */
function rsmView(model, el, sent) {
  /** @type {{ id: string, labels: string[] }[]} */
  const images = model.get("_images");
  const size = images.length;
  const isLarge = model.get("_large"); // windows of an overview stand in the place of all pairs
  const kinds = isLarge ? null : pairKinds(images);
  const palettes = model.get("_palettes");
  const similarities = patchSimilarities(model);
  const events = listeners(model);
  /** @type {Pair | null} */
  let cell = null; // the cell under the pointer or the arrow keys; null: the chosen pair is read out
  /** @type {Square} */
  let area = { row: 0, column: 0, side: size };
  let rows = [...images.keys()]; // the images from the top
  /** @type {number[]} */
  let places = rows; // image -> row, -1 where it is not shown
  let arranged = "";
  /** @type {import("./axes.js").Marks} */
  let marks = { found: [], at: null, selected: new Set() };
  let kindsShown = kinds;
  /** @type {Set<number>} */
  const thumbnailsAsked = new Set();
  /** @type {Range | null} */
  let range = null; // of the levels' colours, as last drawn
  /** @type {(Float32Array | undefined)[]} */
  let painted = []; // what the heatmaps show
  let scheduled = false;
  let isOver = false;
  let asked = "";
  let painter = "canvas"; // or "bokeh"
  let bokehWanted = false;

  const status = statusLine(model);
  events.add(status.stop);
  status.root.hidden = !offers(model, "status"); // the explorer's header shows it

  const set = setter(model);
  const controls = rsmControls(model, set, { labelled: kinds !== null, range: () => range });
  const baseline = segmented(
    "baseline",
    similarities.flatMap(({ name }) => (name === "semantic" ? [] : [[name, name]])),
    model.get("baseline"),
    (name) => set("baseline", name),
  );
  // Where there is room for one heatmap only, this says which: each similarity, or the difference.
  const heatmap = segmented(
    "heatmap",
    [...similarities.map(({ name }) => /** @type {[string, string]} */ ([name, name])), ["difference", "difference"]],
    "semantic",
    (name) => {
      const isLevel = name === "semantic" || name === "difference";
      if (!isLevel) set("baseline", name);
      set("heatmap", isLevel ? name : "baseline");
    },
  );
  heatmap.root.classList.add("srsm-heatmap-switch");
  const baselineWords = h("span");
  const semanticWords = h("span");
  const differenceName = h("strong");
  /** @type {Record<string, Node[]>} */
  const captions = {
    baseline: [baseline.root, baselineWords],
    semantic: [h("strong", {}, "semantic"), semanticWords],
    difference: [differenceName],
  };
  /** @type {(chosen: number[], adds?: boolean) => void} */
  const select = (chosen, adds = false) => {
    set("selection", adds ? [...new Set([...model.get("selection"), ...chosen])] : chosen);
  };
  // Images that are all selected are taken out, others are added.
  /** @param {number[]} chosen */
  const toggle = (chosen) => {
    if (!chosen.every((image) => marks.selected.has(image))) select(chosen, true);
    else select(model.get("selection").filter((/** @type {number} */ image) => !chosen.includes(image)));
  };
  const search = finder({
    find(found, at) {
      marks = { ...marks, found, at };
      for (const panel of panels) panel.mark(marks);
      root.dataset.found = found.join(",");
      root.dataset.at = String(at ?? "");
      point(at === null ? null : [at, at]);
    },
    go(image) {
      const place = places[image];
      if (rows.length > THUMBNAILS_ON_AXES && area.side > FOUND_SIDE) zoom(around(place, FOUND_SIDE, rows.length));
      else zoom(following(area, [place, place], rows.length));
    },
    toggle,
    select,
  });
  const bar = selectionBar({
    show: (selected) => set("selected", selected),
    clear: () => select([]),
    below: () => model.send({ kind: "below" }),
  });
  const panels = MAPS.map((name) => heatmapPanel(name, captions[name], images, (image) => toggle([image])));
  const paletteOf = (/** @type {string} */ name) => palettes[name === "difference" ? 1 : 0];
  const scales = MAPS.map((name) => distribution(paletteOf(name)));
  const large = isLarge ? largeView({ model, size, panels, scales, palettes: MAPS.map(paletteOf), set }) : null;
  /** @type {Figure[]} */
  let maps = large?.maps ?? MAPS.map((name, k) => firstPaint(panels[k].canvas, paletteOf(name)));
  panels.forEach((panel, k) => panel.root.append(scales[k].root));
  const legend = spreadLegend(kinds !== null, isLarge);
  /** @type {import("../base/layer_slider.js").Layer[]} */
  const layers = model.get("_layers");
  const whole = setChart(layers, kinds !== null, (name) => set("layer", name));
  events.add(controls.stop);
  events.add(whole.stop);
  const reset = h(
    "button",
    { class: "srsm-button srsm-reset", type: "button", hidden: true, onclick: () => zoom(null) },
    "show all images",
  );
  const card = readout(images, similarities);

  const root = h(
    "div",
    { class: "srsm srsm-rsm", "data-ready": "false", "data-large": isLarge },
    controls.root,
    h(
      "div",
      { class: "srsm-rsm-body" },
      h(
        "div",
        { class: "srsm-maps" },
        heatmap.root,
        h("div", { class: "srsm-who" }, search.field, bar.tool, bar.bar),
        search.panel,
        large?.root ?? null,
        ...panels.map((panel) => panel.root),
        h("div", { class: "srsm-maps-foot" }, legend, reset),
        whole.root,
      ),
      card.root,
    ),
    status.root,
  );
  el.append(root);
  // In an explorer the pair's values stick right below the controls, which grow when "More" opens and where they wrap.
  const observer = new ResizeObserver(() =>
    root.style.setProperty("--srsm-controls-height", `${controls.root.offsetHeight}px`),
  );
  observer.observe(controls.root);
  events.add(() => observer.disconnect());

  const nothing = () => new Uint8Array(rows.length ** 2).fill(MISSING_COLOUR);
  const frame = () => (large ? large.frame(sent) : sent.frames.get(model.get("layer"), model.get("kernel")));
  const isBounded = () => model.get("kernel") !== "inner product";
  const framesByLayer = () => layers.map(({ name }) => sent.frames.peek(name, model.get("kernel")));
  function drawLayers() {
    const frames = framesByLayer();
    const at = layers.findIndex(({ name }) => name === model.get("layer"));
    const rows = frames.map((each) => meanExcess(each, kinds, size));
    whole.show(rows, at, isBounded());
  }

  function read(shown = frame()) {
    const [i, j] = cell ?? model.get("pair");
    // Of a large set no layer's values are in the page: a chart of them would stay empty.
    if (!large) controls.profile(pairProfile(framesByLayer(), [i, j], size), isBounded());
    card.show(i, j, shown, cell === null, large?.cellWords(sent, cell) ?? "");
    pointAt(i === j ? null : [i, j]);
    panels.forEach((panel, k) => {
      panel.cursor(cell);
      panel.chosen(model.get("pair"));
      panel.describe(
        `${title(MAPS[k])} RSM of ${model.get("layer")}, ${model.get("kernel")}. ` +
          card.sentence(i, j, shown) +
          " Arrow keys move, Enter opens the pair, plus and minus zoom, S selects, with Shift a block.",
      );
    });
    root.dataset.cell = cell ? cell.join(",") : "";
    root.dataset.pair = model.get("pair").join(",");
  }
  /** @param {string} name */
  const title = (name) =>
    name === "difference" ? differenceName.textContent : name === "baseline" ? model.get("baseline") : name;

  // Where the pair stands among the others, under each heatmap: in the matrices that are drawn.
  /** @param {Pair | null} where */
  function pointAt(where) {
    if (large) {
      large.point(sent, where);
      return;
    }
    scales.forEach((scale, k) => {
      const matrix = where ? painted[k] : null;
      const isRanked = MAPS[k] === "semantic" && rows.length === size;
      scale.point(
        matrix && where ? matrix[where[0] * size + where[1]] : undefined,
        matrix && where && isRanked ? shareBelow(matrix, kinds, size, where) : null,
      );
    });
  }

  function draw() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      caption();
      arrange();
      if (large) {
        drawWindow(large);
        return;
      }
      const shown = frame();
      root.dataset.waiting = String(!shown);
      if (shown?.full) paint({ ...shown, full: shown.full });
      else blank(shown);
      read(shown);
      drawLayers();
      if (!shown) askAgain();
    });
  }

  /** @param {ReturnType<typeof largeView>} some */
  function drawWindow(some) {
    range = some.draw(sent, area);
    const shown = frame();
    if (shown) note(shown);
    Object.assign(root.dataset, some.facts(sent));
    read();
    if (shown && !cell) ask(model.get("pair"));
  }

  /** @param {Frame & { full: import("./matrices.js").Matrices }} shown */
  function paint(shown) {
    const excess = model.get("excess");
    const view = shownMatrices(
      shown,
      { baseline: model.get("baseline"), excess, locked: model.get("colour_range") },
      size,
    );
    range = view.range;
    painted = view.matrices;
    const coming = model.get("_status")?.state === "waiting" ? "not matched yet" : "matching …";
    const isPart = rows.length < size;
    MAPS.forEach((name, k) => {
      const whole = view.matrices[k];
      const matrix = whole && isPart ? taken(whole, rows, size) : whole;
      /** @type {Range} */
      const scale = name === "difference" ? [-view.reach, view.reach] : view.range;
      const colours = matrix ? colourIndices(matrix, scale, isPart ? null : rows, rows.length) : nothing();
      maps[k].setImage(name, colours, rows.length, rows.length);
      panels[k].missing(matrix ? "" : coming);
      if (!matrix) {
        scales[k].clear();
        return;
      }
      const level = name === "semantic" && shown.null ? (excess ? 0 : shown.null.mean) : null;
      scales[k].show({
        range: scale,
        shares: spread(matrix, kindsShown, scale, BINS, rows.length),
        level,
        readable: level === null || !shown.null ? null : level + Number(readableFrom(shown.null)) - shown.null.mean,
        auc: isPart ? null : (shown.auc?.[name === "baseline" ? model.get("baseline") : name] ?? null),
        labelled: kinds !== null,
        kept: name !== "difference" && model.get("colour_range") !== null,
        title:
          name === "difference"
            ? "Purple: semantic is above the baseline; orange: below. White is no difference."
            : "Both levels share this colour range. The diagonal is left out of it." +
              (shown.sigma ? ` RBF: σ = ${format(shown.sigma, 3)}, shared by all.` : ""),
      });
    });
    note(shown);
    if (!bokehWanted) {
      bokehWanted = true;
      whenIdle(paintWithBokeh); // its script is a second's work, which nobody shall wait for
    }
  }

  /**
   * Never the old picture under a new name.
   *
   * @param {Frame | null} shown
   */
  function blank(shown) {
    painted = [];
    MAPS.forEach((name, k) => {
      maps[k].setImage(name, nothing(), rows.length, rows.length);
      panels[k].missing(shown?.reason ? "not defined" : "computing …");
      scales[k].clear();
    });
    if (shown) note(shown);
  }

  /** @param {Frame} shown */
  function note(shown) {
    Object.assign(root.dataset, {
      undefined: String(Boolean(shown.reason)),
      layer: shown.layer,
      kernel: shown.kernel,
      complete: String(shown.complete),
      baseline: model.get("baseline"),
      order: model.get("order"),
      selected: model.get("selected"),
      rows: isLarge ? "" : rows.join(","),
      excess: String(model.get("excess")),
      range: (range ?? []).join(","),
      ready: "true",
      painter,
    });
  }

  function caption() {
    controls.update();
    baseline.set(model.get("baseline"));
    root.dataset.heatmap = model.get("heatmap");
    heatmap.set(model.get("heatmap") === "baseline" ? model.get("baseline") : model.get("heatmap"));
    baselineWords.textContent = captionOf(similarities, model.get("baseline"));
    const semantic = captionOf(similarities, "semantic");
    semanticWords.textContent = model.get("excess") ? " excess over unrelated tokens" : ` ${semantic}`;
    differenceName.textContent = differenceName.title = `semantic ${MINUS} ${model.get("baseline")}`;
  }

  function arrange() {
    const [order, selected] = [model.get("order"), model.get("selected")];
    /** @type {number[]} */
    const selection = model.get("selection");
    const sequence = model.get("_sequence");
    const now = [order, sequence, ...(selected === "marked" ? [] : [selected, selection])].join(";");
    if (now === arranged) return;
    arranged = now;
    const before = rows.length;
    rows = rowsOf({ order, sequence, selection, selected }, size);
    places = new Array(size).fill(-1);
    rows.forEach((image, place) => {
      places[image] = place;
    });
    kindsShown = rows.length < size ? pairKinds(rows.map((image) => images[image])) : kinds;
    const groups = order === "label" ? groupsOf(rows, images) : [];
    const borders = groups.slice(1).map(({ first }) => first);
    if (selected === "first" && selection.length && selection.length < size) borders.push(selection.length);
    if (rows.length !== before) zoom(null);
    for (const panel of panels) panel.arrange(rows, places, borders, groups, area);
    search.images(images, rows);
  }

  function mark() {
    marks = { ...marks, selected: new Set(model.get("selection")) };
    for (const panel of panels) panel.mark(marks);
    search.selected(marks.selected);
    bar.update(marks.selected.size, model.get("selected"), model.get("_below"));
    root.dataset.selection = model.get("selection").join(",");
  }

  /** @param {Square | null} next */
  function zoom(next) {
    area = next ?? { row: 0, column: 0, side: rows.length };
    reset.hidden = area.side === rows.length;
    root.dataset.zoom = reset.hidden ? "" : [area.row, area.column, area.side].join(",");
    for (const panel of panels) panel.zoom(area);
    for (const map of maps) map.setArea(area, rows.length);
    askThumbnails();
    large?.ask(sent, area);
  }

  // Of many images the kernel sends those along the axes once there are few in sight.
  function askThumbnails() {
    if (size === sent.thumbnails.length || area.side > THUMBNAILS_ON_AXES || frame()?.exact) return;
    const inSight = [area.row, area.column].flatMap((first) => rows.slice(first, first + area.side));
    const indices = [...new Set(inSight)].filter((image) => !sent.thumbnails[image] && !thumbnailsAsked.has(image));
    for (const image of indices) thumbnailsAsked.add(image);
    if (indices.length) model.send({ kind: "thumbnails", indices });
  }

  async function paintWithBokeh() {
    if (isOver) return;
    try {
      const Bokeh = await loadBokeh(model);
      model.send({ kind: "figures" });
      const items = await sent.figures;
      if (isOver) return;
      const before = maps;
      const found = await Promise.all(items.map((item, k) => embedFigure(Bokeh, item, panels[k].canvas, () => isOver)));
      const made = found.flatMap((map) => map ?? []);
      if (isOver || made.length < items.length) {
        for (const map of made) map.remove(); // the view was closed while they were made
        return;
      }
      maps = made;
      painter = "bokeh";
      zoom(area);
      draw();
      // Not before the new ones are drawn: nothing flickers.
      requestAnimationFrame(() => {
        for (const map of before) map.remove();
      });
    } catch (error) {
      status.fail(String(error instanceof Error ? error.message : error));
    }
  }

  /** @param {Pair | null} where */
  const point = (where) => {
    cell = where;
    read();
    if (where) ask(where);
  };
  /** @param {Pair} where */
  const choose = (where) => {
    set("pair", where);
    root.dispatchEvent(new CustomEvent(PAIR_OPENED, { bubbles: true }));
  };
  // Where the browser has rounded values and no thumbnails, the kernel is asked for the cell once the pointer rests.
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @param {Pair} where */
  function ask([i, j]) {
    if (frame()?.exact && sent.thumbnails.length) return;
    clearTimeout(timer);
    timer = setTimeout(() => model.send({ kind: "value", i, j }), 120);
  }
  // A frame that was dropped to save memory is asked for once; one that is still to come, comes anyway.
  function askAgain() {
    const [layer, kernel] = [model.get("layer"), model.get("kernel")];
    if (asked === `${layer}\n${kernel}` || !sent.isAnswered || model.get("_status")?.state !== "ready") return;
    asked = `${layer}\n${kernel}`;
    model.send({ kind: "frame", layer, kernel });
  }
  for (const panel of panels) {
    const current = () => cell ?? model.get("pair");
    panel.listen({ point, choose, zoom, current, selects: bar.isSelecting, select, toggle });
  }

  for (const name of [
    "layer",
    "kernel",
    "pair",
    "baseline",
    "heatmap",
    "order",
    "excess",
    "colour_range",
    "_sequence",
    "_sequence_note",
    "selected",
    "selection",
    "_below",
    "statistic",
  ]) {
    events.on(`change:${name}`, () => {
      if (name === "layer" || name === "kernel") asked = "";
      if (name === "selected" || name === "selection" || name === "_below") mark();
      draw();
    });
  }
  events.on("change:_status", () => {
    if (!frame()?.complete) draw();
  });
  mark();
  draw();

  return {
    draw,
    windowCame() {
      if (!large || isOver) return;
      large.came();
      drawWindow(large); // at once: to wait for a frame and then draw would show it a frame later
    },
    thumbnails() {
      card.thumbnails(sent.thumbnails);
      for (const panel of panels) panel.thumbnails(sent.thumbnails);
      search.thumbnails(sent.thumbnails);
      read();
    },
    /** @param {any} message the kernel's answer to a hover */
    value({ thumbnails, ...message }) {
      card.late(message, thumbnails.map(jpegUrl));
      read();
    },
    stop() {
      clearTimeout(timer);
      events.stop();
      search.stop();
      large?.stop();
      for (const panel of panels) panel.stop();
      isOver = true;
      for (const map of maps) map.remove();
    },
  };
}
