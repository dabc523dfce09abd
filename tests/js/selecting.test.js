// Who is who in the heatmaps: the rows, the names along them, finding images, and selecting them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fitted, shortened, textWidth } from "../../semrsm_widgets/views/base/names.js";
import { finder } from "../../semrsm_widgets/views/rsm/finder.js";
import { heatmapPanel } from "../../semrsm_widgets/views/rsm/heatmap.js";
import { taken } from "../../semrsm_widgets/views/rsm/matrices.js";
import { groupsOf, placedNames, rowsOf } from "../../semrsm_widgets/views/rsm/rows.js";
import { around, blockBetween } from "../../semrsm_widgets/views/rsm/zoom.js";
import { key, placeAt, pointer } from "./page.js";

const IMAGES = [
  { id: "a/Ähre.png", labels: ["cat"] },
  { id: "b/two.png", labels: ["dog"] },
  { id: "c/three.png", labels: ["cat"] },
  { id: "d/four.png", labels: [] },
  { id: "e/five.png", labels: ["dog", "cat"] },
];

test("selected images are marked, come first or are alone, in the order that is chosen", () => {
  const given = { order: "file", sequence: [], selection: [3, 1] };
  assert.deepEqual(rowsOf({ ...given, selected: "marked" }, 5), [0, 1, 2, 3, 4]);
  assert.deepEqual(rowsOf({ ...given, selected: "first" }, 5), [3, 1, 0, 2, 4]);
  assert.deepEqual(rowsOf({ ...given, selected: "only" }, 5), [3, 1]);
  const ordered = { order: "label", sequence: [0, 2, 1, 4, 3], selection: [3, 1] };
  assert.deepEqual(rowsOf({ ...ordered, selected: "first" }, 5), [1, 3, 0, 2, 4]);
  assert.deepEqual(rowsOf({ ...ordered, selected: "only" }, 5), [1, 3]);
  assert.deepEqual(rowsOf({ ...ordered, selection: [], selected: "only" }, 5), [0, 2, 1, 4, 3]);
  assert.deepEqual([...taken(Float32Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8]), [2, 0], 3)], [8, 6, 2, 0]);
});

test("rows with the same labels have one name, in the middle of what is in sight of them", () => {
  const groups = groupsOf([0, 2, 4, 1, 3], IMAGES);
  assert.deepEqual(
    groups.map(({ name, first, last }) => [name, first, last]),
    [
      ["cat", 0, 2],
      ["cat, dog", 2, 3],
      ["dog", 3, 4],
      ["", 4, 5],
    ],
  );
  const wide = placedNames(groups, { start: 0, side: 5, pixels: 500, line: 14 });
  assert.deepEqual(
    wide.map(({ group, at }) => [group.name, at]),
    [
      ["cat", 100],
      ["cat, dog", 250],
      ["dog", 350],
      ["", 450],
    ],
  );
  const zoomed = placedNames(groups, { start: 1, side: 2, pixels: 100, line: 14 });
  assert.deepEqual(
    zoomed.map(({ group, at }) => [group.name, at]),
    [
      ["cat", 25],
      ["cat, dog", 75],
    ],
  );
});

test("small groups are left out before names overlap, and no name leaves the axis", () => {
  const groups = Array.from({ length: 60 }, (_, k) => ({ name: `${k}`, first: k * 3, last: k * 3 + 3 }));
  groups.push({ name: "large", first: 180, last: 300 });
  const placed = placedNames(groups, { start: 0, side: 300, pixels: 320, line: 14 });
  assert.equal(placed[0].group.name, "large");
  assert.ok(placed.length > 10 && placed.length < 24);
  const at = placed.map((each) => each.at).sort((a, b) => a - b);
  assert.ok(at.every((place, k) => place >= 7 && place <= 313 && (!k || place - at[k - 1] >= 14)));
});

test("a name is shortened in the middle, by what people count as characters, until it fits", () => {
  assert.equal(shortened("blocks.12.attention", 9), "bloc…tion");
  assert.equal(shortened("🇫🇷🇩🇪🇮🇹🇪🇸", 3), "🇫🇷…🇪🇸");
  const font = "11px sans-serif";
  const long = "x".repeat(200);
  const name = fitted(long, 90, font);
  assert.ok(name.length >= 3 && name.includes("…") && textWidth(name, font) <= 90);
  assert.ok(textWidth(shortened(long, name.length + 1), font) > 90);
  assert.equal(fitted("cat", 90, font), "cat");
  assert.equal(fitted(long, 10, font), ""); // no room for a name
  assert.equal(fitted("", 90, font), "");
});

test("blocks and squares around an image", () => {
  assert.deepEqual(blockBetween([4, 1], [2, 3]), { row: 2, column: 1, rows: 3, columns: 3 });
  assert.deepEqual(around(100, 24, 200), { row: 88, column: 88, side: 24 });
  assert.deepEqual(around(1, 24, 200), { row: 0, column: 0, side: 24 });
  assert.deepEqual(around(199, 24, 200), { row: 176, column: 176, side: 24 });
  assert.deepEqual(around(1, 24, 5), { row: 0, column: 0, side: 5 });
});

/** A heatmap of five images, 500 pixels wide, and what was selected in it. */
function heatmap(selects = true) {
  /** @type {any[]} */
  const heard = [];
  const panel = heatmapPanel("semantic", [], IMAGES, (image) => heard.push(["toggle", [image]]));
  placeAt(panel.surface, { width: 500, height: 500 });
  document.body.append(panel.root);
  let here = /** @type {[number, number]} */ ([0, 0]);
  panel.listen({
    point: (cell) => {
      if (cell) here = cell;
    },
    choose: (cell) => heard.push(["choose", cell]),
    zoom: (area) => heard.push(["zoom", area]),
    current: () => here,
    selects: () => selects,
    select: (images, adds) => heard.push([adds ? "add" : "select", images]),
    toggle: (images) => heard.push(["toggle", images]),
  });
  /** @type {(from: [number, number], to: [number, number], more?: Record<string, unknown>) => void} */
  const drag = (from, to, more = {}) => {
    pointer(panel.surface, "pointerdown", ...from, more);
    pointer(panel.surface, "pointermove", ...to, more);
    pointer(panel.surface, "pointerup", ...to, more);
    pointer(panel.surface, "click", ...to, more);
  };
  return { panel, drag, take: () => heard.splice(0) };
}

test("a drag selects the images of its rows, then of its columns, each once", () => {
  const { panel, drag, take } = heatmap();
  drag([350, 150], [450, 250]); // rows 1 to 2, columns 3 to 4
  assert.deepEqual(take(), [["select", [1, 2, 3, 4]]]);
  drag([350, 250], [150, 50], { ctrlKey: true });
  assert.deepEqual(take(), [["add", [0, 1, 2, 3]]]);
  pointer(panel.surface, "pointerdown", 150, 150);
  pointer(panel.surface, "pointerup", 150, 150);
  pointer(panel.surface, "click", 150, 150); // on the diagonal: one image
  assert.deepEqual(take(), [["toggle", [1]]]);
  panel.arrange([3, 1], [-1, 1, -1, 0, -1], [], [], { row: 0, column: 0, side: 2 });
  drag([10, 10], [20, 490]);
  assert.deepEqual(take(), [["select", [3, 1]]]);
});

test("where a drag zooms, it selects with Shift, as a click does", () => {
  const { drag, panel, take } = heatmap(false);
  drag([150, 150], [250, 250], { shiftKey: true });
  assert.deepEqual(take(), [["select", [1, 2]]]);
  drag([150, 150], [250, 250]);
  assert.deepEqual(take(), [["zoom", { row: 1, column: 1, side: 2 }]]);
  pointer(panel.surface, "pointerdown", 50, 150, { shiftKey: true });
  pointer(panel.surface, "pointerup", 50, 150, { shiftKey: true });
  pointer(panel.surface, "click", 50, 150, { shiftKey: true });
  assert.deepEqual(take(), [["toggle", [1, 0]]]);
});

test("a block is selected by keys: arrows with Shift draw it, S takes it, Escape drops it", () => {
  const { panel, take } = heatmap(false);
  key(panel.surface, "ArrowDown", { shiftKey: true });
  key(panel.surface, "ArrowRight", { shiftKey: true });
  key(panel.surface, "ArrowRight", { shiftKey: true });
  assert.ok(key(panel.surface, "s"));
  assert.deepEqual(take(), [["select", [0, 1, 2]]]);
  key(panel.surface, "ArrowDown", { shiftKey: true });
  key(panel.surface, "Escape");
  key(panel.surface, "s"); // of the cell that was reached
  assert.deepEqual(take(), [["toggle", [2]]]);
  assert.equal(key(panel.surface, "a", { ctrlKey: true }), false); // the notebook's
});

test("thumbnails along the axes are clicked one by one; found and selected rows are marked", () => {
  const { panel, take } = heatmap();
  panel.thumbnails(["u0", "u1", "u2", "u3", "u4"]);
  const pictures = /** @type {NodeListOf<HTMLImageElement>} */ (panel.root.querySelectorAll(".srsm-axis-left img"));
  assert.equal(pictures.length, 5);
  pictures[2].click();
  assert.deepEqual(take(), [["toggle", [2]]]);
  panel.mark({ found: [1, 3], at: 3, selected: new Set([2]) });
  const marks = [...panel.root.querySelectorAll(".srsm-axis-left rect")];
  assert.deepEqual(
    marks.map((mark) => [mark.getAttribute("class"), mark.getAttribute("y")]),
    [
      ["srsm-mark-found", "1"],
      ["srsm-mark-at", "3"],
      ["srsm-mark-selected", "2"],
    ],
  );
  assert.ok(pictures[2].hasAttribute("data-selected"));
  assert.equal(panel.root.querySelectorAll(".srsm-band.srsm-at").length, 2); // a row and a column
  panel.zoom({ row: 2, column: 0, side: 2 });
  assert.deepEqual(
    [...panel.root.querySelectorAll(".srsm-axis-left img")].map((each) => each.getAttribute("src")),
    ["u2", "u3"],
  );
});

/** A search field over the five images, with what it did. */
function search() {
  /** @type {any} */
  const last = { found: [], at: null, gone: null, toggled: null, selected: null };
  const made = finder({
    find: (found, at) => Object.assign(last, { found, at }),
    go: (image) => {
      last.gone = image;
    },
    toggle: (images) => {
      last.toggled = images;
    },
    select: (images) => {
      last.selected = images;
    },
  });
  document.body.append(made.field, made.panel);
  made.images(IMAGES, [4, 2, 0, 1, 3]);
  /** @param {string} words */
  const type = (words) => {
    made.field.focus();
    made.field.value = words;
    made.field.dispatchEvent(new (document.defaultView ?? window).Event("input"));
  };
  /** @type {(selector: string) => (string | null)[]} */
  const texts = (selector) => [...made.panel.querySelectorAll(selector)].map((node) => node.textContent);
  return { ...made, last, type, texts };
}

test("images are found by id and by label, in the order of the rows, and walked through by keys", () => {
  const { field, panel, last, type } = search();
  assert.equal(panel.hidden, true);
  type("CAT");
  assert.equal(panel.hidden, false);
  assert.deepEqual([last.found, last.at], [[4, 2, 0], null]);
  key(field, "ArrowDown");
  key(field, "ArrowDown");
  assert.deepEqual([last.at, last.gone], [2, 2]);
  assert.equal(field.getAttribute("aria-activedescendant"), panel.querySelector(".srsm-at")?.id);
  key(field, "Enter");
  assert.deepEqual(last.toggled, [2]);
  panel.querySelector("button")?.click();
  assert.deepEqual(last.selected, [4, 2, 0]);
  type("ähre"); // the only one is gone to at once
  assert.deepEqual([last.found, last.gone], [[0], 0]);
  type("nothing");
  assert.deepEqual([last.found, last.at], [[], null]);
  assert.ok(field.hasAttribute("data-none"));
  key(field, "Escape");
  assert.deepEqual([field.value, panel.hidden, last.found.length], ["", true, 0]);
});

test("without a question the list holds all images; a line says whose it is and whether it is selected", () => {
  const { panel, type, selected, texts, stop } = search();
  type("");
  assert.equal(texts(".srsm-found-line").length, 5);
  selected(new Set([4]));
  const line = panel.querySelector(".srsm-found-line");
  assert.equal(line?.getAttribute("aria-selected"), "true");
  assert.equal(line?.getAttribute("title"), "e/five.png · dog · cat");
  stop();
});
