// The patch probe's own arithmetic: rows of cosines, why a patch is not the partner, colours with the unrelated level.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { rowsOf, whyNot } from "../../semrsm_widgets/views/probe/alike.js";
import { heatColour } from "../../semrsm_widgets/views/probe/heat.js";

/** @param {number[]} cosines */
const steps = (...cosines) => Uint16Array.from(cosines, (value) => Math.round((value + 1) * 32767.5));
/** @param {Float32Array} row */
const read = (row) => [...row].map((value) => Math.round(1e4 * value) / 1e4);

/** @type {import("../../semrsm_widgets/views/probe/alike.js").Alike} */
const ALIKE = {
  layer: "a",
  pair: [0, 1],
  most: 1024,
  aa: steps(1, 0.25, 0.25, 1),
  ab: steps(0.9, 0.5, 0.95, 0.1),
  bb: steps(1, -0.5, -0.5, 1),
};
// Patch 0 of A gives its most similar patch of B, 0, to patch 1.
const MATCHES = { permutation: Int32Array.of(1, 0), inverse: Int32Array.of(1, 0) };
/** @type {(side: number, token: number) => string} */
const name = (side, token) => `${"AB"[side]}${token}`;

test("a patch of A is read along rows, one of B along columns", () => {
  assert.deepEqual(rowsOf(ALIKE, { side: 0, token: 1 })?.map(read), [
    [0.25, 1],
    [0.95, 0.1],
  ]);
  assert.deepEqual(rowsOf(ALIKE, { side: 1, token: 1 })?.map(read), [
    [0.5, 0.1],
    [-0.5, 1],
  ]);
  assert.equal(rowsOf({ layer: "a", pair: [0, 1], most: 4 }, { side: 0, token: 0 }), null);
});

test("where the most similar patch is not the partner, it is said who took it", () => {
  /** @param {{ side: number, token: number }} at */
  const said = (at) => {
    const rows = rowsOf(ALIKE, at);
    return rows && whyNot(ALIKE, rows, at, MATCHES, name);
  };
  assert.deepEqual(said({ side: 0, token: 0 }), {
    token: 0,
    words: "most alike is B0 (0.90): it is taken by A1 (0.95)",
  });
  assert.equal(said({ side: 0, token: 1 }), null);
  assert.equal(said({ side: 1, token: 0 }), null);
  assert.equal(said({ side: 1, token: 1 }), null);
});

test("what is not above unrelated is grey, what is above gets brighter up to 1", () => {
  const [grey, low, high] = [0.3, 0.31, 1].map((value) => heatColour(value, 0.3));
  assert.equal(new Set(grey.slice(0, 3)).size <= 2, true);
  assert.notDeepEqual(low, grey);
  assert.deepEqual([...high.slice(0, 3)], [252, 255, 164]);
  assert.ok(high[0] + high[1] + high[2] > low[0] + low[1] + low[2]);
});
