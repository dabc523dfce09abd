// AuctionStepper in the page: the auction it tells is Python's, and every way through it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { auctionTrace, nextOf } from "../../semrsm_widgets/views/stepper/trace.js";
import stepper from "../../semrsm_widgets/views/stepper/view.js";
import { explain, fine, judge, namesOf, plain } from "../../semrsm_widgets/views/stepper/words.js";
import { FakeModel, key, pointer, twins } from "./page.js";

const AFFINITY = [
  [0.182, 0.027, 0.216, 0.073],
  [0.174, 0.109, 0.148, 0.176],
  [0.105, 0.013, 0.165, 0.059],
  [0.13, 0.099, 0.175, 0.136],
];
const PLAN = [0.05, 0.0125, 0.003, 0.0008];

test("the page tells the auction as Python does", () => {
  for (const { affinity, plan, order, mostBids, finished, length, steps } of twins().auctions) {
    const trace = auctionTrace(affinity, plan, order, mostBids);
    assert.deepEqual([trace.steps.length, trace.finished], [length, finished]);
    const shown = [trace.steps[0], ...trace.steps.slice(-40)];
    for (const [k, step] of shown.entries()) {
      /** @type {Record<string, any>} */
      const wanted = Object.fromEntries(
        Object.entries(steps[k]).map(([name, value]) => [
          name.replace(/_(.)/g, (_, letter) => letter.toUpperCase()),
          value,
        ]),
      );
      const found = Object.fromEntries(
        Object.entries(step).map(([name, value]) => [
          name,
          typeof value === "number" && !Number.isFinite(value) ? null : value,
        ]),
      );
      assert.deepEqual(found, wanted);
    }
  }
});

test("a step is told in words with its numbers", () => {
  const trace = auctionTrace(AFFINITY, PLAN, [0, 1, 2, 3], 2000);
  const names = namesOf(true);
  const [head, text] = explain(trace, 0, names);
  assert.equal(head, "Phase 1 of 4: ε is 0.0500");
  assert.match(text, /0\.7320 together: no matching is worth more/);
  const evict = nextOf(trace.steps, 0, "evict");
  const { row, column, ownerBefore, priceBefore, priceAfter } = trace.steps[evict];
  assert.equal(explain(trace, evict, names)[0], `A${row} takes B${column} from A${ownerBefore}`);
  assert.match(explain(trace, evict, names)[1], new RegExp(`from ${fine(priceBefore)} to ${fine(priceAfter)}`));
  const end = trace.steps.length - 1;
  assert.match(explain(trace, end, names)[0], /^Proof: within 0\.001\d of the best$/);
  assert.match(explain(trace, end, namesOf(false))[1], /^Every row holds one: together 0\.62/);
  const war = auctionTrace(Array(3).fill([10, 9.9, 0]), [1e-6], [0, 1, 2], 50);
  assert.match(explain(war, war.steps.length - 1, names)[1], /A price war: it is broken off here/);
  const closed = auctionTrace([[2]], [1], [0], 10);
  assert.equal(explain(closed, 2, names)[0], "Proof: none is better");
});

test("a bid of one's own is judged by what it leaves", () => {
  const trace = auctionTrace(AFFINITY, PLAN, [0, 1, 2, 3], 2000);
  const [before, step] = trace.steps;
  assert.equal(step.column, 2);
  assert.deepEqual(
    [0, 1, 2, 3].map((k) => judge(AFFINITY, before, step, k, namesOf(true)).right),
    [false, false, true, false],
  );
  assert.match(
    judge(AFFINITY, before, step, 0, namesOf(true)).words,
    /B0 leaves 0\.1820 − 0\.0000 = 0\.1820; B2 leaves 0\.2160/,
  );
  const tie = auctionTrace(
    [
      [1, 1],
      [0, 0],
    ],
    [0.5],
    [0, 1],
    10,
  );
  assert.match(
    judge(
      [
        [1, 1],
        [0, 0],
      ],
      tie.steps[0],
      tie.steps[1],
      1,
      namesOf(true),
    ).words,
    /^Right\..* B0 leaves as much, and comes first/,
  );
});

test("numbers of bids keep the digits that tell them apart", () => {
  assert.deepEqual([0.05, 9.99, 10.01, 123.456, -29.7, 0].map(fine), [
    "0.0500",
    "9.9900",
    "10.010",
    "123.46",
    "−29.700",
    "0.0000",
  ]);
  assert.deepEqual([plain(-0.001, 2), plain(-0.01, 2), plain(2e-7, 3)], ["0.00", "−0.01", "0.000"]);
});

/** @param {Record<string, any>} traits */
async function opened(traits = {}) {
  const model = new FakeModel({
    ...{ step: 0, eps: [], order: [], your_bid: false, layer: "", pair: [0, 0], grid: 2, pointed: [-1, -1] },
    ...{
      _layers: [],
      _images: [],
      _model_badge: "",
      _most_bids: 2000,
      _corners: ["#ffffff", "#ffff00", "#c080ff", "#c85028"],
    },
    ...{ _linked: false, _private: false, _status: { state: "ready", text: "" }, offers: [], ...traits },
  });
  const widget = stepper();
  await widget.initialize({ model });
  const el = document.createElement("div");
  document.body.append(el);
  const stop = await widget.render({ model, el });
  const levels = [{ name: "greedy", title: "greedy", value: 0.535 }];
  const told = { affinity: AFFINITY, plan: PLAN, levels, grid: null, words: "4 rows", layer: "", pair: [0, 0] };
  model.emit("msg:custom", { kind: "auction", ...told }, []);
  const root = /** @type {HTMLElement} */ (el.querySelector(".srsm-stepper"));
  return { model, root, stop };
}

/** @type {(root: HTMLElement, words: string) => HTMLElement} */
const button = (root, words) =>
  /** @type {HTMLElement} */ ([...root.querySelectorAll("button")].find((each) => each.textContent === words));

test("keys and buttons go through the auction", async () => {
  const { model, root, stop } = await opened();
  const last = Number(root.dataset.steps) - 1;
  assert.equal(root.dataset.kind, "phase");
  assert.ok(key(root, "ArrowRight"));
  assert.equal(model.get("step"), 1);
  assert.ok(key(root, "End"));
  assert.deepEqual([model.get("step"), root.dataset.kind], [last, "prove"]);
  assert.ok(key(root, "ArrowLeft"));
  assert.equal(model.get("step"), last - 1);
  assert.ok(key(root, "Home"));
  button(root, "eviction").click();
  assert.equal(root.dataset.kind, "evict");
  button(root, "proof").click();
  assert.equal(root.dataset.kind, "prove");
  button(root, "phase").click();
  assert.equal(root.dataset.kind, "phase");
  assert.ok(!key(root, "x"));
  assert.ok(!key(root, "ArrowRight", { ctrlKey: true }));
  const before = model.listeners;
  stop();
  assert.ok(model.listeners < before);
});

test("another ε and another order are told without a kernel", async () => {
  const { model, root } = await opened();
  model.sent.length = 0;
  const eps = /** @type {HTMLInputElement} */ (root.querySelector(".srsm-eps"));
  const count = Number(root.dataset.steps);
  eps.value = "0.05";
  pointer(eps, "change", 0, 0);
  assert.deepEqual(model.get("eps"), [0.05]);
  assert.equal(Number(root.dataset.steps), 6); // a phase, four bids, a proof
  eps.value = "nothing";
  pointer(eps, "change", 0, 0);
  assert.equal(eps.value, "0.05");
  button(root, "by phases").click();
  assert.deepEqual([model.get("eps"), Number(root.dataset.steps)], [[], count]);
  model.set("eps", [0.1, 0.01]);
  eps.value = "0.2";
  pointer(eps, "change", 0, 0);
  button(root, "by phases").click(); // those that were wished for
  assert.deepEqual(model.get("eps"), [0.1, 0.01]);
  button(root, "shuffle rows").click();
  assert.deepEqual([...model.get("order")].sort(), [0, 1, 2, 3]);
  button(root, "in order").click();
  assert.deepEqual(model.get("order"), []);
  assert.ok(model.sent.every(({ kind }) => kind === "saved" || kind === "ping"));
});

test("your bid is asked for, judged and counted", async () => {
  const { model, root } = await opened({ your_bid: true });
  key(root, "ArrowRight");
  assert.deepEqual([root.dataset.asking, model.get("step")], ["true", 0]);
  /** @param {string} at */
  const cell = (at) => /** @type {HTMLElement} */ (root.querySelector(`tbody td[data-at="${at}"]`));
  assert.ok(!cell("0,2").title.includes("=")); // what is asked is not told
  assert.equal(cell("0,2").style.getPropertyValue("--srsm-depth"), "0%");
  cell("1,2").click(); // another row's
  assert.equal(model.get("step"), 0);
  cell("0,0").click();
  assert.deepEqual([root.dataset.asking, model.get("step")], ["false", 1]);
  assert.match(root.textContent ?? "", /Not the best bid\./);
  assert.match(root.textContent ?? "", /Your bids: 0 of 1/);
  key(root, "ArrowRight");
  key(root, "ArrowRight"); // goes on without an answer
  assert.equal(model.get("step"), 2);
  assert.match(root.textContent ?? "", /Your bids: 0 of 1/);
  assert.ok(!key(root, "1")); // nothing is asked
  key(root, "ArrowRight");
  assert.ok(!key(root, "7")); // no such column
  assert.ok(key(root, "1"));
  assert.deepEqual([root.dataset.asking, model.get("step")], ["false", 3]);
  assert.match(root.textContent ?? "", /Your bids: [01] of 2/);
  key(root, "ArrowRight");
  const asked = /** @type {HTMLElement} */ (root.querySelector("td.srsm-asked"));
  assert.equal(asked.tabIndex, 0);
  assert.ok(key(asked, "Enter"));
  assert.equal(model.get("step"), 4);
});

test("what is pointed at goes to a linked view alone", async () => {
  for (const linked of [false, true]) {
    const { model, root } = await opened({ _linked: linked });
    const cell = /** @type {HTMLElement} */ (root.querySelector('tbody td[data-at="3,1"]'));
    pointer(cell, "pointerover", 0, 0);
    assert.equal(root.dataset.pointed, "3,1");
    assert.deepEqual(model.get("pointed"), linked ? [3, 1] : [-1, -1]);
  }
});
