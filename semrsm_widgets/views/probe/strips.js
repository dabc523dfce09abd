// What a pinned patch is elsewhere: the images that hold it best, and its partner at every layer, as rows of crops.

import { h } from "../base/dom.js";
import { format } from "../base/format.js";
import { shortened } from "../base/names.js";
import { jpegUrl } from "../base/wire.js";

// So many fit under a crop.
const MOST_LETTERS = 11;

/** @typedef {{ layer: string, image: number, token: number, images: number[], tokens: number[], cosine: number[], unrelated: number | null, urls: string[] }} Places */
/** @typedef {{ name: string, partner: number, cosine: number | null, url: string }} Partner */
/** @typedef {{ layer: string, pair: [number, number], token: number, rows: Partner[], urls: string[] }} Along */

/**
 * Collects the partners of one patch, a layer a message; those of another patch are forgotten.
 *
 * @param {any} message
 * @param {Along | undefined} before
 * @returns {Along}
 */
export function readAlong({ pictures, layer, pair, token, name, partner, cosine }, before) {
  const same =
    before && before.layer === layer && String(before.pair) === String(pair) && before.token === token ? before : null;
  if (!same) for (const url of before?.urls ?? []) URL.revokeObjectURL(url);
  const url = pictures.length ? jpegUrl(pictures[0]) : "";
  const rows = [...(same?.rows ?? []).filter((row) => row.name !== name), { name, partner, cosine, url }];
  return { layer, pair, token, rows, urls: [...(same?.urls ?? []), ...(url ? [url] : [])] };
}

/**
 * @param {object} heard
 * @param {(image: number) => void} heard.openImage
 * @param {(layer: string) => void} heard.openLayer
 */
export function probeStrips({ openImage, openLayer }) {
  const strip = () => h("div", { class: "srsm-crops" });
  const [placeWords, alongWords] = [h("p", { class: "srsm-hint" }), h("p", { class: "srsm-hint" })];
  const [places, along] = [strip(), strip()];
  const [placePart, alongPart] = [h("section", {}, placeWords, places), h("section", {}, alongWords, along)];
  const root = h("div", { class: "srsm-probe", hidden: true }, placePart, alongPart);
  /** @type {(url: string, words: string[], title: string, look: string, open: () => void) => HTMLElement} */
  const crop = (url, words, title, look, open) =>
    h(
      "button",
      { type: "button", class: `srsm-crop ${look}`, title, "aria-label": title, onclick: open },
      url ? h("img", { src: url, alt: "", draggable: "false" }) : h("span", { class: "srsm-no-crop" }, "–"),
      ...words.map((text) => h("span", {}, shortened(text, MOST_LETTERS))),
    );
  return {
    root,
    /**
     * @param {Places | null} found null: not yet
     * @param {Along | null} partners
     * @param {object} now
     * @param {string} now.patch its name
     * @param {{ id: string }[]} now.images
     * @param {string[]} now.layers
     * @param {string} now.layer
     * @param {number} now.open the image beside it
     */
    show(found, partners, { patch, images, layers, layer, open }) {
      root.hidden = false;
      root.dataset.places = String(found?.images.length ?? "");
      placePart.hidden = images.length < 2;
      const level = found && found.unrelated !== null ? found.unrelated : null;
      placeWords.textContent = found
        ? `${patch} in the other images, its best place in each, by cosine (a patch unrelated to them reaches ${format(level)})`
        : `Looking for ${patch} in the other images …`;
      places.replaceChildren(
        ...(found?.images ?? []).map((image, k) => {
          const value = found?.cosine[k] ?? NaN;
          const isBelow = level !== null && value <= level;
          const title = `${images[image]?.id}: cosine ${format(value, 3)}${isBelow ? ", no more than unrelated" : ""}; opens the pair`;
          const look = `${isBelow ? "srsm-below" : ""} ${image === open ? "srsm-opened" : ""}`;
          return crop(found?.urls[k] ?? "", [format(value), images[image]?.id ?? ""], title, look, () =>
            openImage(image),
          );
        }),
      );
      alongPart.hidden = layers.length < 2;
      alongWords.textContent = `its partner in B at every layer, by the best match at that layer`;
      const byName = new Map((partners?.rows ?? []).map((row) => [row.name, row]));
      along.replaceChildren(
        ...layers.map((name) => {
          const row = byName.get(name);
          const value = !row ? "…" : row.partner < 0 ? "none" : format(row.cosine);
          const look = name === layer ? "srsm-opened" : "";
          return crop(row?.url ?? "", [value, name], `partner at ${name}: cosine ${value}`, look, () =>
            openLayer(name),
          );
        }),
      );
    },
    hide() {
      root.hidden = true;
    },
  };
}
