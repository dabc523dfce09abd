// Bokeh figures inside our own widgets, by BokehJS's public API.

import { h } from "./dom.js";
import { unpack } from "./wire.js";

/** @typedef {any} BokehJS */
/** @typedef {{ row: number, column: number, side: number }} Square a square of cells: its first row and column, its side */

/**
 * One version of BokehJS on this page.
 *
 * @typedef {object} Pending
 * @property {Promise<BokehJS>} promise
 * @property {number} asked when a kernel was asked for it
 * @property {boolean} loaded whether bytes have come
 * @property {(bytes: Uint8Array<ArrayBuffer>, failed: () => void) => void} run
 */

// A kernel that was asked for BokehJS may be gone: after this long the next view's is asked as well.
const BOKEH_PATIENCE_MS = 5000;

/** @type {{ Bokeh?: BokehJS, __semrsmBokeh?: Record<string, Pending> }} what all bundles on a page share */
const page = /** @type {any} */ (globalThis);

/**
 * BokehJS is loaded once per page, from the bytes of the version that is installed beside the kernel: no set-up line
 * in the notebook, no network. A page that has the same version already (output_notebook) is used as it is.
 *
 * @param {import("./model.js").Model} model
 * @returns {Promise<BokehJS>}
 */
export function loadBokeh(model) {
  /** @type {string} */
  const version = model.get("_bokeh_version");
  page.__semrsmBokeh ??= {};
  const versions = page.__semrsmBokeh;
  if (page.Bokeh?.version === version) return Promise.resolve(page.Bokeh);
  versions[version] ??= pendingBokeh();
  const pending = versions[version];
  const ask = () => {
    if (pending.loaded) return;
    pending.asked = performance.now();
    model.on("msg:custom", receive);
    model.send({ kind: "bokehjs" });
  };
  /** @type {(content: any, buffers: DataView[]) => void} */
  const receive = (content, buffers) => {
    if (content.kind !== "bokehjs") return;
    model.off("msg:custom", receive);
    pending.run(unpack(content, buffers).script, () => {
      delete versions[version];
    });
  };
  const wait = pending.asked + BOKEH_PATIENCE_MS - performance.now();
  if (wait > 0) setTimeout(ask, wait);
  else ask();
  return pending.promise;
}

/**
 * A promise of BokehJS, which `run` keeps with the first bytes that come.
 *
 * @returns {Pending}
 */
function pendingBokeh() {
  /** @type {(bokeh: BokehJS) => void} */
  let keep;
  /** @type {(error: Error) => void} */
  let fail;
  /** @type {Promise<BokehJS>} */
  const promise = new Promise((resolve, reject) => {
    [keep, fail] = [resolve, reject];
  });
  /** @type {Pending} */
  const pending = {
    promise,
    asked: -Infinity,
    loaded: false,
    run(bytes, failed) {
      if (pending.loaded) return;
      pending.loaded = true;
      const url = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
      const before = page.Bokeh;
      const script = h("script", { src: url });
      script.onload = () => {
        URL.revokeObjectURL(url);
        const bokeh = page.Bokeh;
        if (before !== undefined) page.Bokeh = before; // another version belongs to somebody else: leave it
        keep(bokeh);
      };
      script.onerror = () => {
        failed();
        fail(new Error("The browser refused to run BokehJS (a Content-Security-Policy without blob:?)."));
      };
      document.head.append(script);
    },
  };
  return pending;
}

/**
 * Resolves once the element is in the page: Bokeh measures it while embedding.
 *
 * @param {HTMLElement} element
 * @param {() => boolean} isOver whether nobody waits any more: a page would look at every frame, and keep what it looks at
 * @returns {Promise<boolean>} whether it is there
 */
function attached(element, isOver) {
  return new Promise((resolve) => {
    const check = () => {
      if (element.isConnected || isOver()) resolve(element.isConnected && !isOver());
      else requestAnimationFrame(check);
    };
    check();
  });
}

/**
 * Embeds one heatmap; `setImage` replaces the image of the named source by (rows x columns) uint8 colour indices.
 *
 * @param {BokehJS} Bokeh
 * @param {object} item the figure, as `json_item` gives it
 * @param {HTMLElement} element
 * @param {() => boolean} isOver whether the view is gone; then there is nothing
 */
export async function embedFigure(Bokeh, item, element, isOver) {
  if (!(await attached(element, isOver))) return null;
  const views = await Bokeh.embed.embed_item(item, element);
  const view = [...views][0];
  const doc = view.model.document;
  return {
    /** @type {(name: string, bytes: Uint8Array, rows: number, columns: number) => void} */
    setImage(name, bytes, rows, columns) {
      const source = doc.get_model_by_name(name);
      // Bokeh accepts only its own n-dimensional arrays: make one by the constructor of the one that is there.
      const image = new source.data.image[0].constructor(bytes, [rows, columns]);
      source.data = { ...source.data, image: [image], dw: [columns], dh: [rows] };
    },
    /**
     * Shows a square of cells of a matrix of `size` rows and columns.
     *
     * @param {Square} square
     * @param {number} size
     */
    setArea({ row, column, side }, size) {
      view.model.x_range.setv({ start: column, end: column + side });
      view.model.y_range.setv({ start: size - row - side, end: size - row });
    },
    remove() {
      for (const each of views) each.remove();
      // BokehJS keeps every document that it has embedded, and with it the elements that it was drawn in
      const at = Bokeh.documents?.indexOf(doc) ?? -1;
      if (at >= 0) Bokeh.documents.splice(at, 1);
    },
  };
}
