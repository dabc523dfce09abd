// Pointer and keyboard to cell, in each part of the page that is pointed at.

import assert from "node:assert/strict";
import { test } from "node:test";
import { h } from "../../semrsm_widgets/views/base/dom.js";
import { ckaColour, inkOn, shortNames } from "../../semrsm_widgets/views/compare/cells.js";
import { heatmapCanvas } from "../../semrsm_widgets/views/compare/heatmap_canvas.js";
import { layerGrid } from "../../semrsm_widgets/views/compare/layer_grid.js";
import { imagePanel } from "../../semrsm_widgets/views/pair/panels.js";
import { boxBetween, firstDraft, queryPanel } from "../../semrsm_widgets/views/retrieval/query_panel.js";
import { rankRows } from "../../semrsm_widgets/views/retrieval/rank_rows.js";
import { thumbnailStore } from "../../semrsm_widgets/views/retrieval/thumbnails.js";
import { heatmapPanel } from "../../semrsm_widgets/views/rsm/heatmap.js";
import { following, scaled, squareBetween } from "../../semrsm_widgets/views/rsm/zoom.js";
import { labPicture } from "../../semrsm_widgets/views/transform_lab/pictures.js";
import { asModel, FakeModel, key, placeAt, pointer, twins } from "./page.js";

/** @typedef {[number, number]} Pair */

/** A list that is filled, and a function that fills it. */
function recorder() {
  /** @type {any[]} */
  const calls = [];
  return {
    calls,
    /** @param {any} value */
    note: (value) => calls.push(value),
    take: () => calls.splice(0),
  };
}

/** A heatmap of five images, 500 pixels wide, with what it was told to do. */
function heatmap() {
  const images = Array.from({ length: 5 }, (_, k) => ({ id: `image ${k}` }));
  const panel = heatmapPanel("semantic", [], images);
  placeAt(panel.surface, { left: 10, top: 20, width: 500, height: 500 });
  document.body.append(panel.root);
  const heard = { point: recorder(), choose: recorder(), zoom: recorder() };
  let current = /** @type {Pair} */ ([0, 0]);
  panel.listen({
    point: (cell) => {
      if (cell) current = cell;
      heard.point.note(cell);
    },
    choose: heard.choose.note,
    zoom: (area) => {
      heard.zoom.note(area);
      panel.zoom(area ?? { row: 0, column: 0, side: 5 });
    },
    current: () => current,
  });
  return { panel, ...heard };
}

test("RSMView: the pointer reads the pair of the cell, once", () => {
  const { panel, point, choose } = heatmap();
  pointer(panel.surface, "pointermove", 10 + 250, 20 + 50);
  pointer(panel.surface, "pointermove", 10 + 255, 20 + 55);
  assert.deepEqual(point.take(), [[0, 2]]);
  pointer(panel.surface, "click", 10 + 499, 20 + 150);
  assert.deepEqual(choose.take(), [[1, 4]]);
  pointer(panel.surface, "pointerleave", 0, 0);
  assert.deepEqual(point.take(), [null]);
});

test("RSMView: in another order a cell is another pair", () => {
  const { panel, point } = heatmap();
  panel.arrange([4, 3, 2, 1, 0], [4, 3, 2, 1, 0], [], [], { row: 0, column: 0, side: 5 });
  pointer(panel.surface, "pointermove", 10 + 1, 20 + 101);
  assert.deepEqual(point.take(), [[3, 4]]);
  key(panel.surface, "ArrowDown");
  key(panel.surface, "ArrowRight");
  assert.deepEqual(point.take(), [
    [2, 4],
    [2, 3],
  ]);
});

test("RSMView: a drag zooms in on a square, and does not choose", () => {
  const { panel, zoom, choose, point } = heatmap();
  pointer(panel.surface, "pointerdown", 10 + 150, 20 + 150);
  pointer(panel.surface, "pointermove", 10 + 390, 20 + 290);
  pointer(panel.surface, "pointerup", 10 + 390, 20 + 290);
  pointer(panel.surface, "click", 10 + 390, 20 + 290);
  assert.deepEqual(zoom.take(), [{ row: 1, column: 1, side: 3 }]);
  assert.deepEqual(choose.take(), []);
  // what is pointed at now is a cell of the square
  point.take();
  pointer(panel.surface, "pointermove", 10 + 1, 20 + 499);
  assert.deepEqual(point.take(), [[3, 1]]);
});

test("RSMView: a short way of the pointer is a click", () => {
  const { panel, zoom, choose } = heatmap();
  pointer(panel.surface, "pointerdown", 10 + 150, 20 + 150);
  pointer(panel.surface, "pointermove", 10 + 155, 20 + 154);
  pointer(panel.surface, "pointerup", 10 + 155, 20 + 154);
  pointer(panel.surface, "click", 10 + 155, 20 + 154);
  assert.deepEqual(zoom.take(), []);
  assert.deepEqual(choose.take(), [[1, 1]]);
});

test("RSMView: keys move, choose, zoom and leave; others are the notebook's", () => {
  const { panel, point, choose, zoom } = heatmap();
  assert.equal(key(panel.surface, "ArrowDown"), true);
  assert.equal(key(panel.surface, "ArrowRight"), true);
  assert.deepEqual(point.take(), [
    [1, 0],
    [1, 1],
  ]);
  assert.equal(key(panel.surface, "Enter"), true);
  assert.deepEqual(choose.take(), [[1, 1]]);
  assert.equal(key(panel.surface, "+"), true);
  assert.equal(zoom.take()[0].side, 3);
  assert.equal(key(panel.surface, "0"), true);
  assert.deepEqual(zoom.take(), [null]);
  assert.equal(key(panel.surface, "Escape"), true);
  assert.deepEqual(point.take(), [null]);
  assert.equal(key(panel.surface, "b"), false);
});

test("RSMView: the arrow keys take a zoomed square along", () => {
  const { panel, zoom, point } = heatmap();
  panel.zoom({ row: 0, column: 0, side: 2 });
  key(panel.surface, "ArrowDown");
  assert.deepEqual(zoom.take(), []);
  key(panel.surface, "ArrowDown");
  assert.deepEqual(zoom.take(), [{ row: 1, column: 0, side: 2 }]);
  assert.deepEqual(point.take().at(-1), [2, 0]);
});

test("RSMView: the wheel zooms with Ctrl only, and the place under it stays", () => {
  const { panel, zoom } = heatmap();
  pointer(panel.surface, "wheel", 10 + 250, 20 + 250, { deltaY: -1 });
  assert.deepEqual(zoom.take(), []);
  const event = pointer(panel.surface, "wheel", 10 + 250, 20 + 250, { deltaY: -1, ctrlKey: true });
  assert.equal(event.defaultPrevented, true);
  assert.deepEqual(zoom.take(), [{ row: 1, column: 1, side: 4 }]);
});

test("squares stay within the matrix", () => {
  const whole = { row: 0, column: 0, side: 10 };
  assert.deepEqual(squareBetween([8, 8], [9, 5], whole, 10), { row: 6, column: 5, side: 4 });
  assert.deepEqual(squareBetween([2, 2], [2, 2], whole, 10), { row: 2, column: 2, side: 1 });
  for (const factor of [0.1, 0.6, 0.8, 1.25, 1.7, 10]) {
    for (const place of /** @type {Pair[]} */ ([
      [0, 0],
      [5, 9],
      [9, 9],
    ])) {
      const { row, column, side } = scaled({ row: 3, column: 3, side: 5 }, factor, place, [0.5, 0.5], 10);
      assert.ok(side >= 2 && side <= 10 && side !== 5);
      assert.ok(row >= 0 && column >= 0 && row + side <= 10 && column + side <= 10);
    }
  }
  assert.deepEqual(following({ row: 3, column: 3, side: 2 }, [9, 0], 10), { row: 8, column: 0, side: 2 });
  assert.deepEqual(following({ row: 3, column: 3, side: 2 }, [4, 3], 10), { row: 3, column: 3, side: 2 });
});

test("CompareView: a heatmap reads its cell by pointer and by keys", () => {
  const map = heatmapCanvas("a", 4);
  const surface = map.root.querySelector(".srsm-surface");
  assert.ok(surface);
  placeAt(surface, { width: 200, height: 200 });
  document.body.append(map.root);
  const [point, choose] = [recorder(), recorder()];
  map.listen({ point: point.note, choose: choose.note, current: () => [3, 0] });
  pointer(surface, "pointermove", 60, 199);
  assert.deepEqual(point.take(), [[3, 1]]);
  // what was pressed is chosen, wherever the page has moved meanwhile
  pointer(surface, "pointerdown", 10, 10);
  pointer(surface, "click", 190, 190);
  assert.deepEqual(choose.take(), [[0, 0]]);
  key(surface, "ArrowDown");
  key(surface, "ArrowRight");
  assert.deepEqual(point.take(), [
    [3, 0],
    [3, 1],
  ]);
  key(surface, " ");
  assert.deepEqual(choose.take(), [[3, 0]]);
});

test("CompareView: keys move over the layer map and open a cell", () => {
  const layers = ["a", "b"].map((name) => ({ name, tokens: 4, channels: 8, grid: null }));
  const sides = [
    { name: "A", badge: "", layers },
    { name: "B", badge: "", layers: [...layers, { ...layers[0], name: "c" }] },
  ];
  const [point, choose] = [recorder(), recorder()];
  const grid = layerGrid(sides, { point: point.note, choose: choose.note });
  document.body.append(grid.root);
  const cells = grid.root.querySelectorAll(".srsm-layer-cell");
  assert.equal(cells.length, 6);
  key(cells[0], "ArrowRight");
  key(cells[1], "ArrowRight");
  key(cells[2], "ArrowRight");
  key(cells[2], "ArrowDown");
  assert.equal(document.activeElement, cells[5]);
  key(cells[5], "Enter");
  assert.deepEqual(choose.take(), [[1, 2]]);
  assert.deepEqual(grid.names([1, 2]), ["b", "c"]);
  assert.deepEqual(grid.place(["b", "c"]), [1, 2]);
  assert.equal(grid.place(["b", "gone"]), null);
  pointer(cells[3], "pointermove", 0, 0);
  assert.deepEqual(point.take().at(-1), [1, 0]);
  key(cells[0], "Escape");
  assert.deepEqual(choose.take(), [null]);
});

test("CompareView: cells are coloured as in the still picture", () => {
  const { palette, colours } = twins().cells;
  const wide = (/** @type {string} */ ink) => (ink.length === 4 ? ink.replace(/[0-9a-f]/g, "$&$&") : ink);
  for (const { value, colour, ink } of colours) {
    assert.equal(ckaColour(value, palette), colour, String(value));
    assert.equal(wide(inkOn(colour)), ink, colour);
  }
});

test("CompareView: long names of layers are cut where they differ least", () => {
  const names = (/** @type {string[]} */ ...all) => shortNames(all.map((name) => ({ name })));
  assert.deepEqual(names("conv", "layer1"), ["conv", "layer1"]);
  assert.deepEqual(names("encoder.stages.0.blocks.1", "encoder.stages.0.blocks.2"), ["…1", "…2"]);
});

test("PairView: a pointer means a token of the part that the model sees", async () => {
  const panel = imagePanel("A", () => {});
  placeAt(panel.picture, { left: 100, top: 100, width: 200, height: 100 });
  panel.picture.decode = async () => {};
  await panel.show("", [0.25, 0, 0.75, 1], { id: "one", labels: [] }, "");
  /** @type {(clientX: number, clientY: number) => number} */
  const token = (clientX, clientY) => panel.tokenAt(/** @type {MouseEvent} */ ({ clientX, clientY }), [2, 4]);
  assert.equal(token(149, 110), -1); // before the crop
  assert.equal(token(151, 110), 0);
  assert.equal(token(249, 110), 3);
  assert.equal(token(251, 110), -1);
  assert.equal(token(151, 160), 4);
  assert.equal(panel.cropped(), true);
});

test("PairView: keys step, pin and free", () => {
  const panel = imagePanel("A", () => {});
  document.body.append(panel.root);
  const frame = panel.root.querySelector(".srsm-picture");
  assert.ok(frame);
  const said = recorder();
  panel.listen({
    point: () => said.note("point"),
    leave: () => said.note("leave"),
    pin: () => said.note("pin"),
    step: (by) => said.note(by),
    free: () => said.note("free"),
  });
  for (const name of ["ArrowLeft", "ArrowDown", "Enter", "Escape", "j"]) key(frame, name);
  assert.deepEqual(said.take(), [[0, -1], [1, 0], "pin", "free"]);
  pointer(frame, "click", 5, 5);
  assert.deepEqual(said.take(), ["point", "pin"]);
});

/** A query with a grid of 4 x 6 patches on 600 x 400 pixels. */
function query() {
  const found = recorder();
  const panel = queryPanel({ onBox: found.note });
  document.body.append(panel.root);
  const [frame, overlay] = [".srsm-picture", ".srsm-box-overlay"].map((each) => panel.root.querySelector(each));
  assert.ok(frame && overlay);
  placeAt(overlay, { width: 600, height: 400 });
  panel.show({ url: "", id: "one", labels: [], box: [0, 0, 1, 1], problem: "" });
  panel.setGrid([4, 6], "");
  const words = () => panel.root.querySelector(".srsm-patches")?.textContent;
  return { panel, frame, words, found };
}

test("RetrievalView: a drag draws a box, in either direction and beyond the edge", () => {
  const { frame, found } = query();
  pointer(frame, "pointerdown", 450, 350);
  pointer(frame, "pointermove", -50, 150);
  pointer(frame, "pointerup", -50, 150);
  assert.deepEqual(found.take(), [[1, 0, 4, 5]]);
});

test("RetrievalView: a click takes a box away, and draws none", () => {
  const { panel, frame, found } = query();
  pointer(frame, "pointerdown", 50, 50);
  pointer(frame, "pointermove", 52, 51);
  pointer(frame, "pointerup", 52, 51);
  assert.deepEqual(found.take(), []);
  panel.setBox([0, 0, 2, 2]);
  pointer(frame, "pointerdown", 50, 50);
  pointer(frame, "pointerup", 50, 50);
  assert.deepEqual(found.take(), [null]);
});

test("RetrievalView: keys move a cursor and, with Shift, draw a box", () => {
  const { frame, found, words } = query();
  key(frame, "ArrowDown"); // shows the cursor
  assert.match(words() ?? "", /^1 of 24 patches \(rows 3, columns 4\)/);
  key(frame, "ArrowLeft");
  key(frame, "ArrowRight", { shiftKey: true });
  key(frame, "ArrowDown", { shiftKey: true });
  key(frame, "ArrowDown", { shiftKey: true }); // the edge
  assert.match(words() ?? "", /^4 of 24 patches \(rows 3–4, columns 3–4\)\. Enter searches/);
  key(frame, "Enter");
  assert.deepEqual(found.take(), [[2, 2, 4, 4]]);
  assert.equal(key(frame, "Enter"), false);
});

test("RetrievalView: without a grid there is nothing to draw, and it says why", () => {
  const { panel, frame, found, words } = query();
  panel.setGrid(null, "no place");
  pointer(frame, "pointerdown", 50, 50);
  pointer(frame, "pointermove", 250, 250);
  pointer(frame, "pointerup", 250, 250);
  assert.equal(key(frame, "ArrowDown"), false);
  assert.deepEqual(found.take(), []);
  assert.equal(words(), "no place");
});

test("RetrievalView: boxes hold their corners", () => {
  assert.deepEqual(boxBetween([3, 1], [2, 4]), [2, 1, 4, 5]);
  assert.deepEqual(firstDraft([5, 4], null).anchor, [2, 2]);
  const draft = firstDraft([5, 4], [1, 0, 3, 2]);
  assert.deepEqual(boxBetween(draft.anchor, draft.head), [1, 0, 3, 2]);
});

test("RetrievalView: arrow keys move between answers, to the row above and below", () => {
  const images = ["a", "b", "c", "d"].map((id) => ({ id, labels: [] }));
  const chosen = recorder();
  const ranks = rankRows(thumbnailStore(asModel(new FakeModel())), [], {
    onChoose: chosen.note,
    onPoint: () => {},
    onSelect: chosen.note,
  });
  document.body.append(ranks.root);
  /** @type {(name: string, order: number[]) => import("../../semrsm_widgets/views/retrieval/messages.js").ReadyRow} */
  const row = (name, order) => ({
    ...{ state: "ready", name, reason: "", certain: null, f1: [], ap: null },
    ...{ values: new Float32Array(4), order: new Int32Array(order), ranks: new Int32Array([-1, 0, 1, 2]) },
  });
  const rows = [row("aligned", [1, 2, 3]), row("semantic", [3, 1, 2])];
  const facts = {
    layer: "x",
    kernel: "cosine",
    query: 0,
    box: null,
    grid: null,
    patches: /** @type {Pair} */ ([4, 4]),
  };
  const nothing = { sigma: null, own_sigma: false, answers: null, null: null, right: null, complete: true };
  ranks.show({ ...facts, ...nothing, rows }, images, 2);
  /** @type {NodeListOf<HTMLElement>} */
  const answers = ranks.root.querySelectorAll("button.srsm-answer");
  assert.deepEqual(
    [...answers].map((node) => node.dataset.index),
    ["1", "2", "3", "1"],
  );
  answers[0].focus();
  key(answers[0], "ArrowRight");
  assert.equal(document.activeElement, answers[1]);
  key(answers[1], "ArrowRight");
  assert.equal(document.activeElement, answers[1]);
  key(answers[1], "ArrowDown");
  assert.equal(document.activeElement, answers[3]);
  assert.equal(ranks.root.dataset.pointed, "1");
  answers[3].click();
  assert.deepEqual(chosen.take(), [1]);
  ranks.stop();
});

test("TransformLab: a pointer and keys mean a token of the original", () => {
  const lab = labPicture("original");
  placeAt(lab.picture, { left: 0, top: 0, width: 300, height: 200 });
  document.body.append(lab.root);
  const frame = lab.root.querySelector(".srsm-picture");
  assert.ok(frame);
  const said = recorder();
  let token = -1;
  let grid = /** @type {Pair | null} */ ([2, 3]);
  lab.listen({
    grid: () => grid,
    point(next) {
      token = next;
      said.note(next);
    },
    current: () => token,
  });
  key(frame, "ArrowRight"); // shows the cursor
  key(frame, "ArrowRight");
  key(frame, "ArrowDown");
  key(frame, "ArrowDown");
  assert.deepEqual(said.take(), [0, 1, 4, 4]);
  pointer(frame, "pointermove", 299, 10);
  assert.deepEqual(said.take(), [2]);
  pointer(frame, "pointerleave", 0, 0);
  assert.deepEqual(said.take(), [-1]);
  grid = null;
  assert.equal(key(frame, "ArrowRight"), false);
  pointer(frame, "pointermove", 10, 10);
  assert.deepEqual(said.take(), []);
  assert.equal(key(frame, "Escape"), true);
});

test("an element has no text but text", () => {
  const node = h("p", { title: null, hidden: false, lang: "en", inert: true }, "<b>", null, undefined, h("i", {}, "x"));
  assert.equal(node.outerHTML, '<p lang="en" inert="">&lt;b&gt;<i>x</i></p>');
});
