// The stand-alone report: the views' own modules on models of their own, with recorded answers in place of a kernel.

const page = JSON.parse(document.getElementById("srsm-page").textContent);
const LINKED = ["layer", "kernel", "pair", "query"];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// What a view needs of Jupyter's widget model.
class Model {
  constructor(traits) {
    this.traits = traits;
    this.listeners = new Map();
    this.answer = () => {};
  }
  get(name) { return this.traits[name]; }
  set(name, value) {
    if (same(this.traits[name], value)) return;
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }
  save_changes() {}
  on(event, callback) { this.listeners.set(event, [...(this.listeners.get(event) ?? []), callback]); }
  off(event, callback) { this.listeners.set(event, (this.listeners.get(event) ?? []).filter((each) => each !== callback)); }
  emit(event, ...values) { for (const callback of this.listeners.get(event) ?? []) callback(...values); }
  send(content) { queueMicrotask(() => this.answer(content)); }
}

// -- what was recorded ---------------------------------------------------------------------------------------------

function stored(id) {
  const node = document.getElementById(id);
  const text = atob(node.textContent);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
  return bytes;
}

const blobs = new Map();
function blob(number) {
  if (!blobs.has(number)) blobs.set(number, new DataView(stored(`srsm-blob-${number}`).buffer));
  return blobs.get(number);
}

const packs = new Map(); // id -> promise of its messages
function openPack(id) {
  if (!packs.has(id)) packs.set(id, unpack(id));
  return packs.get(id);
}

async function unpack(id) {
  const deflated = new Blob([stored(id)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(deflated).arrayBuffer());
  document.getElementById(id).remove(); // the inflated bytes stay: the text is not needed again
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const { messages, columns, shares } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  for (const column of columns) {
    column.planes = [];
    for (let k = 0; k < column.width; k += 1, at += column.count) column.planes.push(bytes.subarray(at, at + column.count));
  }
  const sharesOf = (image) => shares[image].map((place) => new Float32Array(buffer(place, columns).buffer));
  const readAll = (content, places) => {
    const read = [];
    const named = (name) => read[content.arrays.findIndex(([each]) => each === name)];
    for (const place of places) {
      if ("blob" in place) read.push(blob(place.blob));
      else if ("inverse" in place) read.push(inverse(new Int32Array(read[0].buffer), place.inverse));
      else if ("product" in place) read.push(product(place.product, named, content.pair.map(sharesOf)));
      else read.push(buffer(place, columns));
    }
    return read;
  };
  return messages.map(({ content, scope, buffers }) => ({ content, scope, buffers: () => readAll(content, buffers) }));
}

function buffer({ column, start, count, step }, columns) {
  const { numbers, width, offset, planes } = columns[column];
  const bytes = new Uint8Array(width * count);
  planes.forEach((plane, k) => { // the highest bytes come first, numbers are little-endian
    for (let n = 0; n < count; n += 1) bytes[n * width + width - 1 - k] = plane[start + n];
  });
  if (numbers === "Int32Array") {
    const Type = { 1: Uint8Array, 2: Uint16Array, 4: Int32Array }[width];
    return new DataView(Int32Array.from(new Type(bytes.buffer), (value) => value - offset).buffer);
  }
  if (numbers === "steps") {
    const [Type, none] = width === 1 ? [Int8Array, -128] : [Int16Array, -32768];
    return new DataView(Float32Array.from(new Type(bytes.buffer), (value) => (value === none ? NaN : value * step)).buffer);
  }
  return new DataView(bytes.buffer);
}

// Contributions from cosines and from the shares of tokens in the norms of their images: [of the whole, of the mean].
function product({ cosine, partner, side }, named, shares) {
  const own = shares[side];
  const other = shares[1 - side];
  const partners = partner === "mean" || partner === "same" ? null : new Int32Array(named(partner).buffer);
  return new DataView(new Float32Array(named(cosine).buffer).map((value, token) => {
    if (Number.isNaN(value)) return 0; // no partner
    if (partner === "mean") return value * own[1][token];
    return value * own[0][token] * other[0][partners ? partners[token] : token];
  }).buffer);
}

function inverse(permutation, size) {
  const found = new Int32Array(size).fill(-1);
  permutation.forEach((partner, token) => { if (partner >= 0) found[partner] = token; });
  return new DataView(found.buffer);
}

// -- answering a view ----------------------------------------------------------------------------------------------

// Plays what was recorded for the state a view is in: at its "ready", and when one of its traits changes.
function answerFor(model, part) {
  const state = () => Object.fromEntries(part.keys.map((key) => [key, model.get(key)]));
  const fits = (scope, values) => Object.entries(scope).every(([key, value]) => same(value, values[key]));
  const messagesOf = async ({ layer }) => {
    const those = part.packs.filter((pack) => pack.layer === null || pack.layer === layer);
    return (await Promise.all(those.map((pack) => openPack(pack.id)))).flat();
  };
  const deliver = (messages) => messages.forEach(({ content, buffers }) => model.emit("msg:custom", content, buffers()));

  let changed = new Set(); // names of traits; "ready": everything is wanted
  let queued = false;
  let latest = 0;
  async function play() {
    const ticket = (latest += 1);
    const now = state();
    const messages = await messagesOf(now);
    if (ticket !== latest) return; // a later change plays for both
    const names = changed;
    changed = new Set();
    const wanted = (scope) => names.has("ready") || Object.keys(scope).some((key) => names.has(key));
    deliver(messages.filter(({ scope }) => fits(scope, now) && wanted(scope)));
  }
  const refresh = (name) => {
    changed.add(name);
    if (queued) return;
    queued = true;
    queueMicrotask(() => { queued = false; play(); });
  };
  for (const key of part.keys) model.on(`change:${key}`, () => refresh(key));

  model.answer = async (content) => {
    if (content.kind === "ping") model.emit("msg:custom", { kind: "pong" }, []);
    else if (content.kind === "ready") refresh("ready");
    else if (part.keys.some((key) => key in content)) { // asked for something of another state, or once more
      const values = { ...state(), ...content };
      deliver((await messagesOf(values)).filter(({ scope }) => Object.keys(scope).length && fits(scope, values)));
    }
  };
  for (const { given, gives, values } of part.effects) {
    model.on(`change:${given[0]}`, () => {
      const answer = values[JSON.stringify(given.map((name) => model.get(name)))];
      answer?.forEach((value, k) => model.set(gives[k], value));
    });
  }
}

// A view's own Python keeps a pinned patch at its place where the next layer has another grid.
function keepPin(model) {
  const gridOf = (layer) => model.get("_layers").find((row) => row.name === layer)?.grid;
  let from = gridOf(model.get("layer"));
  model.on("change:layer", () => {
    const to = gridOf(model.get("layer"));
    const token = model.get("token");
    if (token >= 0) {
      const cell = from && [Math.floor(token / from[1]), token % from[1]];
      const [row, column] = from && to ? cell.map((k, axis) => Math.floor(((k + 0.5) * to[axis]) / from[axis])) : [];
      model.set("token", from && to ? row * to[1] + column : -1);
    }
    from = to;
  });
}

function link(models) {
  for (const name of LINKED) {
    const those = models.filter((model, k) => name in model.traits && !page.parts[k].alone.includes(name));
    for (const model of those) {
      model.on(`change:${name}`, () => those.forEach((other) => other.set(name, model.get(name))));
    }
  }
}

// -- pairs that the file does not hold -----------------------------------------------------------------------------

// The pairs are kept once, the earlier image first. Another pair is said to be missing, and its nearest are offered.
function guardPairs(model, section) {
  const held = new Set(page.pairs.held.map(String));
  const partners = new Map();
  for (const [i, j] of page.pairs.held) { // the nearest first
    for (const [a, b] of [[i, j], [j, i]]) partners.set(a, [...(partners.get(a) ?? []), b]);
  }
  const notice = document.createElement("div");
  notice.className = "srsm srsm-absent";
  notice.setAttribute("role", "status");
  notice.hidden = true;
  section.after(notice);
  const idOf = (k) => model.get("_images")[k].id;
  const element = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text });

  function offer([i, j]) {
    const pairs = [i, j].flatMap((k) => (partners.get(k) ?? []).slice(0, 3).map((other) => [k, other]));
    const distinct = new Map(pairs.map((pair) => [String([...pair].sort((a, b) => a - b)), pair]));
    const buttons = [...distinct.values()].map((pair) => {
      const button = element("button", "srsm-button", `${idOf(pair[0])} – ${idOf(pair[1])}`);
      button.type = "button";
      button.addEventListener("click", () => model.set("pair", pair));
      return button;
    });
    const words = i === j ? `${idOf(i)} with itself is not kept in this file.`
      : `The patches of ${idOf(i)} and ${idOf(j)} are not in this file.`;
    notice.replaceChildren(element("p", "", `${words} ${page.pairs.words}`), element("p", "srsm-label", "Nearest pairs that are:"),
      ...buttons);
  }
  const check = () => {
    const pair = model.get("pair");
    const reverse = [pair[1], pair[0]];
    if (!held.has(String(pair)) && held.has(String(reverse))) { model.set("pair", reverse); return; }
    const there = held.has(String(pair));
    section.hidden = !there;
    notice.hidden = there;
    if (!there) offer(pair);
  };
  model.on("change:pair", check);
  check();
}

// -- the page ------------------------------------------------------------------------------------------------------

async function open() {
  const models = page.parts.map((part) => new Model(part.traits));
  const ahead = [];
  link(models);
  const shown = page.parts.map(async (part, k) => {
    const section = document.getElementById(`srsm-part-${k}`);
    const model = models[k];
    if ("token" in model.traits) keepPin(model);
    if (part.guarded) guardPairs(model, section);
    answerFor(model, part);
    ahead.push(...part.packs.map((pack) => pack.id));
    const given = globalThis.srsmModules[part.module];
    const view = typeof given === "function" ? await given() : given;
    await view.initialize?.({ model });
    await view.render({ model, el: section });
  });
  await Promise.all(shown);
  document.documentElement.dataset.ready = "true";
  const idle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 200));
  const next = () => { // the other layers are inflated while nothing else is to be done
    const id = ahead.find((each) => !packs.has(each));
    if (id) idle(() => openPack(id).then(next));
  };
  next();
}

open().catch((error) => {
  const old = typeof DecompressionStream === "undefined";
  const words = old ? "This browser is too old for the report: it cannot inflate data (Chrome 80, Firefox 113 and Safari 16.4 can)."
    : `The report cannot be drawn: ${error?.message ?? error}`;
  const note = document.createElement("p");
  note.setAttribute("role", "alert");
  note.className = "srsm-report-error";
  note.textContent = words;
  document.querySelector("main").prepend(note);
});
