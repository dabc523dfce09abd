// TransformLab: a picture, the same picture moved about, and what the three similarities make of it while sliders move.

import { badgeOf } from "../base/controls.js";
import { h } from "../base/dom.js";
import { cellOf } from "../base/grid_pointer.js";
import { helpButton } from "../base/help.js";
import { layerSlider } from "../base/layer_slider.js";
import { listeners, setter } from "../base/model.js";
import { patchSimilarities } from "../base/similarities.js";
import { statusLine } from "../base/status_line.js";
import { asItIs, messageWidget, withUrls } from "../base/widget.js";
import { labKnobs } from "./knobs.js";
import { labNumbers } from "./numbers.js";
import { labCanvas, labPicture } from "./pictures.js";
import { labPresets } from "./presets.js";
import { shiftChart } from "./shift_chart.js";

/**
 * What is known of the original and the moved picture.
 *
 * @typedef {object} LabFacts
 * @property {string} layer
 * @property {number} index of the picture
 * @property {{ shift: [number, number], [name: string]: any }} setting how it was moved
 * @property {[number, number] | null} grid
 * @property {Int32Array} permutation for each patch of the original its partner in the moved one, -1 for none
 * @property {number | null} same_position
 * @property {import("../base/wire.js").NullLevel | null} null what unrelated tokens reach
 * @property {Float32Array} distance of each shift that was visited; its similarities are in `trace_NAME`
 */

/** @typedef {LabFacts & Record<string, any>} LabMatches with the similarities under their names */

/** @typedef {import("../base/model.js").Model} Model */
/** @typedef {{ urls: string[], index: number }} Pictures the original and the moved one */

export default () => messageWidget({ pictures: withUrls, matches: asItIs }, transformLab);

/**
 * @param {Model} model
 * @param {HTMLElement} el
 */
function transformLab(model, el) {
  const events = listeners(model);
  const set = setter(model);
  const status = statusLine(model);
  events.add(status.stop);
  /** @type {LabMatches | null} */
  let matches = null;
  let token = -1; // of the original, under the pointer or the arrow keys

  const name = h("span", { class: "srsm-title" });
  const layerPlace = h("span", { class: "srsm-layers srsm-field" });
  /** @type {ReturnType<typeof layerSlider> | null} */
  let slider = null;
  const choose = h("select", { class: "srsm-choose", "aria-label": "picture" });
  choose.addEventListener("change", () => set("index", Number(choose.value)));

  const before = labPicture("original");
  const after = labPicture("moved");
  const back = labCanvas("the moved picture’s patches, put where their partners are");
  const similarities = patchSimilarities(model);
  const numbers = labNumbers(similarities);
  const knobs = labKnobs(model, set);
  const presets = labPresets(model, () => matches?.grid ?? null);
  const chart = shiftChart(similarities);
  const line = h("p", { class: "srsm-token-line", "aria-live": "polite" });
  const root = h(
    "div",
    { class: "srsm srsm-lab", "data-ready": "false" },
    h("div", { class: "srsm-head" }, name, status.root, helpButton()),
    h(
      "div",
      { class: "srsm-controls" },
      layerPlace,
      h(
        "span",
        { class: "srsm-field", hidden: model.get("_images").length < 2 },
        h("span", { class: "srsm-label" }, "picture"),
        choose,
      ),
    ),
    h(
      "div",
      { class: "srsm-lab-body" },
      h("div", { class: "srsm-lab-pictures" }, before.root, after.root, back.root),
      numbers.root,
    ),
    line,
    presets.root,
    h("div", { class: "srsm-lab-body srsm-lab-foot" }, knobs.root, chart.root),
  );
  el.append(root);

  function showLayers() {
    const layers = model.get("_layers");
    if (!layers.length) {
      layerPlace.textContent = "loading the model …";
      return;
    }
    slider = layerSlider(layers, (layer) => set("layer", layer));
    layerPlace.replaceChildren(slider.root);
    slider.set(model.get("layer"));
  }

  function showSetting() {
    slider?.set(model.get("layer"));
    choose.value = model.get("index");
    knobs.show(matches?.grid ?? null);
    showAge();
  }

  // Never the numbers of one setting beside the sliders of another: they are dimmed until the new ones are there.
  function showAge() {
    const same =
      matches &&
      matches.layer === model.get("layer") &&
      matches.index === model.get("index") &&
      Object.entries(matches.setting).every(([name, value]) => String(value) === String(model.get(name)));
    root.dataset.stale = String(!same);
  }

  /** @param {number} next */
  function focus(next) {
    token = next;
    const grid = matches?.grid ?? null;
    const partner = grid && token >= 0 ? (matches?.permutation[token] ?? -1) : -1;
    before.mark(partner < 0 ? -1 : token, grid);
    back.mark(partner < 0 ? -1 : token, grid);
    after.mark(partner, grid);
    root.dataset.token = String(token);
    root.dataset.partner = String(partner);
    if (!matches || !grid) {
      line.textContent = matches ? "The tokens of this layer have no known place, so no patch is drawn." : "";
      return;
    }
    /** @param {number} k */
    const at = (k) => cellOf(k, grid).join(",");
    const share = matches.same_position;
    const shared = share === null ? "" : `${Math.round(100 * share)} % of partners stand at the same position. `;
    line.textContent =
      partner >= 0
        ? `patch ${at(token)} of the original is matched with patch ${at(partner)} of the moved picture`
        : `${shared}Point at a patch to see its partner.`;
  }

  before.listen({
    grid: () => matches?.grid ?? null,
    point: (next) => {
      if (next !== token) focus(next);
    },
    current: () => token,
  });

  function offer() {
    /** @type {{ id: string }[]} */
    const images = model.get("_images");
    choose.replaceChildren(...images.map((row, k) => h("option", { value: k }, row.id)));
    name.replaceChildren(
      "Transform lab",
      h("small", {}, model.get("_model_title") ? ` · ${model.get("_model_title")} ` : ""),
      badgeOf(model.get("_model_badge")) ?? "",
    );
  }

  for (const each of ["layer", "index", "shift", "flip", "zoom", "tiles", "seed", "border"])
    events.on(`change:${each}`, showSetting);
  events.on("change:_layers", () => {
    showLayers();
    showSetting();
  });
  events.on("change:_model_title", offer);
  events.on("change:_images", () => {
    offer();
    showSetting();
  });
  offer();
  showLayers();
  showSetting();

  return {
    /** @param {Pictures} pictures */
    async pictures({ urls, index }) {
      const words = model.get("_images")[index].id;
      await Promise.all([before.show(urls[0], words), after.show(urls[1], `${words}, moved`)]);
      root.dataset.pictured = String(Number(root.dataset.pictured ?? 0) + 1);
      if (matches) back.draw(after.picture, matches);
    },
    /** @param {LabMatches} next */
    matches(next) {
      matches = next;
      numbers.show(matches);
      chart.show(matches);
      back.draw(after.picture, matches);
      knobs.show(matches.grid);
      showAge();
      focus(token);
      root.dataset.layer = matches.layer;
      root.dataset.shift = matches.setting.shift.join(",");
      root.dataset.tiles = matches.setting.tiles;
      root.dataset.seed = matches.setting.seed;
      for (const { name } of similarities) root.dataset[name] = String(matches[name] ?? "");
      root.dataset.null = matches.null ? String(matches.null.mean) : "";
      root.dataset.ready = "true";
    },
    stop() {
      events.stop();
    },
  };
}
