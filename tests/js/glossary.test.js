// The words that "?" explains are those of the glossary, which tutorials and site link to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GLOSSARY } from "../../semrsm_widgets/views/base/glossary.js";

test("the glossary and the screen explain the same words alike", () => {
  const { cells } = JSON.parse(readFileSync(new URL("../../notebooks/glossary.ipynb", import.meta.url), "utf8"));
  const entries = cells.slice(1).map((cell) => cell.source.join("").replaceAll("*", "").split("\n\n"));
  const words = entries.map(([heading, meaning]) => [heading.replace("## ", ""), meaning]);
  assert.deepEqual(words, GLOSSARY);
});
