// The three heatmaps of more images than a page could hold: the window in sight, asked for as one zooms.

import { segmented } from "../base/controls.js";
import { h } from "../base/dom.js";
import { readableFrom } from "../pair/trust.js";
import {
  cellAt,
  cellColours,
  cellWords,
  has,
  MOST_CELLS,
  viewWords,
  windowMatrices,
  windowPaint,
  windowRequests,
} from "./large.js";

/** @typedef {import("../base/bokeh_pane.js").Square} Square */
/** @typedef {import("./heatmap.js").Pair} Pair */
/** @typedef {import("./large.js").Whole} Whole */
/** @typedef {import("./large.js").Window & { baseline: string }} Window */
/** @typedef {import("./matrices.js").Range} Range */
/** @typedef {{ whole: Whole | null, window: Window | null, isAnswered: boolean }} Sent */

const NAMES = ["baseline", "semantic", "difference"];
const LEAST_CELLS = 16; // a side, of a heatmap that is not laid out yet
const [MEAN, LARGEST] = ["mean", "largest"];
const REST_MS = 250; // so long the pointer rests before largest values are asked for that are only told

/**
 * @param {object} given
 * @param {import("../base/model.js").Model} given.model
 * @param {number} given.size how many images
 * @param {ReturnType<typeof import("./heatmap.js").heatmapPanel>[]} given.panels
 * @param {ReturnType<typeof import("./distribution.js").distribution>[]} given.scales
 * @param {string[][]} given.palettes
 * @param {(name: string, value: any) => void} given.set
 */
export function largeView({ model, size, panels, scales, palettes, set }) {
  const maps = panels.map((panel, k) => windowPaint(panel.canvas, palettes[k], size));
  const requests = windowRequests((wish) => model.send({ kind: "window", ...wish }));
  const statistic = segmented(
    "what the colour of a cell of several pairs is",
    [
      [MEAN, MEAN],
      [LARGEST, LARGEST],
    ],
    model.get("statistic"),
    (name) => set("statistic", name),
  );
  const cellsAre = h("span", { class: "srsm-cells-are", role: "status" });
  const root = h("div", { class: "srsm-overview" }, cellsAre, statistic.root);
  /** @type {Float32Array[]} */
  let painted = []; // what the heatmaps show
  /** @type {{ whole: Whole, isExcess: boolean, kept: string, range: Range } | null} */
  let scaled = null; // what the scales show: it is the same in every window
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;

  /** @type {<Shown extends { layer: string, kernel: string, baseline: string }>(shown: Shown | null) => Shown | null} */
  const ifWanted = (shown) =>
    shown &&
    shown.layer === model.get("layer") &&
    shown.kernel === model.get("kernel") &&
    shown.baseline === model.get("baseline")
      ? shown
      : null;

  /**
   * The colours and distributions of all pairs, whatever is in sight.
   *
   * @param {Whole} whole
   * @returns {Range} of the levels
   */
  function drawScales(whole) {
    const [isExcess, kept] = [model.get("excess"), String(model.get("colour_range"))];
    if (scaled?.whole === whole && scaled.isExcess === isExcess && scaled.kept === kept) return scaled.range;
    const level = whole.null?.mean ?? 0;
    const own = /** @type {Range} */ ([Math.min(0, whole.range[0] - (isExcess ? level : 0)), whole.range[1]]);
    /** @type {Range} */
    const range = model.get("colour_range") ?? own;
    const isOwn = !isExcess && String(range) === String(whole.range); // that on which the pairs were counted
    NAMES.forEach((name, k) => {
      const isDifference = name === "difference";
      const shares = isOwn || (isDifference && !isExcess) ? Float64Array.from(whole.spreads[name]) : null;
      scales[k].show({
        range: isDifference ? [-whole.reach, whole.reach] : range,
        shares: [null, shares],
        level: name === "semantic" && whole.null ? (isExcess ? 0 : level) : null,
        readable: name === "semantic" && whole.null ? Number(readableFrom(whole.null)) - (isExcess ? level : 0) : null,
        labelled: false,
        kept: !isDifference && model.get("colour_range") !== null,
        title: isDifference
          ? "Purple: semantic is above the baseline; orange: below. A cell of several pairs shows the difference of " +
            `their means. The curve is that of a sample of ${whole.sampled.toLocaleString("en")} pairs.`
          : "Both levels share these colours, from afar and from near: those of all pairs but one in 5,000.",
      });
    });
    scaled = { whole, isExcess, kept, range };
    return range;
  }

  return {
    root,
    maps,
    /**
     * What the read-out needs to know, as it has it of a frame.
     *
     * @param {Sent} sent
     */
    frame(sent) {
      const whole = ifWanted(sent.whole);
      if (!whole) return null;
      const { layer, kernel, sigma } = whole;
      return /** @type {import("./matrices.js").Frame} */ ({
        ...{ layer, kernel, sigma, null: whole.null, complete: true, exact: false },
        ...{ matrices: [], packed: [], full: null },
      });
    },
    /**
     * @param {Sent} sent
     * @param {Square} area
     * @returns {Range | null} the colours' range
     */
    draw(sent, area) {
      const whole = ifWanted(sent.whole);
      const window = ifWanted(sent.window);
      statistic.set(model.get("statistic"));
      const range = whole && drawScales(whole);
      if (!whole || !window || !range) {
        painted = [];
        for (const map of maps) map.clear();
        for (const panel of panels) panel.missing(sent.isAnswered ? "reading …" : "computing …");
        if (!whole) {
          scaled = null;
          for (const scale of scales) scale.clear();
        }
        cellsAre.textContent = "";
        return range;
      }
      const level = model.get("excess") ? (whole.null?.mean ?? 0) : 0;
      const shown = has(window, model.get("statistic")) ? model.get("statistic") : MEAN; // until the largest come
      painted = windowMatrices(window, { statistic: shown, level });
      NAMES.forEach((name, k) => {
        maps[k].setWindow(cellColours(painted[k], name === "difference" ? [-whole.reach, whole.reach] : range), window);
        panels[k].missing("");
      });
      cellsAre.textContent = viewWords(window.side, shown);
      statistic.root.hidden = window.side === 1;
      this.ask(sent, area);
      return range;
    },
    /**
     * What tests and styles may know.
     *
     * @param {Sent} sent
     */
    facts(sent) {
      const [whole, window] = [ifWanted(sent.whole), ifWanted(sent.window)];
      return {
        waiting: String(!whole),
        ready: String(Boolean(whole && window)),
        window: window ? [...window.rows, ...window.columns, window.side].join(",") : "",
      };
    },
    /**
     * What the cell under the pointer holds, where it is several pairs. Largest values come once the pointer rests: a
     * zoom does not wait for them.
     *
     * @param {Sent} sent
     * @param {Pair | null} cell
     */
    cellWords(sent, cell) {
      const window = ifWanted(sent.window);
      const found = cell && window && window.side > 1 ? cellAt(window, cell) : null;
      clearTimeout(resting);
      if (found && window && !has(window, LARGEST))
        resting = setTimeout(() => {
          if (ifWanted(sent.window) === window) requests.wish(window.asked, [LARGEST]);
        }, REST_MS);
      return found && window ? cellWords(found, window.side, model.get("baseline")) : "";
    },
    /**
     * Marks a pair's cell under each heatmap.
     *
     * @param {Sent} sent
     * @param {Pair | null} pair
     */
    point(sent, pair) {
      const window = ifWanted(sent.window);
      const at = pair && window ? cellAt(window, pair)?.at : undefined;
      scales.forEach((scale, k) => scale.point(at === undefined ? undefined : painted[k]?.[at]));
    },
    /**
     * Asks for what is in sight, in as many cells as there are pixels, unless it is there.
     *
     * @param {Sent} sent
     * @param {Square} area
     */
    ask(sent, area) {
      if (!ifWanted(sent.whole)) return;
      const width = Math.max(...panels.map((panel) => panel.surface.clientWidth));
      const pixels = Math.round(width * (globalThis.devicePixelRatio || 1));
      const cells = Math.min(MOST_CELLS, Math.max(LEAST_CELLS, pixels));
      const window = ifWanted(sent.window);
      const side = 2 ** Math.max(0, Math.ceil(Math.log2(area.side / cells)));
      /** @type {(held: [number, number], first: number) => boolean} */
      const holds = ([first, end], start) => first <= start && end >= Math.min(size, start + area.side);
      const isThere = window?.side === side && holds(window.rows, area.row) && holds(window.columns, area.column);
      const isLargest = model.get("statistic") === LARGEST;
      if (!isThere) requests.wish({ ...area, cells }, isLargest ? [MEAN, LARGEST] : [MEAN]);
      else if (isLargest && !has(window, LARGEST)) requests.wish(window.asked, [LARGEST]);
    },
    came: requests.came,
    stop() {
      clearTimeout(resting);
    },
  };
}
