// Bars stand on one fixed scale.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { bar } from "../../semrsm_widgets/views/base/bars.js";

/** @param {HTMLElement} root */
const pieces = (root) =>
  [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-name]"))].map((node) => [
    node.dataset.name,
    node.style.left,
    node.style.width,
  ]);

/** @param {HTMLElement} root */
const tick = (root) => /** @type {HTMLElement} */ (root.querySelector(".srsm-bar-tick"));

test("half a similarity is half a bar, and the tick stands at the unrelated level", () => {
  const one = bar();
  one.show(
    [
      { name: "pooled", from: 0, to: 0.1 },
      { name: "matched", from: 0.1, to: 0.5 },
    ],
    { unrelated: 0.2 },
  );
  assert.deepEqual(pieces(one.root), [
    ["pooled", "0%", "10%"],
    ["matched", "10%", "40%"],
  ]);
  assert.equal(tick(one.root).style.left, "20%");
  assert.equal(tick(one.root).hidden, false);
  one.show([{ name: "pooled", from: 0, to: 0.3 }]);
  assert.equal(tick(one.root).hidden, true);
  assert.deepEqual(pieces(one.root), [["pooled", "0%", "30%"]]);
});

test("a negative part gives the scale a negative half", () => {
  const one = bar();
  one.show(
    [
      { name: "pooled", from: 0, to: -0.2 },
      { name: "matched", from: -0.2, to: 0.4 },
    ],
    { unrelated: 0 },
  );
  assert.equal(one.root.dataset.signed, "true");
  assert.deepEqual(pieces(one.root), [
    ["pooled", "40%", "10%"],
    ["matched", "40%", "30%"],
  ]);
  assert.equal(tick(one.root).style.left, "50%");
  // bars that are read together share it
  one.show([{ name: "aligned", from: 0, to: 1 }], { isSigned: true });
  assert.deepEqual(pieces(one.root), [["aligned", "50%", "50%"]]);
});

test("what is not known has no bar, and inner products have an end of their own", () => {
  const one = bar();
  one.show([{ name: "semantic", from: 0, to: Number.NaN }], { unrelated: Number.NaN });
  assert.deepEqual(pieces(one.root), []);
  assert.equal(tick(one.root).hidden, true);
  one.show([{ name: "semantic", from: 0, to: 50 }], { most: 200 });
  assert.deepEqual(pieces(one.root), [["semantic", "0%", "25%"]]);
});
