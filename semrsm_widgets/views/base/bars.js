// Bars of similarities on one fixed scale, so that a long bar is a high value whatever stands beside it: from 0 to 1, or
// from -1 to 1 where a value is negative, with a tick at what unrelated tokens reach on average and, from it on, a band
// of values that are not to be read.

import { h } from "./dom.js";

/** @typedef {{ name: string, from: number, to: number, title?: string }} Piece of a bar; `name` gives its colour */

/**
 * @param {string} look more classes
 */
export function bar(look = "") {
  const zero = h("span", { class: "srsm-bar-zero", hidden: true });
  const tick = h("span", { class: "srsm-bar-tick", hidden: true });
  const band = h("span", { class: "srsm-bar-band", hidden: true });
  const root = h("span", { class: `srsm-bar ${look}`, "aria-hidden": "true" }, zero, band, tick);
  return {
    root,
    /**
     * @param {Piece[]} pieces
     * @param {object} how
     * @param {number | null} [how.unrelated] where the tick stands
     * @param {number | null} [how.readable] where the band ends that begins at the tick
     * @param {boolean} [how.isSigned] whether the scale has a negative half, for bars that are read together
     * @param {number} [how.most] the scale's end, where 1 is none: of inner products
     */
    show(
      pieces,
      {
        unrelated = null,
        readable = null,
        isSigned = pieces.some(({ from, to }) => from < 0 || to < 0),
        most = 1,
      } = {},
    ) {
      /** @param {number} value */
      const at = (value) => {
        const part = Math.min(1, Math.max(isSigned ? -1 : 0, value / most));
        return 100 * (isSigned ? (part + 1) / 2 : part);
      };
      const drawn = pieces
        .filter(({ from, to }) => Number.isFinite(from) && Number.isFinite(to))
        .map(({ name, from, to, title }) => {
          const [left, right] = [at(Math.min(from, to)), at(Math.max(from, to))];
          const piece = h("span", { "data-name": name, title });
          piece.style.left = `${left}%`;
          piece.style.width = `${right - left}%`;
          return piece;
        });
      zero.hidden = !isSigned;
      tick.hidden = unrelated === null || !Number.isFinite(unrelated);
      if (!tick.hidden) {
        tick.style.left = `${at(Number(unrelated))}%`;
        tick.title = "unrelated";
      }
      band.hidden = tick.hidden || readable === null || !(readable > Number(unrelated));
      if (!band.hidden) {
        band.style.left = tick.style.left;
        band.style.width = `${at(Number(readable)) - at(Number(unrelated))}%`;
      }
      root.dataset.signed = String(isSigned);
      root.replaceChildren(...drawn, zero, band, tick);
    },
  };
}
