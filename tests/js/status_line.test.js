import assert from "node:assert/strict";
import { test } from "node:test";
import { measured, statusLine } from "../../semrsm_widgets/views/base/status_line.js";
import { asModel, FakeModel } from "./page.js";

test("the line says how long it still takes, and how far it is only while that is not known", () => {
  assert.equal(measured("4 of 12 layers (blocks.3)", 0.34, 20_400), "4 of 12 layers (blocks.3), about 20 s left");
  assert.equal(measured("4 of 12 layers (blocks.3)", 0.34, null), "4 of 12 layers (blocks.3), 34 %");
  assert.equal(measured("Matching blocks.3:", 0.05, 120_000), "Matching blocks.3: about 2 min left");
  assert.equal(measured("Matching blocks.3:", 0.05, null), "Matching blocks.3: 5 %");
  assert.equal(measured("Matching blocks.3:", 0.99, -3000), "Matching blocks.3: about 1 s left");
});

test("the time that is left goes down also while the kernel says nothing", (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const model = new FakeModel({
    _status: { state: "working", text: "1 of 3 layers (a)", fraction: 0.4, seconds: 30 },
  });
  const line = statusLine(asModel(model));
  const words = () => line.root.querySelector(".srsm-status-text")?.textContent;
  assert.equal(words(), "1 of 3 layers (a), about 30 s left");
  now = 5000;
  context.mock.timers.tick(5000);
  assert.equal(words(), "1 of 3 layers (a), about 25 s left");
  model.set("_status", { state: "ready", text: "Ready · 31.0 s", fraction: null });
  assert.equal(words(), "Ready · 31.0 s");
  line.stop();
});
