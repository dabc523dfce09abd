import assert from "node:assert/strict";
import { test } from "node:test";
import { readPack } from "../../semrsm_widgets/report/recorded.js";
import { asArray, withArrays } from "../../semrsm_widgets/views/base/wire.js";
import { readCell, readDetail } from "../../semrsm_widgets/views/compare/messages.js";
import { readResults } from "../../semrsm_widgets/views/retrieval/messages.js";
import { frameStore, unpackTriangles } from "../../semrsm_widgets/views/rsm/matrices.js";
import { buffersOf, close, twins, viewOf } from "./page.js";

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

test("a pair's arrays come under their names", () => {
  for (const message of twins().pairs) {
    const matches = withArrays(message.content, buffersOf(message));
    assert.equal(matches.kind, "matches");
    assert.equal(matches.semantic, message.content.semantic);
    assert.ok(matches.permutation instanceof Int32Array);
    assert.ok(matches.ambiguous instanceof Uint8Array);
    assert.equal(matches.permutation.length, 6);
    assert.ok(close(matches.contribution, message.readings["best match"].contribution));
    assert.ok(close(matches.nearest_cosine, message.readings.nearest.cosine));
  }
});

test("a frame of exact values gives the matrices back", () => {
  const { size, matrices, ...frame } = twins().frames[0];
  assert.equal(frame.content.exact, true);
  const full = unpackTriangles({ ...frame.content, packed: buffersOf(frame) }, size);
  assert.deepEqual(Object.keys(full), Object.keys(matrices));
  for (const [name, values] of Object.entries(matrices)) assert.ok(close(full[name], values), name);
});

test("a frame of 16-bit steps gives them back up to half a step", () => {
  const { size, matrices, ...frame } = twins().frames[1];
  assert.equal(frame.content.exact, false);
  const full = unpackTriangles({ ...frame.content, packed: buffersOf(frame) }, size);
  assert.equal("upper" in full, false);
  for (const { name, low, high } of frame.content.matrices) {
    const half = (high - low) / 65534 / 2;
    assert.equal(full[name].length, size * size);
    for (const [k, value] of matrices[name].entries()) assert.ok(Math.abs(full[name][k] - value) <= half * 1.01, name);
  }
});

test("a step that is none is no number", () => {
  const packed = [viewOf(new Uint8Array(new Uint16Array([0, 65535, 65534]).buffer))];
  const matrices = [{ name: "a", low: -1, high: 1, off_diagonal: /** @type {[number, number]} */ ([-1, 1]) }];
  const { a } = unpackTriangles({ exact: false, matrices, packed }, 2);
  assert.deepEqual([...a], [-1, NaN, NaN, 1]);
});

test("frames are kept by layer and kernel, and unpacked when they are looked at", () => {
  const { size, ...frame } = twins().frames[0];
  const store = frameStore(size);
  assert.equal(store.get("left", "cosine"), null);
  store.add(frame.content, buffersOf(frame));
  assert.equal(store.get("left", "RBF"), null);
  const kept = store.get("left", "cosine");
  assert.equal(kept?.full?.semantic.length, size * size);
  store.clear();
  assert.equal(store.get("left", "cosine"), null);
});

test("the rankings of a query are read in the order of their rows", () => {
  const { rows, right, ...message } = twins().results;
  const read = readResults(message.content, buffersOf(message));
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

test("a row that is not there takes no buffers", () => {
  const message = twins().results;
  const [f1, ...others] = buffersOf(message);
  const rows = message.content.rows.map((/** @type {any} */ row, /** @type {number} */ k) =>
    k === 1 ? { name: row.name, state: "pending" } : row,
  );
  const read = readResults({ ...message.content, rows }, [f1, ...others.slice(0, 2), ...others.slice(4)]);
  const last = read.rows[2];
  assert.ok(last.state === "ready" && close(last.values, message.rows[2].values));
});

test("a cell of the map says what Python says", () => {
  const { row, layers, cell } = twins().cell;
  assert.deepEqual(readCell(row, layers, cell.n), cell);
});

test("an opened cell gives its matrices back, with and without a difference", () => {
  const [whole, without] = twins().details.map((/** @type {any} */ message) => ({
    message,
    read: readDetail(message.content, buffersOf(message)),
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

test("pictures of an opened cell stand after its matrices", () => {
  const message = twins().details[0];
  const made = URL.createObjectURL;
  URL.createObjectURL = () => "blob:one";
  const picture = viewOf(new Uint8Array([255, 216, 255]));
  const read = readDetail({ ...message.content, thumbnails: [3] }, [...buffersOf(message), picture]);
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
    for (const [n, buffer] of wanted.entries()) {
      const [name, type] = message.content.arrays?.[n] ?? ["", "Uint8Array"];
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
