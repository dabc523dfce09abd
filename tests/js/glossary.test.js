// The words that "?" explains are those of the glossary, which tutorials and site link to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GLOSSARY } from "../../semrsm_widgets/views/base/glossary.js";

test("the glossary and the screen explain the same words alike", () => {
  const { cells } = JSON.parse(readFileSync(new URL("../../notebooks/glossary.ipynb", import.meta.url), "utf8"));
  // One cell: JupyterLab finds a heading in a cell that it has drawn.
  const text = /** @type {string} */ (cells[0].source.join(""));
  const [, ...entries] = text.replaceAll("*", "").split("\n\n## ");
  const words = entries.map((entry) => entry.split("\n\n"));
  assert.deepEqual(words, GLOSSARY);
});
