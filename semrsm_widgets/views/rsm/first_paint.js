// A heatmap as a plain canvas until BokehJS is there, whose script takes its time where no view has loaded it yet. It
// does what a heatmap of Bokeh's is asked for.

import { h } from "../base/dom.js";
import { drawPixels } from "../base/pixels.js";

/**
 * @param {HTMLElement} element
 * @param {string[]} palette
 */
export function firstPaint(element, palette) {
  const canvas = h("canvas", { class: "srsm-pixels" });
  element.append(canvas);
  return {
    /** @type {(name: string, colours: Uint8Array, rows: number, columns: number) => void} */
    setImage(_, colours, rows, columns) {
      drawPixels(canvas, colours, { rows, columns, palette });
    },
    /** @type {(square: import("../base/bokeh_pane.js").Square, size: number) => void} */
    setArea({ row, column, side }, size) {
      const scale = size / side;
      canvas.style.transform = `scale(${scale}) translate(${(-100 * column) / size}%, ${(-100 * row) / size}%)`;
    },
    remove() {
      canvas.remove();
    },
  };
}
