// What a drag over a heatmap does, and what is done with the images selected.

import { segmented } from "../base/controls.js";
import { h } from "../base/dom.js";

/**
 * @param {object} heard
 * @param {(selected: string) => void} heard.show "marked", "first" or "only"
 * @param {() => void} heard.clear
 * @param {() => void} heard.below open the selected images below, or close them
 */
export function selectionBar({ show, clear, below }) {
  let isSelecting = false;
  const tool = segmented(
    "what a drag over a heatmap does",
    [
      ["zoom", "zoom"],
      ["select", "select"],
    ],
    "zoom",
    (name) => {
      isSelecting = name === "select";
      tool.root.dataset.tool = name;
    },
  );
  tool.root.title = "A drag over a heatmap zooms, or selects the images of its rows and columns (as with Shift held).";
  const words = h("strong", { class: "srsm-number" });
  const shown = segmented(
    "selected images",
    [
      ["marked", "marked"],
      ["first", "first"],
      ["only", "only"],
    ],
    "marked",
    show,
  );
  const drop = h("button", { class: "srsm-button", type: "button", onclick: clear }, "clear");
  const open = h("button", { class: "srsm-button", type: "button", onclick: below });
  const title = "In Python: explorer.selection, .to_frame(), explorer.open_selection()";
  const bar = h("span", { class: "srsm-field srsm-selection", title, hidden: true }, words, shown.root, drop, open);
  return {
    tool: h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "drag"), tool.root),
    bar,
    isSelecting: () => isSelecting,
    /**
     * @param {number} count
     * @param {string} selected
     * @param {string} stands "open", "closed", or "": nobody opens them
     */
    update(count, selected, stands) {
      bar.hidden = !count && stands !== "open";
      open.hidden = !stands;
      open.textContent = stands === "open" ? "close below" : "open below";
      open.title = stands === "open" ? "" : "An explorer of these images; nothing is matched again";
      open.disabled = stands !== "open" && count < 2;
      words.textContent = `${count} selected`;
      shown.set(selected);
    },
  };
}
