// More images than a page could hold: windows of an overview, what their cells are, and what is asked for when.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cellAt,
  cellColours,
  cellWords,
  has,
  joined,
  unpackWindow,
  viewWords,
  windowMatrices,
  windowPaint,
  windowRequests,
} from "../../semrsm_widgets/views/rsm/large.js";
import { shownMatrices } from "../../semrsm_widgets/views/rsm/matrices.js";
import "./page.js";

/** @param {number[]} shares */
const steps = (...shares) => Uint16Array.from(shares, (share) => Math.round(65534 * share));
const message = () => ({
  ...{ kind: "window", layer: "a", kernel: "cosine", baseline: "aligned" },
  ...{ rows: [8, 14], columns: [0, 8], side: 4, asked: { row: 8, column: 0, side: 8, cells: 2 } },
  matrices: ["baseline mean", "baseline largest", "semantic mean", "semantic largest"].map((name) => ({
    name,
    low: 0,
    high: 0.5,
  })),
  "baseline mean": steps(0, 0.2, 0.4, 0.6),
  "baseline largest": steps(0.2, 0.4, 0.6, 0.8),
  "semantic mean": Uint16Array.from([...steps(0.2, 0.4, 0.6), 65535]),
  "semantic largest": Uint16Array.from([...steps(0.4, 0.6, 1), 65535]),
});
/** @type {(found: Iterable<number | undefined>, expected: number[]) => void} */
const near = (found, expected) =>
  [...found].forEach((value, k) => {
    assert.ok(Object.is(value, expected[k]) || Math.abs((value ?? NaN) - expected[k]) < 1e-4, `${value} at ${k}`);
  });

test("a window is unpacked, and shows means or the largest, less the level of unrelated tokens", () => {
  const window = unpackWindow(message());
  assert.deepEqual([window.height, window.width], [2, 2]);
  const [baseline, semantic, difference] = windowMatrices(window, { statistic: "mean", level: 0.1 });
  near(baseline, [0, 0.1, 0.2, 0.3]);
  near(semantic, [0, 0.1, 0.2, NaN]);
  near(difference, [0, 0, 0, NaN]);
  const largest = windowMatrices(window, { statistic: "largest", level: 0 });
  near(largest[1], [0.2, 0.3, 0.5, NaN]);
  near(largest[2], [0.1, 0.1, 0.1, NaN]); // of the means, always
  assert.deepEqual([...cellColours(semantic, [0, 0.2])], [0, 127, 254, 255]);
});

test("a cell of one pair has one value, which is sent once", () => {
  const { matrices, "baseline largest": _, "semantic largest": __, ...rest } = message();
  const means = matrices.filter(({ name }) => name.endsWith("mean"));
  const window = unpackWindow({ ...rest, side: 1, rows: [8, 10], columns: [0, 2], matrices: means });
  const found = cellAt(window, [9, 0]);
  assert.ok(found);
  near([found.semantic.mean, found.semantic.largest, found.baseline.largest], [0.3, 0.3, 0.2]);
  assert.deepEqual(
    windowMatrices(window, { statistic: "largest", level: 0 }),
    windowMatrices(window, { statistic: "mean", level: 0 }),
  );
});

/** The same message with some of its matrices. */
const part = (/** @type {string} */ statistic) => {
  const whole = message();
  return { ...whole, matrices: whole.matrices.filter(({ name }) => name.endsWith(statistic)) };
};

test("largest values come later, and join the window that they are of", () => {
  const window = unpackWindow(part("mean"));
  assert.deepEqual([has(window, "mean"), has(window, "largest")], [true, false]);
  const cell = cellAt(window, [13, 3]);
  assert.ok(cell);
  assert.match(cellWords(cell, 4, "aligned"), /: semantic 0\.30 on average; aligned 0\.20 on average\./);
  const other = unpackWindow({ ...part("largest"), rows: [4, 10] });
  assert.equal(joined(window, other), window);
  assert.equal(has(window, "largest"), false);
  assert.equal(joined(null, other), null);
  assert.equal(joined(window, unpackWindow(part("largest"))), window);
  near([...windowMatrices(window, { statistic: "largest", level: 0 })[0]], [0.1, 0.2, 0.3, 0.4]);
  const next = unpackWindow(part("mean"));
  assert.equal(joined(window, next), next);
});

test("colours are rounded to the nearest, and end where the range does", () => {
  const values = Float32Array.of(-1, 0, 0.4 / 254, 0.6 / 254, 0.5, 253.6 / 254, 1, 2, NaN);
  assert.deepEqual([...cellColours(values, [0, 1])], [0, 0, 0, 1, 127, 254, 254, 254, 255]);
});

test("the cell that a pair is in is told with what it holds", () => {
  const window = unpackWindow(message());
  const found = cellAt(window, [13, 3]);
  assert.ok(found);
  assert.equal(found.at, 2);
  near([found.semantic.mean, found.semantic.largest, found.baseline.mean], [0.3, 0.5, 0.2]);
  assert.equal(
    cellWords(found, 4, "aligned"),
    "The cell under the pointer is 4 × 4 pairs: semantic 0.30 on average, 0.50 at most; aligned 0.20 on average, " +
      "0.30 at most. Above: one of these pairs.",
  );
  const empty = cellAt(window, [12, 7]);
  assert.ok(empty);
  assert.equal(cellWords(empty, 4, "aligned"), "Here is no pair of two images.");
  assert.equal(cellAt(window, [7, 3]), null);
  assert.equal(cellAt(window, [8, 8]), null);
  assert.equal(viewWords(1, "largest"), "Each cell is one pair.");
  assert.match(viewWords(64, "largest"), /^An overview: each cell is the largest of 64 × 64 pairs\./);
});

test("a window stands where it lies in the square in sight", () => {
  const element = document.createElement("div");
  const paint = windowPaint(element, ["#000000"], 16);
  const canvas = element.firstElementChild;
  assert.ok(canvas instanceof HTMLElement);
  const { style } = canvas;
  paint.setWindow(new Uint8Array(4), unpackWindow(message()));
  assert.deepEqual([style.top, style.left, style.height, style.width], ["50%", "0%", "50%", "50%"]);
  paint.setArea({ row: 10, column: 0, side: 8 });
  assert.deepEqual([style.top, style.left, style.height, style.width], ["-25%", "0%", "100%", "100%"]);
  paint.setArea({ row: 8, column: 0, side: 4 });
  assert.deepEqual([style.top, style.height], ["0%", "200%"]);
});

test("one window is asked for at a time, and then the newest wish", () => {
  /** @type {number[]} */
  const asked = [];
  const requests = windowRequests((wish) => asked.push(wish.row));
  for (const row of [1, 2, 3]) requests.wish({ row, column: 0, side: 4, cells: 100 }, ["mean"]);
  assert.deepEqual(asked, [1]);
  assert.equal(requests.came(), true);
  assert.deepEqual(asked, [1, 3]);
  assert.equal(requests.came(), false);
  requests.wish({ row: 3, column: 0, side: 4, cells: 100 }, ["mean"]);
  assert.deepEqual(asked, [1, 3, 3]);
});

test("a difference below what is certified has no colour, in windows as in frames of all pairs", () => {
  const off_diagonal = /** @type {import("../../semrsm_widgets/views/rsm/matrices.js").Range} */ ([0, 0.5]);
  /** @type {(other: number) => any} */
  const frame = (other) => ({
    matrices: [
      { name: "aligned", off_diagonal },
      { name: "semantic", off_diagonal },
    ], // as they come
    full: { aligned: Float32Array.of(1, 0.5, 0.5, 1), semantic: Float32Array.of(1, other, other, 1) },
  });
  const choice = { baseline: "aligned", excess: false, locked: null };
  assert.ok(Math.abs(shownMatrices(frame(0.5 + 2e-7), choice, 2).reach - 5e-5) < 1e-9);
  near([shownMatrices(frame(0.75), choice, 2).reach], [0.25]);
});
