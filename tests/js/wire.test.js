import assert from "node:assert/strict";
import { test } from "node:test";
import { readPack } from "../../semrsm_widgets/report/recorded.js";
import { asArray, bufferNames, onMessages, unpack } from "../../semrsm_widgets/views/base/wire.js";
import { readCells, readDetail } from "../../semrsm_widgets/views/compare/messages.js";
import { readResults } from "../../semrsm_widgets/views/retrieval/messages.js";
import { frameStore, unpackTriangles } from "../../semrsm_widgets/views/rsm/matrices.js";
import { asModel, buffersOf, close, FakeModel, twins, viewOf } from "./page.js";

test("numbers are read wherever their bytes begin", () => {
  const values = new Float32Array([1.5, -2, 3e9]);
  for (const buffer of [values, values.buffer, viewOf(new Uint8Array(values.buffer))]) {
    assert.deepEqual(asArray(buffer, Float32Array), values);
  }
  assert.deepEqual(asArray(new Int32Array([7, 8, 9]).subarray(1), Int32Array), new Int32Array([8, 9]));
});

test("what was read is a copy", () => {
  const values = new Int32Array([1, 2]);
  asArray(values, Int32Array)[0] = 5;
  assert.equal(values[0], 1);
});

test("a message is what Python put into it", () => {
  const { numbers, ...message } = twins().message;
  const { doubles, shown, none, ...read } = unpack(message.content, buffersOf(message));
  assert.equal(read.kind, "every kind");
  assert.equal("arrays" in read, false);
  assert.ok(doubles instanceof Float32Array);
  assert.ok(read.steps instanceof Uint16Array);
  assert.ok(read.truths instanceof Uint8Array);
  /** @type {(text: string) => number} */
  const numberOf = (text) => (text === "inf" ? Infinity : Number(text)); // of "nan": NaN
  for (const [name, texts] of Object.entries(numbers)) {
    assert.deepEqual([...{ doubles, ...read }[name]], texts.map(numberOf), name);
  }
  assert.deepEqual([shown.length, shown[1].byteLength, none.length], [2, 0, 0]);
  assert.equal(new TextDecoder().decode(shown[0]), "one");
  assert.deepEqual(read.level, { mean: 0.5, quantile95: null, n: 3 });
  assert.deepEqual(read.not_finite, [null, null, null, 1.5, 2, true]);
  assert.deepEqual(read.nested, { box: [0, 1.5, null], name: "Zoë" });
  assert.equal(bufferNames(message.content).length, message.buffers.length);
});

test("bytes that are not what the message says are not drawn", () => {
  const buffers = [new Float32Array(3)];
  const content = { kind: "k", arrays: [/** @type {[string, string, number[]]} */ (["a", "Float32Array", [2, 2]])] };
  assert.throws(() => unpack(content, buffers), /k: a has 3 numbers, not 4/);
});

test("messages go to the readers of their kind", () => {
  const model = new FakeModel();
  /** @type {any[]} */
  const heard = [];
  onMessages(asModel(model), { here: (message) => heard.push(message) });
  model.emit("msg:custom", { kind: "here", arrays: [["a", "Int32Array", [1]]] }, [new Int32Array([4])]);
  for (const kind of ["elsewhere", "toString"]) model.emit("msg:custom", { kind }, []);
  assert.deepEqual(heard, [{ kind: "here", a: new Int32Array([4]) }]);
});

test("a pair's arrays come under their names", () => {
  for (const message of twins().pairs) {
    const matches = unpack(message.content, buffersOf(message));
    assert.equal(matches.kind, "matches");
    assert.equal(matches.semantic, message.content.semantic);
    assert.ok(matches.permutation instanceof Int32Array);
    assert.ok(matches.ambiguous instanceof Uint8Array);
    assert.equal(matches.permutation.length, 6);
    assert.ok(close(matches.contribution, message.readings.semantic.contribution));
    assert.ok(close(matches.nearest_cosine, message.readings.nearest.cosine));
  }
});

/**
 * A frame as it is kept.
 *
 * @param {any} frame
 */
function triangles(frame) {
  const message = unpack(frame.content, buffersOf(frame));
  return { ...message, packed: message.matrices.map((/** @type {any} */ { name }) => message[name]) };
}

test("a frame of exact values gives the matrices back", () => {
  const { size, matrices, ...frame } = twins().frames[0];
  assert.equal(frame.content.exact, true);
  const full = unpackTriangles(triangles(frame), size);
  assert.deepEqual(Object.keys(full), Object.keys(matrices));
  for (const [name, values] of Object.entries(matrices)) assert.ok(close(full[name], values), name);
});

test("a frame of 16-bit steps gives them back up to half a step", () => {
  const { size, matrices, ...frame } = twins().frames[1];
  assert.equal(frame.content.exact, false);
  const full = unpackTriangles(triangles(frame), size);
  assert.equal("upper" in full, false);
  for (const { name, low, high } of frame.content.matrices) {
    const half = (high - low) / 65534 / 2;
    assert.equal(full[name].length, size * size);
    for (const [k, value] of matrices[name].entries()) assert.ok(Math.abs(full[name][k] - value) <= half * 1.01, name);
  }
});

test("a step that is none is no number", () => {
  const packed = [new Uint16Array([0, 65535, 65534])];
  const matrices = [{ name: "a", low: -1, high: 1, off_diagonal: /** @type {[number, number]} */ ([-1, 1]) }];
  const { a } = unpackTriangles({ exact: false, matrices, packed }, 2);
  assert.deepEqual([...a], [-1, NaN, NaN, 1]);
});

test("frames are kept by layer and kernel, and unpacked when they are looked at", () => {
  const { size, ...frame } = twins().frames[0];
  const store = frameStore(size);
  assert.equal(store.get("left", "cosine"), null);
  store.add(unpack(frame.content, buffersOf(frame)));
  assert.equal(store.get("left", "RBF"), null);
  const kept = store.get("left", "cosine");
  assert.equal(kept?.full?.semantic.length, size * size);
  store.clear();
  assert.equal(store.get("left", "cosine"), null);
});

test("the rankings of a query are read by name", () => {
  const { rows, right, ...message } = twins().results;
  const read = readResults(unpack(message.content, buffersOf(message)));
  assert.ok(close(read.right, right));
  assert.deepEqual(
    read.rows.map((row) => row.name),
    rows.map((/** @type {any} */ row) => row.name),
  );
  for (const [k, row] of read.rows.entries()) {
    assert.equal(row.state, "ready");
    if (row.state !== "ready") continue;
    assert.ok(close(row.values, rows[k].values));
    assert.deepEqual([...row.order], rows[k].order);
    assert.equal(row.ranks[read.query], -1);
    for (const [rank, index] of row.order.entries()) assert.equal(row.ranks[index], rank);
  }
});

test("a row that is not there has no numbers", () => {
  const { rows, ...message } = twins().results;
  const content = { ...message.content, rows: [{ name: "mine", state: "pending" }, message.content.rows[2]] };
  const read = readResults(unpack(content, buffersOf(message)));
  const last = read.rows[1];
  assert.deepEqual(read.rows[0], { name: "mine", state: "pending" });
  assert.ok(last.state === "ready" && close(last.values, rows[2].values));
});

test("a cell of the map says what Python says", () => {
  const { layers, cell, ...message } = twins().cell;
  const read = readCells(unpack(message.content, buffersOf(message)), layers, twins().similarities);
  assert.deepEqual(read, [cell]);
});

test("an opened cell gives its matrices back, with and without a difference", () => {
  const [whole, without] = twins().details.map((/** @type {any} */ message) => ({
    message,
    read: readDetail(unpack(message.content, buffersOf(message))),
  }));
  assert.equal(whole.read.colours.length, 5);
  assert.equal(without.read.colours.length, 2);
  for (const { message, read } of [whole, without]) {
    for (const side of [0, 1]) {
      assert.equal(read.colours[side].length, 25);
      assert.ok(close(read.values[side], message.values[side]));
      assert.ok(close(read.standard[side], message.standard[side]));
      assert.ok(close(read.ranks[side], message.ranks[side]));
    }
  }
});

test("pictures of an opened cell come with their images", () => {
  const message = twins().details[0];
  const made = URL.createObjectURL;
  URL.createObjectURL = () => "blob:one";
  const picture = viewOf(new Uint8Array([255, 216, 255]));
  const read = readDetail({
    ...unpack(message.content, buffersOf(message)),
    thumbnails: [3],
    own_thumbnails: [picture],
  });
  URL.createObjectURL = made;
  assert.deepEqual([...read.ownThumbnails], [[3, "blob:one"]]);
  assert.ok(close(read.ranks[1], message.ranks[1]));
});

test("a pack of the report holds what was put in", () => {
  const { pack, pictures, messages, cosine_step: step } = twins().pack;
  const bytes = Uint8Array.from(Buffer.from(pack, "base64"));
  const read = readPack(bytes, (number) => viewOf(Buffer.from(pictures[number], "base64")));
  assert.equal(read.length, messages.length);
  for (const [k, message] of messages.entries()) {
    assert.deepEqual(read[k].content, message.content);
    const found = read[k].buffers();
    const wanted = buffersOf(message);
    assert.equal(found.length, wanted.length);
    const names = bufferNames(message.content);
    for (const [n, buffer] of wanted.entries()) {
      const name = names[n];
      const type = message.content.arrays.find((/** @type {string[]} */ [each]) => each === name)[1];
      if (type !== "Float32Array") {
        const [here, there] = [asArray(found[n], Uint8Array), asArray(buffer, Uint8Array)];
        assert.deepEqual(here, there, name);
        continue;
      }
      // cosines are rounded, contributions follow from them
      const [here, there] = [asArray(found[n], Float32Array), asArray(buffer, Float32Array)];
      assert.equal(here.length, there.length);
      for (const [at, value] of there.entries()) assert.ok(Math.abs(here[at] - value) <= step, `${name} ${at}`);
    }
  }
});
