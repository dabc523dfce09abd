// The words that "?" explains are those of the README.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GLOSSARY } from "../../semrsm_widgets/views/base/glossary.js";

test("the README and the screen explain the same words alike", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const rows = readme.split("| word | meaning |\n| --- | --- |\n")[1].split("\n\n")[0].split("\n");
  const words = rows.map((row) =>
    row
      .replaceAll("*", "")
      .split("|")
      .slice(1, 3)
      .map((text) => text.trim()),
  );
  assert.deepEqual(words, GLOSSARY);
});
