// AuctionStepper: a certified auction, step by step. The auction is told here (trace.js), so no step asks the kernel.

import { badgeOf, segmented } from "../base/controls.js";
import { h } from "../base/dom.js";
import { listenToKeys } from "../base/grid_pointer.js";
import { helpButton } from "../base/help.js";
import { layerSlider } from "../base/layer_slider.js";
import { listeners, offers, setter } from "../base/model.js";
import { statusLine } from "../base/status_line.js";
import { asItIs, messageWidget, withUrls } from "../base/widget.js";
import { placeColours } from "../pair/marks.js";
import { auctionBoard, boardSize } from "./board.js";
import { stepCard } from "./card.js";
import { auctionPlot } from "./plot.js";
import { auctionScene } from "./scene.js";
import { auctionSettings } from "./settings.js";
import { auctionTrace, nextOf, profitsOf, reachOf } from "./trace.js";
import { transport } from "./transport.js";
import { explain, judge, namesOf } from "./words.js";

/** @typedef {import("../base/model.js").Model} Model */
/** @typedef {import("../base/placed.js").Box} Box */
/** @typedef {import("./trace.js").Trace} Trace */

/**
 * @typedef {object} Auction
 * @property {number[][]} affinity
 * @property {number[]} plan ε of each phase, unless another is wanted
 * @property {import("./plot.js").Level[]} levels to compare with
 * @property {[number, number] | null} grid of the rows and of the columns; null where they are no patches
 * @property {string} layer
 * @property {[number, number]} pair
 * @property {string} words where the affinities come from
 */

/** @typedef {{ pair: [number, number], urls: string[], boxes: Box[], problems: string[] }} Pictures */

export default () => messageWidget({ pictures: withUrls, auction: asItIs }, auctionStepper);

/**
 * @param {Model} model
 * @param {HTMLElement} el
 */
function auctionStepper(model, el) {
  const events = listeners(model);
  const set = setter(model);
  const status = statusLine(model);
  events.add(status.stop);
  /** @type {Auction | null} */
  let auction = null;
  /** @type {Pictures | null} */
  let pictures = null;
  /** @type {Trace | null} */
  let trace = null;
  /** @type {string[]} */
  let colours = [];
  /** @type {number[]} */
  let phases = []; // of the plan that was wished for; empty: that of the auction
  let asking = false; // whether the column of the next bid is being asked for
  let score = { right: 0, asked: 0 };
  /** @type {{ right: boolean, words: string } | null} */
  let verdict = null; // on the last bid of one's own
  let names = namesOf(false);
  /** @type {[number, number]} */
  let pointed = [-1, -1];

  const now = () => Math.min(model.get("step"), last());
  const last = () => (trace ? trace.steps.length - 1 : 0);

  // -- moving through the auction --------------------------------------------------------------------------------------

  /** @param {number} step */
  function go(step) {
    asking = false;
    verdict = null;
    if (step === now()) show();
    else set("step", step);
  }
  function forward() {
    if (!trace || now() === last()) return false;
    if (model.get("your_bid") && !asking && trace.steps[now() + 1].row >= 0) {
      asking = true;
      verdict = null;
      show();
      return false;
    }
    go(now() + 1);
    return true;
  }
  /** @type {(row: number, column: number) => void} */
  function choose(row, column) {
    if (!trace || !auction || !asking) return;
    const [before, step] = [trace.steps[now()], trace.steps[now() + 1]];
    if (row !== step.row) return;
    verdict = judge(auction.affinity, before, step, column, names);
    score = { right: score.right + Number(verdict.right), asked: score.asked + 1 };
    asking = false;
    set("step", now() + 1);
  }
  /** @type {(row: number, column: number) => void} */
  function point(row, column) {
    if (row === pointed[0] && column === pointed[1]) return;
    pointed = [row, column];
    scene.mark(row, column);
    root.dataset.pointed = pointed.join(",");
    if (model.get("_linked")) set("pointed", pointed);
  }

  // -- what is on the page ---------------------------------------------------------------------------------------------

  const title = h("span", { class: "srsm-title" });
  const moves = transport({
    phases: () => trace?.plan.length ?? 1,
    go,
    now,
    last,
    forward,
    jump: (kind) => go(trace ? nextOf(trace.steps, now(), kind) : 0),
  });
  const settings = auctionSettings(
    {
      yourBid: (on) => set("your_bid", on),
      eps: (eps) => restart({ eps: eps === null ? phases : [eps] }),
      order: (order) => restart({ order }),
      size: () => auction?.affinity.length ?? 0,
    },
    moves.jumps,
  );
  const board = auctionBoard({ choose, point });
  const card = stepCard();
  const scene = auctionScene((side, token) => point(side === 0 ? token : partnerOf(token), side === 1 ? token : -1));
  const legend = h("figcaption", { class: "srsm-plot-legend" });
  const plot = auctionPlot(go, legend);
  const layers = model.get("_layers");
  const isOffered = offers(model, "layers") && layers.length > 0;
  const slider = isOffered ? layerSlider(layers, (name) => set("layer", name)) : null;
  /** @type {[string, string][]} */
  const sizes = [2, 3, 4].map((side) => [String(side), `${side}×${side}`]);
  const grid = segmented("patches", sizes, String(model.get("grid")), (side) => set("grid", Number(side)));
  const root = h(
    "div",
    {
      class: "srsm srsm-stepper",
      tabindex: 0,
      "data-ready": "false",
      "data-lm-suppress-shortcuts": "true",
      "aria-label": "Auction. Arrow keys step, Home and End jump, space plays.",
    },
    h("div", { class: "srsm-head" }, title, status.root, helpButton()),
    slider
      ? h(
          "div",
          { class: "srsm-controls srsm-stepper-layers" },
          slider.root,
          h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "pooled to"), grid.root),
        )
      : null,
    moves.root,
    settings.root,
    h(
      "div",
      { class: "srsm-stepper-body" },
      board.root,
      h("div", { class: "srsm-stepper-side" }, card.root, scene.root),
    ),
    plot.root,
  );
  moves.listen(root);
  listenToKeys(root, ({ key }) => {
    if (!asking || !trace || !/^\d$/.test(key) || Number(key) >= trace.order.length) return false;
    choose(trace.steps[now() + 1].row, Number(key));
    return true;
  });
  el.append(root);

  /** @param {number} column that is held by a row */
  const partnerOf = (column) => (trace && column >= 0 ? trace.steps[now()].owners[column] : -1);

  /** @param {Record<string, any>} changes of how the auction is run */
  function restart(changes) {
    moves.pause();
    for (const [name, value] of Object.entries({ ...changes, step: 0 })) model.set(name, value);
    model.save_changes();
  }

  function tell() {
    if (!auction) return;
    const eps = model.get("eps");
    if (eps.length !== 1) phases = eps;
    const rows = auction.affinity.map((_, k) => k);
    const order = model.get("order");
    trace = auctionTrace(
      auction.affinity,
      eps.length ? eps : auction.plan,
      order.length === rows.length ? order : rows,
      model.get("_most_bids"),
    );
    score = { right: 0, asked: 0 };
    asking = false;
    verdict = null;
    plot.tell(trace, auction.levels);
    show();
  }

  function show() {
    if (!trace || !auction) return;
    const at = now();
    const step = trace.steps[at];
    const next = trace.steps[at + 1];
    const bidder = next?.row ?? -1;
    const isMine = model.get("your_bid");
    board.show(step, bidder, asking);
    scene.show(step);
    plot.show(at, isMine);
    moves.show(step);
    settings.show(trace, { isMine, own: ownEps(), shuffled: model.get("order").length > 0 });
    card.count(score);
    if (asking) {
      const row = names.row(bidder);
      card.ask(
        `Your bid for ${row}: which column?`,
        `Choose the cell of its row that leaves the most: its number less the column’s price. Click it or press its number; go on to see.`,
      );
    } else {
      const [head, text] = explain(trace, at, names);
      card.show([head, text], bidsOf(at), waiting(step), verdict);
    }
    const n = auction.affinity.length;
    legend.replaceChildren(...legendOf(step, n));
    root.dataset.step = String(at);
    root.dataset.steps = String(trace.steps.length);
    root.dataset.kind = step.kind;
    root.dataset.asking = String(asking);
    root.dataset.value = String(step.value);
    root.dataset.bound = String(step.bestBound);
  }

  const ownEps = () => {
    const eps = model.get("eps");
    return eps.length === 1 ? eps[0] : null;
  };

  /** @param {number} at */
  function bidsOf(at) {
    if (!trace || !auction) return [];
    const step = trace.steps[at];
    if (step.row < 0) return [];
    const [row, prices] = [auction.affinity[step.row], trace.steps[at - 1].prices];
    const profits = profitsOf(row, prices);
    const reach = reachOf(auction.affinity);
    const other = profits.findIndex((value, k) => k !== step.column && value === step.second);
    return [step.column, other]
      .filter((k) => k >= 0)
      .map((k) => ({
        name: names.column(k),
        affinity: row[k],
        price: prices[k],
        profit: profits[k],
        share: Math.max(0, 1 - (step.best - profits[k]) / reach),
      }));
  }

  /** @param {import("./trace.js").Step} step */
  const waiting = (step) => (step.queue.length ? `Next: ${step.queue.map(names.row).join(", ")}` : "Nobody waits.");

  /** @type {(step: import("./trace.js").Step, n: number) => Node[]} */
  function legendOf(step, n) {
    const is = (/** @type {string} */ look, /** @type {string} */ words) => h("span", { class: look }, words);
    return [
      is("srsm-says srsm-says-bound", "best bound: no matching is worth more"),
      is("srsm-says srsm-says-thin", "bound of the prices now"),
      is("srsm-says srsm-says-value", "value of the best finished phase"),
      is("srsm-says srsm-says-partial", step.held === n ? "value now" : `value now: ${step.held} of ${n} hold`),
      is("srsm-says srsm-says-band", "unproven"),
    ];
  }

  function showTitle() {
    const [a, b] = model.get("pair").map((/** @type {number} */ k) => model.get("_images")[k]?.id);
    const of = auction?.grid ? ` · ${a} → ${b} · ${auction.words}` : auction ? ` · ${auction.words}` : "";
    title.replaceChildren("Auction", h("small", {}, `${of} `), badgeOf(model.get("_model_badge")) ?? "");
  }

  function build() {
    if (!auction) return;
    const { affinity, grid: shape } = auction;
    const known = pictures && String(pictures.pair) === String(auction.pair) ? pictures : null;
    const sides = known && shape ? known.urls.map((url, k) => ({ url, box: known.boxes[k], grid: shape })) : [];
    names = namesOf(Boolean(shape));
    colours = placeColours(
      affinity.map((_, k) => k),
      shape ?? [1, affinity.length],
      model.get("_corners"),
    );
    // what the style needs to know of its parts
    root.dataset.size = boardSize(affinity.length);
    root.dataset.pictured = String(sides.length > 0);
    board.build(affinity, sides.length ? sides : [null, null], names, colours);
    scene.colour(colours);
    scene.build(
      sides,
      model.get("pair").map((/** @type {number} */ k) => model.get("_images")[k]?.id ?? ""),
      known?.problems ?? [],
    );
    showTitle();
    tell();
  }
  function showAge() {
    const stale =
      auction?.grid &&
      (auction.layer !== model.get("layer") ||
        auction.grid[0] !== model.get("grid") ||
        String(auction.pair) !== String(model.get("pair")));
    root.dataset.stale = String(Boolean(stale));
    slider?.set(model.get("layer"));
    grid.set(String(model.get("grid")));
  }

  events.on("change:step", () => {
    if (!asking) show();
    else go(now());
  });
  events.on("change:your_bid", () => {
    asking = false;
    show();
  });
  events.on("change:eps", tell);
  events.on("change:order", tell);
  events.on("change:_images", showTitle);
  for (const name of ["layer", "grid", "pair"]) events.on(`change:${name}`, showAge);
  events.add(moves.stop);
  events.add(plot.stop);
  events.add(scene.stop);
  showTitle();
  showAge();

  return {
    /** @param {Pictures} next */
    pictures(next) {
      pictures = next;
      build();
    },
    /** @param {Auction} next */
    auction(next) {
      auction = next;
      build();
      showAge();
      root.dataset.ready = "true";
    },
    stop() {
      events.stop();
    },
  };
}
