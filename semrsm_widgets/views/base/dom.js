// Helpers that every view uses. Text reaches the page through textContent only, so that a label or a file name with
// markup in it is shown as text.

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// Arrow keys are the notebook's in command mode (they fold headings): Lumino leaves them to elements marked so.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

const MINUS = "\u2212";

// Similarities have no natural unit: three significant places around 1, fewer digits for large inner products.
function format(value, digits = 2) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "∞";
  const size = Math.abs(value);
  let text;
  if (size >= 1e5 || (size > 0 && size < 10 ** -digits / 2)) text = size.toExponential(1);
  else if (size >= 100) text = size.toFixed(0);
  else if (size >= 10) text = size.toFixed(1);
  else text = size.toFixed(digits);
  if (/^[0.]+$/.test(text)) return text;
  return (value < 0 ? MINUS : "") + text;
}

// A certified gap is rounded up, and never said to be finer than float32 products are.
function atMost(gap) {
  if (!(gap > 1e-6)) return `1e${MINUS}6`;
  const power = Math.floor(Math.log10(gap));
  const digit = Math.ceil(gap / 10 ** power);
  return (digit === 10 ? `1e${power + 1}` : `${digit}e${power}`).replace("-", MINUS);
}

function asArray(buffer, Type) {
  // A DataView's offset need not be a multiple of the element size: copy the bytes.
  const view = buffer instanceof DataView ? buffer : new DataView(buffer.buffer ?? buffer);
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function jpegUrl(buffer) {
  return URL.createObjectURL(new Blob([asArray(buffer, Uint8Array)], { type: "image/jpeg" }));
}

// A kernel that stays silent so long after it was asked is busy with a cell, or gone: the view says so.
const SILENCE_MS = 5000;
const SILENCE = "The kernel has not answered for 5 s: it is busy with a cell, or gone (then run the cell again). "
  + "Where no widget ever gets an answer, explore(..., live=False) shows a page that needs no kernel.";

// Asks the kernel for a sign of life; `tell(true)` when none comes, `tell(false)` when it is heard again.
function kernelWatch(model, tell) {
  let timer = null;
  let silent = false;
  const heard = () => {
    clearTimeout(timer);
    timer = null;
    if (!silent) return;
    silent = false;
    tell(false);
  };
  const events = listeners(model);
  events.on("msg:custom", heard);
  events.on("change:_status", heard); // only the kernel sets it
  return {
    ask() {
      if (timer !== null) return;
      timer = setTimeout(() => {
        timer = null; // the next thing that the user does asks again
        silent = true;
        tell(true);
      }, SILENCE_MS);
      try { model.send({ kind: "ping" }); } catch { /* a dead kernel takes no message: the timer will tell */ }
    },
    stop() { clearTimeout(timer); events.stop(); },
  };
}

// The status line: what is being done, how far it is, how to stop it, what waits to be started, and whether the kernel
// still answers. Errors are announced to screen readers.
function statusLine(model) {
  const send = (kind) => () => model.send({ kind });
  const text = h("span", { class: "srsm-status-text" });
  const bar = h("span", { class: "srsm-progress", "aria-hidden": "true" }, h("span"));
  const button = (words, kind, look = "") => h("button", { class: `srsm-button ${look}`, type: "button", onclick: send(kind) }, words);
  const buttons = { working: button("Cancel", "cancel"), cancelled: button("Resume", "resume"), waiting: button("Start", "start", "srsm-primary") };
  const root = h("div", { class: "srsm-status", role: "status", "aria-live": "polite" }, bar, text, ...Object.values(buttons));
  let silent = false;
  const update = () => {
    const { state = "working", text: words = "", fraction = null, left = "" } = silent
      ? { state: "silent", text: SILENCE } : model.get("_status") ?? {};
    root.dataset.state = state;
    root.setAttribute("role", state === "error" || state === "silent" ? "alert" : "status");
    text.textContent = words + (state === "working" && fraction !== null ? ` ${Math.round(100 * fraction)} %${left && `, ${left}`}` : "");
    text.title = words;
    bar.style.visibility = state === "working" ? "visible" : "hidden";
    bar.dataset.unknown = fraction === null;
    bar.firstChild.style.width = `${100 * (fraction ?? 0.3)}%`;
    for (const [name, each] of Object.entries(buttons)) each.hidden = name !== state;
  };
  let hidden = false;
  const watch = kernelWatch(model, (isSilent) => {
    if (isSilent && !silent) hidden = root.hidden; // a view whose status stands elsewhere says this by itself
    silent = isSilent;
    root.hidden = isSilent ? false : hidden;
    update();
  });
  queueMicrotask(() => { // the view has put the line in its place by then
    const view = root.closest(".srsm");
    for (const action of ["click", "change", "keydown"]) view?.addEventListener(action, watch.ask, true);
  });
  model.on("change:_status", update);
  update();
  watch.ask();
  return { root, stop() { model.off("change:_status", update); watch.stop(); } };
}

// Listeners that live as long as one view on the page.
function listeners(model) {
  const undo = [];
  return {
    on(event, callback) {
      model.on(event, callback);
      undo.push(() => model.off(event, callback));
    },
    add(stop) { undo.push(stop); },
    stop() { undo.forEach((f) => f()); },
  };
}

// A calm segmented control; arrow keys work as in any group of radio buttons.
function segmented(label, options, value, onChange) {
  const name = `srsm-${Math.random().toString(36).slice(2)}`;
  const inputs = new Map();
  const root = h("span", { class: "srsm-segmented", role: "radiogroup", "aria-label": label, ...OWN_KEYS });
  for (const [key, words] of options) {
    const input = h("input", { type: "radio", name, value: key, onchange: () => onChange(key) });
    input.checked = key === value;
    inputs.set(key, input);
    root.append(h("label", {}, input, h("span", {}, words)));
  }
  return { root, set(key) { if (inputs.has(key)) inputs.get(key).checked = true; } };
}

// The layer slider: depth from left to right, the layer's name and shape beside it.
function layerSlider(layers, onChange) {
  const last = layers.length - 1;
  const words = h("output", { class: "srsm-layer" });
  const input = h("input", { type: "range", min: 0, max: last, step: 1, class: "srsm-slider", "aria-label": "layer", ...OWN_KEYS });
  const step = (by) => { move(Number(input.value) + by); };
  const move = (k) => { input.value = Math.min(last, Math.max(0, k)); change(); };
  const describe = () => {
    const row = layers[Number(input.value)];
    words.replaceChildren(h("strong", {}, row.name), ` · ${layerShape(row)}`);
    input.setAttribute("aria-valuetext", `${row.name}, ${layerShape(row)}`);
  };
  const change = () => { describe(); onChange(layers[Number(input.value)].name); };
  input.addEventListener("input", change);
  const button = (sign, by, label) => h("button", { class: "srsm-button srsm-step", type: "button", "aria-label": label, onclick: () => step(by) }, sign);
  const root = h("span", { class: "srsm-field srsm-layers" }, h("span", { class: "srsm-label" }, "layer"),
    button("‹", -1, "previous layer"), input, button("›", 1, "next layer"), words);
  return {
    root,
    set(name) {
      const k = layers.findIndex((row) => row.name === name);
      if (k >= 0 && Number(input.value) !== k) input.value = k;
      describe();
    },
  };
}

function layerShape(row) {
  const place = row.grid ? `${row.grid[0]}×${row.grid[1]} patches` : `${row.tokens} tokens`;
  const pooled = row.native && row.grid && row.native[0] !== row.grid[0] ? ` (pooled from ${row.native[0]}×${row.native[1]})` : "";
  return `${place}${pooled} · ${row.channels} channels`;
}

// How long a view waits for the names of private pictures before it is drawn without them: a kernel that runs a cell
// sends none until the cell has ended.
const NAMES_PATIENCE_MS = 1000;

// A view of pictures that must not be saved. What a model holds, the notebook may keep; so its names come as a message
// and lie over the model: the view reads them there as if they were part of it.
function withPrivate(view) {
  const over = new Map(); // trait -> what stands in its place
  const watchers = new Map(); // "change:<trait>" -> callbacks
  let known = false;
  let arrived;
  const names = new Promise((resolve) => { arrived = () => { known = true; resolve(); }; });
  const wrap = (model) => {
    const own = {
      get: (name) => (over.has(name) ? over.get(name) : model.get(name)),
      on(event, callback) {
        model.on(event, callback);
        if (!watchers.has(event)) watchers.set(event, new Set());
        watchers.get(event).add(callback);
      },
      off(event, callback) {
        model.off(event, callback);
        watchers.get(event)?.delete(callback);
      },
    };
    return new Proxy(model, {
      get(target, key) {
        if (Object.hasOwn(own, key)) return own[key];
        const value = target[key];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  return {
    ...view,
    initialize({ model, ...rest }) {
      model.on("msg:custom", (content) => {
        if (content.kind !== "private" && content.kind !== "public") return;
        const changed = content.kind === "public" ? [...over.keys()] : Object.keys(content.state);
        if (content.kind === "public") over.clear();
        else for (const name of changed) over.set(name, content.state[name]);
        if (content.all) arrived();
        for (const name of changed) watchers.get(`change:${name}`)?.forEach((callback) => callback());
      });
      return view.initialize?.({ model: wrap(model), ...rest });
    },
    async render({ model, el, ...rest }) {
      const draw = () => view.render({ model: wrap(model), el, ...rest });
      if (!model.get("_private")) return draw();
      await Promise.race([names, new Promise((go) => { setTimeout(go, NAMES_PATIENCE_MS); })]);
      let drawn = Promise.resolve(draw());
      let ended = false;
      if (!known) {
        names.then(async () => { // late, but still better than "image 1"
          (await drawn)?.();
          el.replaceChildren();
          if (!ended) drawn = Promise.resolve(draw());
        });
      }
      return async () => { ended = true; (await drawn)?.(); };
    },
  };
}
