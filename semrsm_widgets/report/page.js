// The stand-alone report: the views of the package on models of their own, with recorded answers in place of a kernel.

import { whenIdle } from "../views/base/dom.js";
import { Model } from "../views/base/page_model.js";
import pairView from "../views/pair/view.js";
import retrievalView from "../views/retrieval/view.js";
import rsmView from "../views/rsm/view.js";
import { answerFor, keepPin, link } from "./kernel.js";
import { guardPairs } from "./pairs.js";
import { isOpen, openPack } from "./recorded.js";

/** @type {Record<string, () => any>} */
const VIEWS = { RSMView: rsmView, PairView: pairView, RetrievalView: retrievalView };

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}

async function open() {
  /** @type {{ parts: import("./kernel.js").Part[], pairs: { held: [number, number][], words: string } }} */
  const { parts, pairs } = JSON.parse(element("srsm-page").textContent);
  const models = parts.map((part) => new Model(part.traits));
  /** @type {{ id: string, give: () => void }[]} */
  const ahead = [];
  link(models, parts);
  const shown = parts.map(async (part, k) => {
    const section = element(`srsm-part-${k}`);
    const model = models[k];
    if ("token" in model.traits) keepPin(model);
    if (part.guarded) guardPairs(model, section, pairs);
    answerFor(model, part);
    for (const { id, layer } of part.packs) ahead.push({ id, give: () => giveFrames(model, layer) });
    const view = VIEWS[part.module]();
    await view.initialize?.({ model });
    await view.render({ model, el: section });
  });
  await Promise.all(shown);
  document.documentElement.dataset.ready = "true";
  // The other layers are inflated while nothing else is to be done.
  const next = () => {
    const pack = ahead.shift();
    if (!pack) return;
    const { id, give } = pack;
    const after = () => {
      give();
      next();
    };
    if (isOpen(id)) after();
    else whenIdle(() => openPack(id).then(after));
  };
  next();
}

/**
 * Gives the heatmaps a layer that is not on screen, as a kernel does, for the charts by layer.
 *
 * @param {Model} model
 * @param {string | null} layer
 */
function giveFrames(model, layer) {
  if (layer === null || !model.get("_palettes")) return;
  for (const kernel of model.get("_kernels")) model.send({ kind: "frame", layer, kernel });
}

open().catch((error) => {
  const isOld = typeof DecompressionStream === "undefined";
  const note = document.createElement("p");
  note.setAttribute("role", "alert");
  note.className = "srsm-report-error";
  note.textContent = isOld
    ? "This browser is too old for the report: it cannot inflate data (Chrome 80, Firefox 113 and Safari 16.4 can)."
    : `The report cannot be drawn: ${error?.message ?? error}`;
  document.querySelector("main")?.prepend(note);
});
