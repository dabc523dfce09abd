// The chart over the layer slider, and the one of the whole set: the numbers, where they stand, what is missing.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  areaPath,
  KNOB,
  layerChart,
  layerUnder,
  pathOf,
  placesOf,
  scaleOf,
} from "../../semrsm_widgets/views/base/layer_chart.js";
import { layerSlider } from "../../semrsm_widgets/views/base/layer_slider.js";
import { unpack } from "../../semrsm_widgets/views/base/wire.js";
import { profileRows, readProfile } from "../../semrsm_widgets/views/pair/profile.js";
import { meanExcess, pairProfile, setChart } from "../../semrsm_widgets/views/rsm/along_layers.js";
import { distribution } from "../../semrsm_widgets/views/rsm/distribution.js";
import { cellOf, frameStore, pairKinds, shareBelow } from "../../semrsm_widgets/views/rsm/matrices.js";
import { buffersOf, close, twins } from "./page.js";

const LAYERS = ["a", "b", "c"].map((name) => ({
  name,
  tokens: 4,
  channels: 8,
  grid: /** @type {[number, number]} */ ([2, 2]),
}));

/** @param {any} frame a twin, as the page keeps it */
function kept({ size, ...frame }) {
  const store = frameStore(size);
  store.add(unpack(frame.content, buffersOf(frame)));
  const found = store.peek(frame.content.layer, frame.content.kernel);
  assert.ok(found);
  return found;
}

test("a cell is read from a packed triangle as from the matrix, exact or in steps", () => {
  for (const twin of twins().frames) {
    const { size, matrices } = twin;
    const frame = kept(twin);
    for (const [i, j] of [
      [0, 0],
      [1, size - 1],
      [size - 1, 1],
      [size - 1, size - 1],
    ]) {
      const cell = cellOf(frame, i, j, size);
      for (const { name, low, high } of frame.matrices) {
        const far = frame.exact ? 1e-6 : (high - low) / 65534;
        assert.ok(Math.abs(cell[name] - matrices[name][i * size + j]) <= far, `${name} ${i} ${j}`);
      }
    }
  }
});

test("a pair's profile has the layers that there are, and what unrelated tokens reach", () => {
  const twin = twins().frames[0];
  const frame = kept(twin);
  const rows = pairProfile([null, frame], [0, 2], twin.size);
  assert.equal(rows[0], null);
  assert.ok(close([Number(rows[1]?.semantic)], [twin.matrices.semantic[2]]));
  assert.equal(rows[1]?.unrelated, frame.null?.mean);
});

test("the mean excess of each kind of pairs is that of the matrix without its diagonal", () => {
  const twin = twins().frames[0];
  const { size } = twin;
  const frame = { ...kept(twin), null: { mean: 0.25 } };
  const images = Array.from({ length: size }, (_, k) => ({ labels: k === size - 1 ? [] : [k < size / 2 ? "x" : "y"] }));
  const kinds = pairKinds(images);
  /** @type {number[][]} */
  const sums = [[], []];
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size - 1; j++) {
      sums[images[i].labels[0] === images[j].labels[0] ? 0 : 1].push(twin.matrices.semantic[i * size + j] - 0.25);
    }
  }
  const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const found = meanExcess(/** @type {any} */ (frame), kinds, size);
  assert.ok(close([Number(found?.same), Number(found?.other)], sums.map(mean)));
  assert.equal(meanExcess(/** @type {any} */ ({ ...frame, null: null }), kinds, size), null); // no level yet
});

test("curves stand where the knob stands, and break where nothing is", () => {
  assert.deepEqual(placesOf(3, 100 + KNOB), [KNOB / 2, 50 + KNOB / 2, 100 + KNOB / 2]);
  assert.deepEqual(placesOf(1, 100), [50]);
  assert.equal(pathOf([1, null, 2, 3], [0, 1, 2, 3]), "M0.0 1.0M2.0 2.0L3.0 3.0");
});

test("a pointer is on the layer whose place is nearest, also past the ends", () => {
  const element = /** @type {any} */ ({ getBoundingClientRect: () => ({ left: 20, width: 100 + KNOB }) });
  const under = (/** @type {number} */ x) => layerUnder({ clientX: 20 + x }, element, 3);
  assert.deepEqual([-50, 0, ...placesOf(3, 100 + KNOB), 300].map(under), [0, 0, 0, 1, 2, 2]);
  assert.equal(layerUnder({ clientX: 40 }, element, 1), 0);
});

test("the scale ends at 1, goes below 0 where a value does, and follows inner products", () => {
  assert.deepEqual(scaleOf([null, { semantic: 0.2 }]), [0, 1]);
  assert.deepEqual(scaleOf([{ aligned: -0.3, semantic: NaN }]), [-0.3, 1]);
  assert.deepEqual(scaleOf([{ semantic: 250 }], false), [0, 250]);
  assert.deepEqual(scaleOf([null], false), [0, 1]);
});

test("the slider says the values of its layer, and marks which layers are there", () => {
  const slider = layerSlider(LAYERS, () => {});
  slider.set("b");
  slider.profile(
    [null, { aligned: 0.1, semantic: 0.5, pooled: 0.9, unrelated: 0.2 }, { aligned: 0.3, pooled: 0.4 }],
    true,
  );
  const input = slider.root.querySelector("input");
  assert.match(
    String(input?.getAttribute("aria-valuetext")),
    /aligned 0.10, semantic 0.50, pooled 0.90, unrelated 0.20/,
  );
  const ready = [...slider.root.querySelectorAll("[data-ready]")].flatMap((mark) =>
    mark.parentElement?.className === "srsm-layer-track" ? [/** @type {HTMLElement} */ (mark).dataset.ready] : [],
  );
  assert.deepEqual(ready, ["false", "true", "false"]); // aligned alone does not make a layer ready
  slider.set("a");
  assert.doesNotMatch(String(input?.getAttribute("aria-valuetext")), /semantic/);
  slider.stop();
});

test("a chart without a size waits for one", () => {
  const chart = layerChart(["semantic"]);
  chart.show([{ semantic: 0.5 }], 0, [0, 1]);
  assert.equal(chart.root.querySelector("path")?.getAttribute("d"), null);
  chart.stop();
});

test("a value that stands alone has a dot, as a line of one point draws nothing", (t) => {
  /** @type {() => void} */
  let resized = () => {};
  const { ResizeObserver } = globalThis;
  t.after(() => {
    globalThis.ResizeObserver = ResizeObserver;
  });
  Object.assign(globalThis, {
    ResizeObserver: class extends ResizeObserver {
      /** @param {any} callback */
      constructor(callback) {
        super(callback);
        resized = callback;
      }
    },
  });
  const chart = layerChart(["unrelated"]);
  Object.defineProperties(chart.root, { clientWidth: { value: 180 }, clientHeight: { value: 36 } });
  resized();
  /** @param {(number | null)[]} values */
  const dots = (values) => {
    chart.show(
      values.map((unrelated) => ({ unrelated })),
      0,
      [0, 1],
    );
    return chart.root.querySelectorAll("circle.srsm-curve-unrelated").length;
  };
  assert.equal(dots([0.2]), 1);
  assert.equal(dots([0.2, null, null]), 1);
  assert.equal(dots([null, null, 0.2]), 1); // of another layer than the one on screen, too
  assert.equal(dots([null, 0.2, 0.3]), 0); // a line
  chart.stop();
});

test("the chart of the set is hidden before there is anything, and says each layer", () => {
  const chart = setChart(LAYERS, true, () => {});
  chart.show([null, null, null], 1, true);
  assert.equal(chart.root.hidden, true);
  chart.show([{ same: 0.5, other: -0.1 }, null, null], 0, true);
  assert.equal(chart.root.hidden, false);
  assert.equal(chart.root.querySelector(".srsm-set-words")?.textContent, "a: a label in common +0.50, others −0.10");
  assert.match(String(chart.root.querySelector("[role=img]")?.getAttribute("aria-label")), /b: not computed yet/);
  chart.stop();
});

test("a pair's values come a layer a message; another pair begins anew", () => {
  const first = readProfile({ pair: [0, 1], name: "a", semantic: 0.5 }, undefined);
  const both = readProfile({ pair: [0, 1], name: "b", semantic: 0.6 }, first);
  const rows = (/** @type {any} */ profile, /** @type {any} */ pair) =>
    profileRows(profile, null, { layers: LAYERS, pair }).map((row) => row?.semantic);
  assert.deepEqual(rows(both, [0, 1]), [0.5, 0.6, undefined]);
  assert.deepEqual(rows(both, [0, 2]), [undefined, undefined, undefined]);
  assert.deepEqual(rows(readProfile({ pair: [0, 2], name: "c", semantic: 0.7 }, both), [0, 2]), [
    undefined,
    undefined,
    0.7,
  ]);
});

test("the area between two curves is there where both are, and has no depth where they cross", () => {
  assert.equal(areaPath([1, 2, null, 4], [3, 1, 2, 5], [0, 10, 20, 30]), "M0.0 1.0L10.0 1.0L10.0 1.0L0.0 3.0Z");
});

test("the pair that is read has its place over the colours, where it has one", () => {
  const scale = distribution(["#000000", "#ffffff"]);
  const here = /** @type {HTMLElement} */ (scale.root.querySelector(".srsm-here"));
  scale.point(0.5);
  assert.equal(here.hidden, true); // nothing is drawn yet
  scale.show({ range: [0, 0.8], shares: [null, null], labelled: false });
  scale.point(0.6);
  assert.equal(here.hidden, false);
  assert.equal(Math.round(Number.parseFloat(here.style.left)), 75);
  scale.point(0.9); // the diagonal, past the colours
  assert.equal(here.hidden, true);
  scale.point(0.6);
  scale.clear();
  assert.equal(here.hidden, true);
});

test("a pair is ranked among the pairs without a label in common, itself and the diagonal left out", () => {
  const size = 5;
  const images = ["a", "a", "b", "c", ""].map((label, k) => ({ id: String(k), labels: label ? [label] : [] }));
  const matrix = new Float32Array(size * size).fill(9); // the diagonal, above all
  const set = (/** @type {number} */ i, /** @type {number} */ j, /** @type {number} */ value) => {
    matrix[i * size + j] = matrix[j * size + i] = value;
  };
  set(0, 1, 0.8); // the same label
  set(0, 2, 0.5);
  set(0, 3, 0.1);
  set(1, 2, 0.2);
  set(1, 3, 0.5);
  set(2, 3, NaN);
  for (let k = 0; k < 4; k++) set(k, 4, 0.9); // one without a label is of neither kind
  const kinds = pairKinds(images);
  assert.equal(shareBelow(matrix, kinds, size, [1, 0]), 1); // above all four that have a value
  assert.equal(shareBelow(matrix, kinds, size, [0, 2]), 2.5 / 3); // a tie counts half
  assert.equal(shareBelow(matrix, kinds, size, [3, 0]), 0);
  assert.equal(shareBelow(matrix, kinds, size, [2, 3]), null);
  assert.equal(shareBelow(matrix, null, size, [0, 3]), 0);
  assert.equal(shareBelow(Float32Array.from([1, 0.3, 0.3, 1]), null, 2, [0, 1]), null); // there is no other pair
});
