// The words that "?" explains are those of the glossary, which tutorials and site link to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GLOSSARY } from "../../semrsm_widgets/views/base/glossary.js";

test("the glossary and the screen explain the same words alike", () => {
  const { cells } = JSON.parse(readFileSync(new URL("../../notebooks/glossary.ipynb", import.meta.url), "utf8"));
  // A cell a word: a link leads to a cell, which JupyterLab finds before it has drawn it.
  const words = cells
    .slice(1)
    .map((/** @type {{ source: string[] }} */ { source }) =>
      source.join("").replaceAll("*", "").replace("## ", "").split("\n\n"),
    );
  assert.deepEqual(words, GLOSSARY);
});
