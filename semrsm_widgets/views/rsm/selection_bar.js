// What a drag over a heatmap does, and what is done with the images selected.

import { segmented } from "../base/controls.js";
import { h } from "../base/dom.js";

/**
 * @param {object} heard
 * @param {(selected: string) => void} heard.show "marked", "first" or "only"
 * @param {() => void} heard.clear
 */
export function selectionBar({ show, clear }) {
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
  const title = "In Python: explorer.selection, .to_frame(), explorer.open_selection()";
  const bar = h("span", { class: "srsm-field srsm-selection", title, hidden: true }, words, shown.root, drop);
  return {
    tool: h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "drag"), tool.root),
    bar,
    isSelecting: () => isSelecting,
    /**
     * @param {number} count
     * @param {string} selected
     */
    update(count, selected) {
      bar.hidden = !count;
      words.textContent = `${count} selected`;
      shown.set(selected);
    },
  };
}
