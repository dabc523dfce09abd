import assert from "node:assert/strict";
import { test } from "node:test";
import { unpack } from "../../semrsm_widgets/views/base/wire.js";
import { marksOf, placeColours } from "../../semrsm_widgets/views/pair/marks.js";
import { legibleDigits } from "../../semrsm_widgets/views/pair/overlay.js";
import { pairValue, placesOf, readingOf, readPair } from "../../semrsm_widgets/views/pair/reading.js";
import { isWellAbove, opacities, verdict } from "../../semrsm_widgets/views/pair/trust.js";
import { explanation, focusSentence, shareWords, whySentences } from "../../semrsm_widgets/views/pair/words.js";
import { buffersOf, close, twins } from "./page.js";

/** @typedef {import("../../semrsm_widgets/views/pair/reading.js").Matches} Matches */

const ONE = { similarity: "semantic", oneToOne: true };
const COLOURS = { corners: ["#ffffff", "#ffff00", "#ff00ff", "#000000"], for: "purple", against: "orange" };

/** @returns {Matches[]} */
const pairs = () =>
  twins().pairs.map((/** @type {any} */ message) => ({
    ...unpack(message.content, buffersOf(message)),
    readings: message.readings,
    strongest: message.strongest,
  }));

test("each similarity splits over patches as Python splits it", () => {
  for (const matches of pairs()) {
    const { readings } = /** @type {any} */ (matches);
    for (const [name, similarity, oneToOne] of /** @type {const} */ ([
      ["semantic", "semantic", true],
      ["nearest", "semantic", false],
      ["aligned", "aligned", true],
      ["pooled", "pooled", true],
    ])) {
      const wanted = readings[name];
      const found = readingOf(matches, similarity, oneToOne);
      assert.ok(found, name);
      assert.ok(Math.abs(Number(found.value) - wanted.value) < 1e-6, name);
      // the mean token has no partners; Python has -1 for each
      const isMean = similarity === "pooled";
      assert.deepEqual(found.partner && [...found.partner], isMean ? null : wanted.partner, name);
      if (isMean) assert.deepEqual(new Set(wanted.partner), new Set([-1]));
      assert.ok(close(found.cosine, wanted.cosine), name);
      assert.ok(close(found.contribution, wanted.contribution), name);
      const sum = [...found.contribution].reduce((total, value) => total + value, 0);
      assert.ok(Math.abs(sum - wanted.value) < 1e-5, `${name}: the parts add up to the value`);
    }
    assert.equal(readingOf(matches, "class token", true), null);
    assert.equal(pairValue(matches, "class token", true), null);
  }
});

test("the patches that matter most come first, as in Python", () => {
  for (const matches of pairs()) {
    assert.deepEqual(readPair(matches, null, ONE).order, /** @type {any} */ (matches).strongest);
  }
});

test("inverses lead back", () => {
  for (const matches of pairs()) {
    const paired = readingOf(matches, "semantic", true);
    for (const [token, partner] of [...(paired?.partner ?? [])].entries()) {
      assert.equal(paired?.inverse?.[partner], token);
    }
    // several patches may have the same nearest one: it leads back to the one that it means most to
    const nearest = readingOf(matches, "semantic", false);
    assert.ok(nearest?.partner && nearest.inverse);
    const partners = [...nearest.partner];
    for (const [other, token] of [...nearest.inverse].entries()) {
      const takers = [...partners.keys()].filter((k) => partners[k] === other);
      if (token < 0) assert.deepEqual(takers, []);
      else {
        const most = Math.max(...takers.map((k) => nearest.contribution[k]));
        assert.equal(nearest.contribution[token], most);
      }
    }
  }
});

test("nothing is said before the numbers are there", () => {
  const said = readPair(null, null, ONE);
  assert.equal(said.whole, false);
  assert.deepEqual(said.order, []);
  assert.deepEqual(placesOf(said, { side: 0, token: 2 }), [-1, -1, -1]);
});

test("what is pointed at leads to its partners on both other images", () => {
  const [ab] = pairs();
  const ac = { ...pairs()[1], pair: /** @type {[number, number]} */ ([ab.pair[0], 4]) };
  const said = readPair(ab, ac, { ...ONE, image: 4 });
  assert.equal(said.whole, true);
  for (let token = 0; token < 6; token += 1) {
    const [a, b, c] = placesOf(said, { side: 0, token });
    assert.deepEqual([a, b, c], [token, ab.permutation[token], ac.permutation[token]]);
    assert.deepEqual(placesOf(said, { side: 1, token: b }), [a, b, c]);
    assert.deepEqual(placesOf(said, { side: 2, token: c }), [a, b, c]);
  }
});

test("numbers of another pair or layer are not compared", () => {
  const [ab, other] = pairs();
  /** @type {(expected: Matches) => boolean} */
  const whole = (expected) => readPair(ab, expected, { ...ONE, image: 4 }).whole;
  assert.equal(whole({ ...other, pair: [0, 4] }), true);
  assert.equal(whole(other), false); // of images 2 and 4
  assert.equal(whole({ ...other, pair: [0, 3] }), false);
  assert.equal(whole({ ...other, pair: [0, 4], layer: "right" }), false);
});

test("differences add up to the difference of the values", () => {
  const [ab, other] = pairs();
  const ac = { ...other, pair: /** @type {[number, number]} */ ([0, 4]) };
  const said = readPair(ab, ac, { ...ONE, image: 4 });
  const sum = (said.difference ?? []).reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum - (ab.semantic - ac.semantic)) < 1e-5);
  const sizes = said.order.map((token) => Math.abs(said.difference?.[token] ?? NaN));
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => b - a),
  );
  const [head, rest] = whySentences(said, "best match");
  assert.match(head, /^Why B and not C, by semantic \(best match\): A–B \d\.\d{3} − A–C \d\.\d{3} = [+−]\d\.\d{3}\.$/);
  assert.match(rest, /^Of A’s patches \d speak for B \(.*\), \d speak for C \(.*\)\.$/);
});

test("places are coloured as in the figures", () => {
  for (const { tokens, grid, corners, colours } of twins().places) {
    assert.deepEqual(
      placeColours(tokens, grid, corners),
      colours.map((/** @type {number[]} */ rgb) => `rgb(${rgb.join(", ")})`),
    );
  }
});

test("the strongest are outlined, each in its place's colour", () => {
  const [matches] = pairs();
  const said = readPair(matches, null, ONE);
  const marks = marksOf(said, 3, COLOURS);
  assert.deepEqual(
    marks.map((mark) => mark.places),
    said.order.slice(0, 3).map((token) => [
      { side: 0, token },
      { side: 1, token: matches.permutation[token] },
    ]),
  );
  assert.deepEqual(
    marks.map((mark) => mark.words),
    ["1", "2", "3"],
  );
  assert.equal(marks[0].strength, 1);
  assert.deepEqual(marksOf(said, 0, COLOURS), []);
  assert.equal(marksOf(said, 100, COLOURS).length, 6);
});

test("the mean token has no partners: both images' patches stand for themselves", () => {
  const said = readPair(pairs()[0], null, { similarity: "pooled", oneToOne: true });
  const marks = marksOf(said, 2, COLOURS);
  assert.deepEqual(
    marks.map((mark) => mark.places.map((place) => place.side)),
    [[0], [0], [1], [1]],
  );
});

test("a comparison marks what speaks for either image", () => {
  const [ab, other] = pairs();
  const said = readPair(ab, { ...other, pair: [0, 4] }, { ...ONE, image: 4 });
  for (const mark of marksOf(said, 2, COLOURS)) {
    const [{ token }, partner] = mark.places;
    const isForB = (said.difference?.[token] ?? NaN) >= 0;
    assert.equal(mark.colour, isForB ? "purple" : "orange");
    if (partner) assert.equal(partner.side, isForB ? 1 : 2);
  }
});

test("sentences say the numbers", () => {
  const [matches] = pairs();
  const said = readPair(matches, null, ONE);
  const partner = matches.permutation[1];
  assert.match(
    focusSentence(said, [1, partner, -1]),
    new RegExp(`^A 0,1 → B ${Math.floor(partner / 3)},${partner % 3} · cosine .* · contributes .* of .*`),
  );
  assert.equal(explanation(matches, "class token", true), "this layer has no class token");
  assert.match(shareWords(said, 2), /^2 carry /);
  assert.equal(shareWords(readPair(matches, null, { similarity: "class token", oneToOne: true }), 2), "");
});

test("what is hardly above unrelated is drawn as faint as in Python, and said in the same words", () => {
  const said = new Set();
  for (const twin of twins().trust) {
    assert.ok(close(opacities(twin.cosine, twin.semantic, twin.null), twin.opacity), JSON.stringify(twin));
    assert.equal(verdict(twin.semantic, twin.null, twin.any_matching), twin.verdict);
    said.add(twin.verdict);
  }
  assert.equal(said.size, 5);
  assert.equal(opacities([0.5], 0.5, null), null);
  assert.equal(verdict(0.1, null, 0), "");
});

test("well above unrelated is a value whose match is drawn in full, and that chance hardly reaches", () => {
  const level = { mean: 0.2, quantile95: 0.3, n: 96 };
  assert.equal(isWellAbove(0.41, level), true); // a quarter of the way from 0.2 to 1 is 0.4
  assert.equal(isWellAbove(0.39, level), false);
  assert.equal(isWellAbove(0.41, { ...level, quantile95: 0.45 }), false);
  assert.equal(isWellAbove(0.41, null), false);
});

test("only the best match fades, and what is not above unrelated can be left out", () => {
  for (const matches of pairs()) {
    const level = { mean: matches.semantic - 0.05, quantile95: matches.semantic - 0.04, n: 96 };
    const known = { ...matches, null: level };
    const faded = readPair(known, null, ONE);
    assert.deepEqual(faded.opacity, opacities(matches.cosine, matches.semantic, level));
    const marks = marksOf(faded, 5, COLOURS);
    assert.deepEqual(
      marks.map((mark) => mark.opacity),
      faded.order.slice(0, 5).map((token) => faded.opacity?.[token]),
    );
    assert.equal(readPair(known, null, { similarity: "aligned", oneToOne: true }).opacity, null);
    assert.equal(readPair(known, null, { ...ONE, image: 3 }).opacity, null);
    const above = readPair(known, null, { ...ONE, onlyAbove: true });
    const wanted = faded.order.filter((token) => matches.cosine[token] > level.mean);
    assert.deepEqual(above.order, wanted);
    assert.ok(wanted.length < faded.order.length);
  }
});

test("digits that would lie over a stronger one's are left out, in both pictures", () => {
  /** @type {(side: number, x: number, y: number) => import("../../semrsm_widgets/views/pair/overlay.js").Rectangle} */
  const patch = (side, x, y) => ({ x: x * side, y: y * side, width: side, height: side });
  const marks = (/** @type {number} */ side) => [
    [patch(side, 1, 5), patch(side, 40, 5)],
    [patch(side, 2, 5), patch(side, 50, 5)],
    [], // one without a digit
    [patch(side, 9, 5), patch(side, 51, 5)],
    [patch(side, 20, 5), patch(side, 60, 5)],
  ];
  assert.deepEqual(legibleDigits(marks(17)), [true, true, false, true, true]);
  assert.deepEqual(legibleDigits(marks(5)), [true, false, false, true, true]); // beside the first; the fourth's is free then
});
