// The patch probe of two pictures: heat while a patch is looked at, strips while one is pinned. What it needs of the
// kernel it asks for once a pair and layer, when a patch is first pointed at.

import { rowsOf, whyNot } from "./alike.js";
import { drawHeat, heatScale } from "./heat.js";
import { probeStrips } from "./strips.js";

/** @typedef {import("./alike.js").Alike} Alike */
/** @typedef {import("./strips.js").Places} Places */
/** @typedef {import("./strips.js").Along} Along */
/** @typedef {[number, number]} Grid */

/**
 * What is on screen.
 *
 * @typedef {object} Shown
 * @property {{ layer: string, pair: [number, number], grid: Grid | null, other_grid: Grid | null,
 *   permutation: Int32Array, inverse: Int32Array, null: import("../base/wire.js").NullLevel | null }} matches
 * @property {boolean} paired whether the patches are matched one to one
 * @property {(side: number, token: number) => string} name of a patch
 */

/**
 * @param {HTMLCanvasElement[]} canvases over A and B
 * @param {object} heard
 * @param {() => void} heard.ask for the similarities of all patches
 * @param {(image: number) => void} heard.openImage
 * @param {(layer: string) => void} heard.openLayer
 */
export function patchProbe(canvases, { ask, openImage, openLayer }) {
  const scale = heatScale();
  const strips = probeStrips({ openImage, openLayer });
  /** @type {Alike | null} */
  let alike = null;
  /** @type {Places | null} */
  let places = null;
  /** @type {Along | null} */
  let along = null;
  let asked = "";

  /** @param {{ layer: string, pair: [number, number] }} of */
  const keyOf = ({ layer, pair }) => JSON.stringify([layer, pair]);
  const clear = () => {
    for (const canvas of canvases) canvas.hidden = true;
    return null;
  };
  return {
    scale,
    strips,
    /** @param {Alike} next */
    alike(next) {
      alike = next;
      asked = "";
    },
    /** @param {Places} next */
    places(next) {
      places = next;
    },
    /** @param {Along} next */
    along(next) {
      along = next;
    },
    clear,
    /**
     * Shows how alike every patch is to one of them.
     *
     * @param {{ side: number, token: number }} at
     * @param {Shown} shown
     * @returns {{ token: number, words: string } | null} what there is to say of it: the patch that is more like it than
     *   its partner, -1 for none
     */
    point(at, { matches, paired, name }) {
      if (!alike || keyOf(alike) !== keyOf(matches)) {
        if (asked !== keyOf(matches)) ask();
        asked = keyOf(matches);
        return clear();
      }
      const rows = rowsOf(alike, at);
      const grids = [matches.grid, matches.other_grid];
      if (!rows) {
        clear();
        return { token: -1, words: `heat is shown up to ${alike.most} patches an image` };
      }
      scale.show(matches.null?.mean ?? null);
      canvases.forEach((canvas, side) => {
        const grid = grids[side];
        canvas.hidden = !grid;
        if (grid) drawHeat(canvas, rows[side], grid, matches.null?.mean ?? 0);
      });
      return paired ? whyNot(alike, rows, at, matches, name) : null;
    },
    /**
     * Shows where else a pinned patch of A is; hides that where none is.
     *
     * @param {number} token -1: none
     * @param {Shown} shown
     * @param {{ id: string }[]} images
     * @param {string[]} layers
     */
    pin(token, { matches, name }, images, layers) {
      if (token < 0 || !matches.grid) {
        strips.hide();
        return;
      }
      const { layer, pair } = matches;
      const found = places?.layer === layer && places.image === pair[0] && places.token === token ? places : null;
      const partners = along && keyOf(along) === keyOf(matches) && along.token === token ? along : null;
      strips.show(found, partners, { patch: name(0, token), images, layers, layer, open: pair[1] });
    },
  };
}
