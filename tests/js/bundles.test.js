// The built bundles, as they are sent to a page.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import "./page.js";

const folder = new URL("../../semrsm_widgets/views/static/", import.meta.url);
const VIEWS = ["explorer", "layer_map", "pair", "retrieval", "rsm", "stepper", "transform_lab"];

test("there is one for each view, one for each page that stands alone, and their styles", () => {
  const scripts = [...VIEWS, "composed", "report", "stepper_page"].map((name) => `${name}.js`);
  assert.deepEqual(readdirSync(folder).sort(), [...scripts, "report.css", "views.css"].sort());
});

for (const name of [...VIEWS, "composed"]) {
  test(`${name} is whole, and exports a widget`, async () => {
    assert.doesNotMatch(readFileSync(new URL(`${name}.js`, folder), "utf8"), /\bimport\b/);
    const module = await import(`${folder}${name}.js`);
    assert.deepEqual(Object.keys(module), ["default"]);
    const widget = module.default();
    assert.equal(typeof widget.render, "function");
    if (name !== "composed") assert.equal(typeof widget.initialize, "function");
  });
}

for (const name of ["report", "stepper_page"]) {
  test(`${name}, the script of a page, is whole, and exports nothing`, () => {
    assert.doesNotMatch(readFileSync(new URL(`${name}.js`, folder), "utf8"), /\b(import|export)\b/);
  });
}

test("styles are whole, and ask nothing of a network", () => {
  for (const name of ["report.css", "views.css"]) {
    assert.doesNotMatch(readFileSync(new URL(name, folder), "utf8"), /@import|url\(/);
  }
});

test("no style asks by :has() what stands around a view: that is asked anew at each change in it", () => {
  const before = ":is(.jp-OutputArea-child.srsm-output+.jp-OutputArea-child)"; // what stands below a view is few
  for (const name of ["report.css", "views.css"]) {
    const asked = readFileSync(new URL(name, folder), "utf8").split(":has(").slice(0, -1);
    assert.deepEqual(
      asked.filter((text) => !text.endsWith(before)),
      [],
    );
  }
});
