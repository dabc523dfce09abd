// What views do with their model: the status line, private names, listeners; and the model of a page without a kernel.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { answerFor, keepPin, link } from "../../semrsm_widgets/report/kernel.js";
import { guardPairs } from "../../semrsm_widgets/report/pairs.js";
import { segmented } from "../../semrsm_widgets/views/base/controls.js";
import { h } from "../../semrsm_widgets/views/base/dom.js";
import { layerShape, layerSlider } from "../../semrsm_widgets/views/base/layer_slider.js";
import { listeners, setter } from "../../semrsm_widgets/views/base/model.js";
import { Model } from "../../semrsm_widgets/views/base/page_model.js";
import { withPrivate } from "../../semrsm_widgets/views/base/private.js";
import { statusLine } from "../../semrsm_widgets/views/base/status_line.js";
import { asItIs, messageWidget } from "../../semrsm_widgets/views/base/widget.js";
import { asModel, FakeModel } from "./page.js";

const LAYER = { name: "a", tokens: 4, channels: 8, grid: /** @type {[number, number]} */ ([2, 2]) };

test("listeners end together", () => {
  const model = new FakeModel();
  const events = listeners(asModel(model));
  let count = 0;
  events.on("change:layer", () => {
    count += 1;
  });
  let stopped = false;
  events.add(() => {
    stopped = true;
  });
  model.emit("change:layer");
  events.stop();
  model.emit("change:layer");
  assert.equal(count, 1);
  assert.equal(stopped, true);
  assert.equal(model.listeners, 0);
});

test("what is set goes to the kernel", () => {
  const model = new FakeModel();
  setter(asModel(model))("layer", "b");
  assert.equal(model.get("layer"), "b");
  assert.deepEqual(model.sent, [{ kind: "saved" }]);
});

test("the status line says what is done, how far it is, and offers what can be done", () => {
  const model = new FakeModel({
    _status: { state: "working", text: "Matching:", fraction: 0.5, left: "about 4 s left", seconds: 4 },
  });
  const line = statusLine(asModel(model));
  const shown = () => [...line.root.querySelectorAll("button")].filter((each) => !each.hidden);
  assert.equal(line.root.querySelector(".srsm-status-text")?.textContent, "Matching: about 4 s left");
  assert.deepEqual(
    shown().map((each) => each.textContent),
    ["Cancel"],
  );
  shown()[0].click();
  model.set("_status", { state: "cancelled", text: "Cancelled." });
  assert.deepEqual(
    shown().map((each) => each.textContent),
    ["Resume"],
  );
  assert.equal(line.root.getAttribute("role"), "status");
  model.set("_status", { state: "error", text: "ValueError: no" });
  assert.equal(line.root.getAttribute("role"), "alert");
  assert.deepEqual(shown(), []);
  assert.deepEqual(
    model.sent.map((content) => content.kind),
    ["ping", "cancel"],
  );
  line.stop();
  assert.equal(model.listeners, 0);
});

test("a kernel that stays silent is said to; one that answers is not", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const model = new FakeModel({ _status: { state: "ready", text: "Ready" } });
  const line = statusLine(asModel(model));
  context.mock.timers.tick(4900);
  assert.equal(line.root.dataset.state, "ready");
  model.emit("msg:custom", { kind: "pong" });
  context.mock.timers.tick(10000);
  assert.equal(line.root.dataset.state, "ready");
  const asked = statusLine(asModel(model));
  asked.root.hidden = true; // another view shows the status
  context.mock.timers.tick(5000);
  assert.equal(asked.root.dataset.state, "silent");
  assert.equal(asked.root.getAttribute("role"), "alert");
  assert.equal(asked.root.hidden, false);
  model.emit("msg:custom", { kind: "matches" });
  assert.equal(asked.root.dataset.state, "ready");
  assert.equal(asked.root.hidden, true);
  // what was under way when it was asked is no answer: the wait begins anew, and ends with one
  const late = statusLine(asModel(model));
  context.mock.timers.tick(3000);
  model.emit("msg:custom", { kind: "matches" });
  context.mock.timers.tick(4900);
  assert.equal(late.root.dataset.state, "ready");
  context.mock.timers.tick(100);
  assert.equal(late.root.dataset.state, "silent");
  model.emit("msg:custom", { kind: "pong" });
  context.mock.timers.tick(10000);
  assert.equal(late.root.dataset.state, "ready");
  line.stop();
  asked.stop();
  late.stop();
});

test("an error of the page itself is shown, also where the line was hidden", () => {
  const line = statusLine(asModel(new FakeModel()));
  line.root.hidden = true;
  line.fail("no BokehJS");
  assert.deepEqual([line.root.hidden, line.root.dataset.state], [false, "error"]);
  assert.match(line.root.textContent ?? "", /^no BokehJS/);
  line.stop();
});

/** A view that says what it reads as an image's name, and how often it was drawn. */
function named() {
  /** @type {any[]} */
  const drawn = [];
  const widget = withPrivate({
    /** @param {{ model: any, el: HTMLElement }} given */
    render({ model, el }) {
      const show = () => el.replaceChildren(model.get("_images")[0].id);
      model.on("change:_images", show);
      show();
      drawn.push(model);
      return () => drawn.push("ended");
    },
  });
  return { widget, drawn };
}

test("names that come as a message stand in place of those that the notebook keeps", async () => {
  const { widget } = named();
  const model = new FakeModel({ _private: true, _images: [{ id: "image 1" }] });
  const el = h("div");
  await widget.initialize({ model });
  model.emit("msg:custom", { kind: "private", state: { _images: [{ id: "Jane" }] }, all: true });
  await widget.render({ model, el });
  assert.equal(el.textContent, "Jane");
  model.emit("msg:custom", { kind: "private", state: { _images: [{ id: "June" }] } });
  assert.equal(el.textContent, "June");
  model.emit("msg:custom", { kind: "public" });
  assert.equal(el.textContent, "image 1");
});

test("without an answer the view is drawn all the same, and anew when the names come", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { widget, drawn } = named();
  const model = new FakeModel({ _private: true, _images: [{ id: "image 1" }] });
  const el = h("div");
  await widget.initialize({ model });
  const rendered = widget.render({ model, el });
  mock.timers.tick(1000);
  mock.timers.reset();
  const end = await rendered;
  assert.equal(el.textContent, "image 1");
  model.emit("msg:custom", { kind: "private", state: { _images: [{ id: "Jane" }] }, all: true });
  await new Promise((go) => setImmediate(go));
  assert.equal(el.textContent, "Jane");
  assert.equal(drawn.filter((each) => each === "ended").length, 1);
  await end();
  assert.equal(drawn.filter((each) => each === "ended").length, 2);
});

test("a view that has ended is not drawn anew when the names come", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { widget, drawn } = named();
  const model = new FakeModel({ _private: true, _images: [{ id: "image 1" }] });
  await widget.initialize({ model });
  const rendered = widget.render({ model, el: h("div") });
  mock.timers.tick(1000);
  mock.timers.reset();
  await (await rendered)();
  model.emit("msg:custom", { kind: "private", state: {}, all: true });
  await new Promise((go) => setImmediate(go));
  assert.equal(drawn.filter((each) => each !== "ended").length, 1);
});

test("where nothing is private nothing is waited for", async () => {
  const { widget } = named();
  const model = new FakeModel({ _private: false, _images: [{ id: "a.jpg" }] });
  const el = h("div");
  await widget.initialize({ model });
  await widget.render({ model, el });
  assert.equal(el.textContent, "a.jpg");
});

test("what the newest messages say is shown in every view, and in one that is opened later", async () => {
  /** @type {any[]} */
  const shown = [];
  /** @type {(model: any, el: HTMLElement) => any} */
  const open = (_, el) => ({
    first: (/** @type {any} */ kept) => shown.push([el.id, kept.n]),
    second: (/** @type {any} */ kept) => shown.push([el.id, kept.sum]),
    stop: () => shown.push([el.id, "stopped"]),
  });
  const widget = messageWidget(
    { first: asItIs, second: (message, before) => ({ sum: message.n + (before?.sum ?? 0) }) },
    open,
  );
  const model = new FakeModel({ _private: false });
  await widget.initialize({ model });
  assert.deepEqual(model.sent, [{ kind: "ready" }]);
  const stop = await widget.render({ model, el: h("div", { id: "a" }) });
  model.emit("msg:custom", { kind: "second", n: 1 }, []);
  model.emit("msg:custom", { kind: "first", n: 5 }, []);
  model.emit("msg:custom", { kind: "second", n: 2 }, []);
  await widget.render({ model, el: h("div", { id: "b" }) });
  stop();
  model.emit("msg:custom", { kind: "first", n: 6 }, []);
  assert.deepEqual(shown, [
    ...[
      ["a", 1],
      ["a", 5],
      ["a", 3],
    ],
    ...[
      ["b", 5],
      ["b", 3],
    ],
    ["a", "stopped"],
    ["b", 6],
  ]);
});

test("the layer slider steps through the layers and says their shapes", () => {
  /** @type {string[]} */
  const chosen = [];
  const layers = [
    LAYER,
    { ...LAYER, name: "b", grid: null },
    { ...LAYER, name: "c", native: /** @type {[number, number]} */ ([4, 4]) },
  ];
  const slider = layerSlider(layers, (name) => chosen.push(name));
  slider.set("a");
  const [back, forth] = slider.root.querySelectorAll("button");
  forth.click();
  forth.click();
  forth.click();
  back.click();
  assert.deepEqual(chosen, ["b", "c", "c", "b"]);
  assert.match(slider.root.textContent ?? "", /b · 4 tokens · 8 channels/);
  assert.equal(layerShape(layers[2]), "2×2 patches (pooled from 4×4) · 8 channels");
  assert.match(layerShape({ ...LAYER, caution: "random: two runs differ" }), /^random · /);
  slider.set("unknown");
  assert.match(slider.root.textContent ?? "", /b · 4 tokens/);
});

test("a segmented control shows what is chosen and tells what is", () => {
  /** @type {string[]} */
  const chosen = [];
  const control = segmented(
    "kind",
    [
      ["a", "A"],
      ["b", "B"],
    ],
    "a",
    (name) => chosen.push(name),
  );
  document.body.append(control.root);
  const inputs = control.root.querySelectorAll("input");
  control.set("b");
  control.set("unknown");
  assert.deepEqual(
    [...inputs].map((input) => input.checked),
    [false, true],
  );
  inputs[0].click();
  assert.deepEqual(chosen, ["a"]);
});

// -- a page without a kernel ------------------------------------------------------------------------------------------

const PART = { module: "", traits: {}, keys: [], alone: [], packs: [], guarded: false, effects: [] };

test("a recorded view's model tells of changes, and only of changes", () => {
  const model = new Model({ pair: [0, 1] });
  let count = 0;
  const hear = () => {
    count += 1;
  };
  model.on("change:pair", hear);
  model.set("pair", [0, 1]);
  model.set("pair", [0, 2]);
  model.off("change:pair", hear);
  model.set("pair", [1, 2]);
  assert.equal(count, 1);
  assert.deepEqual(model.get("pair"), [1, 2]);
});

test("views share the traits that are not theirs alone", () => {
  const models = [{ layer: "a", query: 0 }, { layer: "a", query: 0 }, { other: 1 }].map((traits) => new Model(traits));
  link(models, [PART, { ...PART, alone: ["query"] }, PART]);
  models[0].set("layer", "b");
  models[0].set("query", 3);
  assert.deepEqual(
    models.map((model) => model.traits),
    [{ layer: "b", query: 3 }, { layer: "b", query: 0 }, { other: 1 }],
  );
});

test("what Python sets when a trait is set is set", () => {
  const model = new Model({ order: "file", layer: "a", _sequence: [] });
  const values = { '["cluster","a"]': [[2, 0, 1]] };
  answerFor(model, { ...PART, effects: [{ given: ["order", "layer"], gives: ["_sequence"], values }] });
  model.set("order", "cluster");
  assert.deepEqual(model.get("_sequence"), [2, 0, 1]);
});

test("a ping is answered, as by a kernel", async () => {
  const model = new Model({});
  answerFor(model, PART);
  /** @type {any[]} */
  const heard = [];
  model.on("msg:custom", (content) => heard.push(content.kind));
  model.send({ kind: "ping" });
  await new Promise((go) => setImmediate(go));
  assert.deepEqual(heard, ["pong"]);
});

test("a pinned patch stays at its place where the next layer has another grid", () => {
  const layers = [LAYER, { ...LAYER, name: "b", grid: [4, 4] }, { ...LAYER, name: "c", grid: null }];
  const model = new Model({ layer: "a", token: 3, _layers: layers });
  keepPin(model);
  model.set("layer", "b");
  assert.equal(model.get("token"), 15); // the centre of the last of four lies in the last of sixteen
  model.set("layer", "a");
  assert.equal(model.get("token"), 3);
  model.set("layer", "c");
  assert.equal(model.get("token"), -1);
});

test("a pair that is not held is said to be missing, and others are offered", () => {
  const model = new Model({ pair: [0, 1], _images: ["a", "b", "c", "d"].map((id) => ({ id })) });
  const section = h("section");
  document.body.append(section);
  guardPairs(model, section, {
    held: [
      [0, 1],
      [1, 2],
      [0, 3],
    ],
    words: "It holds three.",
  });
  const notice = /** @type {HTMLElement} */ (section.nextSibling);
  assert.deepEqual([section.hidden, notice.hidden], [false, true]);
  model.set("pair", [2, 1]); // the other way round
  assert.deepEqual(model.get("pair"), [1, 2]);
  model.set("pair", [2, 3]);
  assert.deepEqual([section.hidden, notice.hidden], [true, false]);
  assert.match(notice.textContent ?? "", /^The patches of c and d are not in this file\. It holds three\./);
  const buttons = [...notice.querySelectorAll("button")];
  assert.deepEqual(
    buttons.map((button) => button.textContent),
    ["c – b", "d – a"],
  );
  buttons[0].click();
  assert.deepEqual(model.get("pair"), [1, 2]);
  assert.equal(notice.hidden, true);
  model.set("pair", [2, 2]);
  assert.match(notice.textContent ?? "", /^c with itself is not kept in this file\./);
});
