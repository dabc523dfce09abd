import assert from "node:assert/strict";
import { test } from "node:test";
import { movedToken } from "../../semrsm_widgets/report/kernel.js";
import { h } from "../../semrsm_widgets/views/base/dom.js";
import {
  arrowStep,
  cellAt,
  cellOf,
  fractionsOf,
  listenToKeys,
  nearestCell,
  stepped,
  tokenOf,
} from "../../semrsm_widgets/views/base/grid_pointer.js";
import { outlineCell } from "../../semrsm_widgets/views/base/placed.js";
import { key, twins } from "./page.js";

/** @type {[number, number]} */
const GRID = [2, 3];
const AREA = { left: 100, top: 50, width: 300, height: 100 };

/** @type {(clientX: number, clientY: number) => [number, number]} */
const at = (clientX, clientY) => fractionsOf({ clientX, clientY }, AREA);

test("a pointer means the cell that it is over", () => {
  assert.deepEqual(cellAt(at(101, 51), GRID), [0, 0]);
  assert.deepEqual(cellAt(at(199, 99), GRID), [0, 0]);
  assert.deepEqual(cellAt(at(201, 101), GRID), [1, 1]);
  assert.deepEqual(cellAt(at(399, 149), GRID), [1, 2]);
});

test("a border belongs to the cell after it, the last one to none", () => {
  assert.deepEqual(cellAt(at(100, 50), GRID), [0, 0]);
  assert.deepEqual(cellAt(at(200, 100), GRID), [1, 1]);
  assert.equal(cellAt(at(400, 60), GRID), null);
  assert.equal(cellAt(at(150, 150), GRID), null);
  assert.equal(cellAt(at(99, 60), GRID), null);
  assert.equal(cellAt(at(150, 49), GRID), null);
});

test("an area without a size has no cells", () => {
  assert.equal(cellAt(fractionsOf({ clientX: 5, clientY: 5 }, { left: 5, top: 5, width: 0, height: 0 }), GRID), null);
});

test("outside, the nearest cell can be asked for", () => {
  assert.deepEqual(nearestCell(at(0, 0), GRID), [0, 0]);
  assert.deepEqual(nearestCell(at(400, 150), GRID), [1, 2]);
  assert.deepEqual(nearestCell(at(1000, 60), GRID), [0, 2]);
});

test("arrow keys step, and stop at the edges", () => {
  /** @type {(name: string) => any} */
  const step = (name) => arrowStep(/** @type {KeyboardEvent} */ ({ key: name }));
  assert.deepEqual(step("ArrowUp"), [-1, 0]);
  assert.deepEqual(step("ArrowDown"), [1, 0]);
  assert.deepEqual(step("ArrowLeft"), [0, -1]);
  assert.deepEqual(step("ArrowRight"), [0, 1]);
  for (const other of ["a", "Enter", "Home", "toString", "constructor"]) assert.equal(step(other), null, other);
  assert.deepEqual(stepped([0, 2], [1, 0], GRID), [1, 2]);
  assert.deepEqual(stepped([0, 2], [0, 1], GRID), [0, 2]);
  assert.deepEqual(stepped([0, 0], [-1, 0], GRID), [0, 0]);
});

test("tokens are counted row by row", () => {
  for (let token = 0; token < 6; token += 1) assert.equal(tokenOf(cellOf(token, GRID), GRID), token);
  assert.deepEqual(cellOf(4, GRID), [1, 1]);
});

test("a token moves to the same place of another grid as Python moves it", () => {
  for (const { token, from, to, moved } of twins().moved) assert.equal(movedToken(token, from, to), moved);
});

test("a key that is used does not reach the notebook; another does", () => {
  const node = h("div");
  document.body.append(node);
  /** @type {string[]} */
  const seen = [];
  listenToKeys(node, (event) => {
    seen.push(event.key);
    return event.key === "ArrowUp";
  });
  assert.equal(key(node, "ArrowUp"), true);
  assert.equal(key(node, "x"), false);
  assert.deepEqual(seen, ["ArrowUp", "x"]);
});

test("an outline stands on its cell, and nowhere without one", () => {
  const node = h("div");
  outlineCell(node, [1, 2], [2, 4]);
  assert.equal(node.hidden, false);
  assert.deepEqual(
    [node.style.left, node.style.top, node.style.width, node.style.height],
    ["50%", "50%", "25%", "50%"],
  );
  outlineCell(node, null, [2, 4]);
  assert.equal(node.hidden, true);
  outlineCell(node, [0, 0], null);
  assert.equal(node.hidden, true);
});
