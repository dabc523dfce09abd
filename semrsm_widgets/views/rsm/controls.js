// The line above the heatmaps; what is asked rarely stands under "More".

import { segmented } from "../base/controls.js";
import { h } from "../base/dom.js";
import { helpButton } from "../base/help.js";
import { layerSlider } from "../base/layer_slider.js";
import { offers } from "../base/model.js";

const ORDER_WORDS = { file: "as loaded", label: "by label", cluster: "by cluster" };

/**
 * @param {import("../base/model.js").Model} model
 * @param {(name: string, value: any) => void} set
 * @param {object} given
 * @param {boolean} given.labelled whether any image has a label
 * @param {() => [number, number] | null} given.range the colour range that is shown
 */
export function rsmControls(model, set, { labelled, range }) {
  const hasHelp = offers(model, "status"); // an explorer has help, status and badge in its header
  const badge = hasHelp ? model.get("_model_badge") : "";
  const slider = layerSlider(model.get("_layers"), (name) => set("layer", name), badge);
  const options = Object.entries(ORDER_WORDS).map(([key, words]) => {
    const disabled = key === "label" && !labelled;
    if (model.get("_large")) return h("option", { value: key, disabled: key !== "file" }, words);
    return h("option", { value: key, disabled }, disabled ? "by label (no labels)" : words);
  });
  const order = h("select", { class: "srsm-select", "aria-label": "order of the images" }, ...options);
  order.addEventListener("change", () => set("order", order.value));
  const orderNote = h("span", { class: "srsm-label" });
  const excess = h("input", { type: "checkbox", onchange: () => set("excess", excess.checked) });
  /** @type {[string, string][]} */
  const kernels = model.get("_kernels").map((/** @type {string} */ name) => [name, name]);
  const kernel = segmented("kernel", kernels, model.get("kernel"), (name) => set("kernel", name));
  const lock = h("input", { type: "checkbox", onchange: () => set("colour_range", lock.checked ? range() : null) });
  const dropped = h("span", { class: "srsm-field srsm-dropped" });
  const more = h(
    "div",
    { class: "srsm-more", hidden: true },
    h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "kernel"), kernel.root),
    h("label", { class: "srsm-field" }, lock, "keep this colour range for all layers"),
    h(
      "span",
      { class: "srsm-field" },
      h("span", { class: "srsm-label" }, "matcher"),
      h("code", {}, model.get("_matcher")),
    ),
    dropped,
  );
  const onclick = () => {
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
  };
  const button = h("button", { class: "srsm-button", type: "button", "aria-expanded": "false", onclick });
  const title = "Subtract from semantic what unrelated tokens reach when they are matched as well as they can be.";
  const root = h(
    "div",
    { class: "srsm-rsm-controls" },
    h(
      "div",
      { class: `srsm-controls ${hasHelp ? "srsm-controls-helped" : ""}` },
      slider.root,
      h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "order"), order, orderNote),
      h("label", { class: "srsm-field", title }, excess, "excess over unrelated"),
      button,
      hasHelp ? helpButton() : null,
    ),
    more,
  );
  return {
    root,
    profile: slider.profile,
    stop: slider.stop,
    update() {
      slider.set(model.get("layer"));
      kernel.set(model.get("kernel"));
      order.value = model.get("order");
      orderNote.textContent = model.get("_sequence_note");
      excess.checked = model.get("excess");
      lock.checked = model.get("colour_range") !== null;
      const unusual = [model.get("kernel") === "cosine" ? "" : model.get("kernel"), lock.checked ? "colours kept" : ""];
      button.textContent = ["More", ...unusual.filter(Boolean)].join(" · ");
      /** @type {import("../base/layer_slider.js").Layer[]} */
      const layers = model.get("_layers");
      const prefix = layers.find((each) => each.name === model.get("layer"))?.prefix;
      dropped.textContent = prefix
        ? `${prefix} class or register token${prefix > 1 ? "s" : ""} of each image left out of the matching`
        : "";
    },
  };
}
