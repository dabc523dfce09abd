import assert from "node:assert/strict";
import { test } from "node:test";
import { atMost, duration, format, signed } from "../../semrsm_widgets/views/base/format.js";
import { twins } from "./page.js";

test("numbers are written as the figures write them", () => {
  const { numbers } = twins();
  assert.ok(numbers.length > 300);
  for (const { value, digits, text } of numbers) assert.equal(format(value, digits), text, `${value} to ${digits}`);
});

test("durations are said as the status line of Python says them", () => {
  for (const { seconds, text } of twins().durations) assert.equal(duration(seconds), text, String(seconds));
});

test("a gap is rounded up as the figures round it", () => {
  for (const { gap, text } of twins().gaps) assert.equal(atMost(gap), text, String(gap));
});

test("a gap is never said to be smaller than it is", () => {
  for (let k = 0; k < 2000; k += 1) {
    const gap = 10 ** (-6 + (6 * k) / 2000);
    const said = Number(atMost(gap).replace("−", "-"));
    assert.ok(said >= gap * (1 - 1e-8) && said < gap * 2, `${gap}: ${said}`);
  }
});

test("what is no number is said, not computed with", () => {
  assert.equal(format(null), "–");
  assert.equal(format(undefined), "–");
  assert.equal(format(NaN), "–");
  assert.equal(format(Infinity), "∞");
  assert.equal(atMost(NaN), "1e−6");
});

test("zero has no sign, however it came about", () => {
  assert.equal(format(-0), "0.00");
  assert.equal(format(-1e-300, 2), "−1.0e−300");
  assert.equal(signed(0), "0.00");
  assert.equal(signed(0.25), "+0.25");
  assert.equal(signed(-0.25, 1), "−0.2");
  assert.equal(signed(null), "–");
});
