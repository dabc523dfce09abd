// The certificate as a plot: the best bound comes down, the value comes up, and what is between them is unproven.

import { h, setAttributes, svg } from "../base/dom.js";
import { fine, standing } from "./words.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {{ name: string, title: string, value: number }} Level a line to compare with */

const [HEIGHT, LEFT, TOP, BOTTOM] = [168, 6, 8, 22];
// Between a line's end and its name, and the share of the plot that the names may take.
const [LEAD, MOST_NAMES] = [16, 0.65];
// From one name to the next, at the type's size.
const NAME_STEP = 15;
// A phase narrower than this, at the type's size, has no room for its ε.
const ROOM_FOR_EPS = 62;

/**
 * @param {(step: number) => void} go to a step that was pointed at
 * @param {HTMLElement} legend
 */
export function auctionPlot(go, legend) {
  const drawing = svg("svg", { class: "srsm-certificate", role: "img" });
  const root = h("figure", { class: "srsm-auction-plot" }, drawing, legend);
  /** @type {Trace | null} */
  let trace = null;
  /** @type {Level[]} */
  let levels = [];
  let [at, hidden, width, end] = [0, false, 0, 0];
  const clip = `srsm-clip-${Math.random().toString(36).slice(2)}`;

  /** @type {(event: PointerEvent) => void} */
  const seek = (event) => {
    if (!trace) return;
    const box = drawing.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / (end - LEFT);
    const last = trace.steps.length - 1;
    go(Math.max(0, Math.min(last, Math.round(share * last))));
  };
  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture?.(event.pointerId);
    seek(event);
  });
  drawing.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) seek(event);
  });

  function draw() {
    drawing.replaceChildren();
    if (!trace || width < 60) return;
    const { steps } = trace;
    const n = steps[0].owners.length;
    const last = Math.max(1, steps.length - 1);
    const proofs = steps.filter((step) => step.kind === "prove").map((step) => step.value);
    const high = Math.max(...steps.map((step) => step.bound));
    const least = Math.min(...levels.map((each) => each.value), ...proofs, high);
    const low = least - 0.08 * (high - least || Math.abs(high) || 1);
    setAttributes(drawing, { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT });
    const names = namesNow().map(({ name, words, value }) => {
      const node = svg("text", { class: `srsm-plot-name srsm-plot-${name}` });
      node.textContent = words;
      drawing.append(node);
      return { name, node, value };
    });
    // The names are whole: the plot takes what they leave.
    const room = LEAD + Math.ceil(Math.max(...names.map(({ node }) => node.getComputedTextLength?.() ?? 0)));
    end = Math.max(LEFT + 20, width - Math.min(room, MOST_NAMES * width));
    /** @param {number} k */
    const x = (k) => LEFT + ((end - LEFT) * k) / last;
    /** @param {number} value */
    const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * (value - low)) / (high - low || 1);
    const window = svg("clipPath", { id: clip });
    window.append(svg("rect", { x: LEFT, y: 0, width: end - LEFT, height: HEIGHT - BOTTOM }));
    drawing.append(window);
    const inside = svg("g", { "clip-path": `url(#${clip})` });
    /** @type {(d: string, look: string, into?: SVGElement) => void} */
    const path = (d, look, into = inside) => into.append(svg("path", { d, class: look }));
    /** @type {(x: number, y: number, words: string, look: string, anchor?: string) => void} */
    const text = (left, top, words, look, anchor = "start") => {
      const node = svg("text", { x: left, y: top, class: look, "text-anchor": anchor });
      node.textContent = words;
      drawing.append(node);
    };
    // Phases, each under its ε.
    const starts = steps.flatMap((step, k) => (step.kind === "phase" ? [k] : []));
    starts.forEach((k, phase) => {
      const to = starts[phase + 1] ?? last;
      path(`M${x(k)} ${TOP}V${HEIGHT - BOTTOM + 4}`, "srsm-plot-phase", drawing);
      if (x(to) - x(k) > ROOM_FOR_EPS * typeScale())
        text(x(k) + 4, HEIGHT - 6, `ε ${fine(steps[k].eps)}`, "srsm-plot-eps");
    });
    path(`M${LEFT} ${HEIGHT - BOTTOM}H${end}`, "srsm-plot-phase", drawing);
    for (const { name, value } of levels) path(`M${LEFT} ${y(value)}H${end}`, `srsm-plot-level srsm-plot-${name}`);
    /** @type {(from: number, to: number, of: (k: number) => number) => string} */
    const stairs = (from, to, of) => {
      let d = `M${x(from)} ${y(of(from))}`;
      for (let k = from + 1; k <= to; k += 1) d += `H${x(k)}V${y(of(k))}`;
      return d;
    };
    /** @type {(from: number, to: number, look: string) => void} */
    const lines = (from, to, look) => {
      if (to < from) return;
      const first = steps.findIndex((step) => step.kind === "prove");
      if (first >= 0 && first <= to) {
        const begin = Math.max(from, first);
        const back = [];
        for (let k = to; k > begin; k -= 1) back.push(`V${y(steps[k].bestValue)}H${x(k - 1)}`);
        path(
          `${stairs(begin, to, (k) => steps[k].bestBound)}${back.join("")}V${y(steps[begin].bestValue)}Z`,
          `srsm-plot-band ${look}`,
        );
        path(
          stairs(begin, to, (k) => steps[k].bestValue),
          `srsm-plot-best-value ${look}`,
        );
      }
      path(
        stairs(from, to, (k) => steps[k].bound),
        `srsm-plot-bound ${look}`,
      );
      path(
        stairs(from, to, (k) => steps[k].value),
        `srsm-plot-partial ${look}`,
      );
      path(
        stairs(from, to, (k) => steps[k].bestBound),
        `srsm-plot-best-bound ${look}`,
      );
      for (let k = from; k <= to; k += 1)
        if (steps[k].held === n && steps[k].kind === "prove")
          inside.append(svg("circle", { cx: x(k), cy: y(steps[k].value), r: 3.4, class: `srsm-plot-proof ${look}` }));
    };
    if (!hidden) lines(at, steps.length - 1, "srsm-plot-ahead");
    lines(0, at, "");
    path(`M${x(at)} ${TOP - 4}V${HEIGHT - BOTTOM}`, "srsm-plot-now", drawing);
    drawing.append(inside);
    // Names at the right, moved apart where they would overlap.
    const gap = NAME_STEP * typeScale();
    const places = names.map(({ value }) => y(value));
    for (let k = 1; k < places.length; k += 1) places[k] = Math.max(places[k], places[k - 1] + gap);
    for (let k = places.length - 1, lowest = HEIGHT - 8; k >= 0; k -= 1, lowest = places[k + 1] - gap)
      places[k] = Math.min(places[k], lowest);
    names.forEach(({ name, node, value }, k) => {
      path(`M${end} ${y(value)}L${end + 12} ${places[k]}`, `srsm-plot-lead srsm-plot-${name}`, drawing);
      setAttributes(node, { x: end + LEAD, y: places[k] + 4 });
    });
    const step = steps[at];
    drawing.setAttribute(
      "aria-label",
      `Value and bound over the steps. Step ${at + 1}: ${standing(step, n)}. ${levels.map((each) => `${each.title} ${fine(each.value)}`).join(", ")}.`,
    );
  }

  /** What stands at the right, from the top. */
  function namesNow() {
    if (!trace) return [];
    const { bestBound, bestValue } = trace.steps[at];
    const value = { name: "best-value", words: `value ${fine(bestValue)}`, value: bestValue };
    return [
      { name: "best-bound", words: `best bound ${fine(bestBound)}`, value: bestBound },
      ...(Number.isFinite(bestValue) ? [value] : []),
      ...levels.map((each) => ({ name: each.name, words: `${each.title} ${fine(each.value)}`, value: each.value })),
    ].sort((a, b) => b.value - a.value);
  }
  const typeScale = () => Number.parseFloat(getComputedStyle(root).getPropertyValue("--srsm-type")) || 1;
  const observer = new ResizeObserver(() => {
    width = root.clientWidth;
    draw();
  });
  observer.observe(root);
  observer.observe(legend); // it grows with the type

  return {
    root,
    /**
     * @param {Trace} given
     * @param {Level[]} compared
     */
    tell(given, compared) {
      [trace, levels] = [given, compared];
    },
    /**
     * @param {number} step
     * @param {boolean} hide what is to come
     */
    show(step, hide) {
      [at, hidden] = [step, hide];
      draw();
    },
    stop() {
      observer.disconnect();
    },
  };
}
