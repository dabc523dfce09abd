// Thumbnails by image, asked for when they are about to be seen: of thousands, only those on screen are ever decoded.

import { h, OWN_KEYS } from "../base/dom.js";
import { listenToKeys } from "../base/grid_pointer.js";
import { jpegUrl } from "../base/wire.js";

/** @typedef {{ id: string, labels: string[] }} Image */
/** @typedef {ReturnType<typeof thumbnailStore>} ThumbnailStore */

const THUMBNAILS_AT_ONCE = 32;
const THUMBNAIL_PATIENCE = 5000; // ms after which an unanswered question is asked again

/** @param {import("../base/model.js").Model} model */
export function thumbnailStore(model) {
  /** @type {Map<number, string>} image -> URL; "" for one that cannot be read */
  const urls = new Map();
  /** @type {Set<number>} */
  const wanted = new Set();
  /** @type {Set<(index: number) => void>} */
  const views = new Set();
  /** @type {Set<number>} */
  let asked = new Set();
  let askedAt = 0;
  /** @type {ReturnType<typeof setTimeout> | null} */
  let timer = null;
  // One question at a time: what has scrolled away before the next one is not asked for.
  const ask = () => {
    timer = null;
    if (asked.size && performance.now() - askedAt < THUMBNAIL_PATIENCE) return;
    const indices = [...wanted].slice(-THUMBNAILS_AT_ONCE);
    asked = new Set(indices);
    askedAt = performance.now();
    if (indices.length) model.send({ kind: "thumbnails", indices });
  };
  const soon = () => {
    timer ??= setTimeout(ask, 20);
  };
  /** @param {number} index */
  const want = (index) => {
    if (urls.has(index)) return;
    wanted.add(index);
    soon();
  };
  /** @type {(node: HTMLImageElement, index: number) => void} */
  const fill = (node, index) => {
    const url = urls.get(index);
    if (url) node.src = url;
    else if (url === "") node.dataset.unreadable = "true";
    else want(index);
  };
  return {
    /** @param {number} index of an image that is no longer about to be seen */
    forget(index) {
      wanted.delete(index);
    },
    /**
     * @param {number[]} indices
     * @param {DataView[]} buffers
     */
    receive(indices, buffers) {
      indices.forEach((index, k) => {
        asked.delete(index);
        wanted.delete(index);
        if (urls.has(index)) return;
        urls.set(index, buffers[k].byteLength ? jpegUrl(buffers[k]) : "");
        for (const view of views) view(index);
      });
      if (wanted.size) soon();
    },
    /**
     * An image element that shows a thumbnail once it is there.
     *
     * @param {number} index
     */
    image(index) {
      const node = h("img", { alt: "", draggable: "false", "data-thumbnail": index });
      fill(node, index);
      return node;
    },
    /**
     * Fill what a view shows as thumbnails come.
     *
     * @param {HTMLElement} root
     */
    attach(root) {
      /** @param {number} index */
      const view = (index) => {
        /** @type {NodeListOf<HTMLImageElement>} */
        const nodes = root.querySelectorAll(`img[data-thumbnail="${index}"]`);
        for (const node of nodes) fill(node, index);
      };
      views.add(view);
      return () => {
        views.delete(view);
      };
    },
    stop() {
      if (timer !== null) clearTimeout(timer);
      for (const url of urls.values()) if (url) URL.revokeObjectURL(url);
      urls.clear();
    },
  };
}

const TILE = 48; // pixels, with the gap after it
const GAP = 4;

/**
 * One line of thumbnails to choose an image from; of a long one only what is visible exists.
 *
 * @param {ThumbnailStore} store
 * @param {(index: number) => void} onChoose
 */
export function thumbnailStrip(store, onChoose) {
  /** @type {Image[]} */
  let images = [];
  /** @type {number[]} */
  let shown = []; // the images that the search found, by index
  let chosen = -1;
  /** @type {Map<number, HTMLElement>} */
  const tiles = new Map();
  const track = h("div", { class: "srsm-track" });
  const root = h(
    "div",
    {
      class: "srsm-film-strip",
      tabindex: 0,
      role: "listbox",
      "aria-label": "query image",
      "aria-orientation": "horizontal",
      ...OWN_KEYS,
    },
    track,
  );
  const id = `srsm-tile-${Math.random().toString(36).slice(2)}`;

  const draw = () => {
    const first = Math.max(0, Math.floor(root.scrollLeft / TILE) - 2);
    const last = Math.min(shown.length, Math.ceil((root.scrollLeft + root.clientWidth) / TILE) + 2);
    const visible = new Set(shown.slice(first, last));
    for (const [index, tile] of tiles) {
      if (visible.has(index)) continue;
      tile.remove();
      tiles.delete(index);
      store.forget(index);
    }
    for (let k = first; k < last; k += 1) {
      const index = shown[k];
      let tile = tiles.get(index);
      if (!tile) {
        tile = h(
          "div",
          {
            class: "srsm-tile",
            role: "option",
            id: `${id}-${index}`,
            "data-index": index,
            onclick: () => onChoose(index),
          },
          store.image(index),
        );
        tiles.set(index, tile);
        track.append(tile);
      }
      tile.style.left = `${k * TILE}px`;
      tile.title = describeImage(images[index]);
      tile.setAttribute("aria-label", tile.title);
      tile.setAttribute("aria-setsize", String(shown.length));
      tile.setAttribute("aria-posinset", String(k + 1));
      tile.setAttribute("aria-selected", String(index === chosen));
    }
    const hidden = shown.length * TILE - GAP - root.clientWidth; // pixels, on either side
    root.dataset.more = [root.scrollLeft > 1 ? "before" : "", root.scrollLeft < hidden - 1 ? "after" : ""]
      .join(" ")
      .trim();
    if (tiles.has(chosen)) root.setAttribute("aria-activedescendant", `${id}-${chosen}`);
    else root.removeAttribute("aria-activedescendant");
  };
  const reveal = () => {
    const k = shown.indexOf(chosen);
    if (k < 0 || !root.clientWidth) return;
    if (k * TILE < root.scrollLeft) root.scrollLeft = Math.max(0, (k - 1) * TILE);
    else if ((k + 1) * TILE > root.scrollLeft + root.clientWidth) root.scrollLeft = (k + 2) * TILE - root.clientWidth;
  };
  root.addEventListener("scroll", draw, { passive: true });
  listenToKeys(root, (event) => {
    const page = Math.max(1, Math.floor(root.clientWidth / TILE) - 1);
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const by = new Map(Object.entries(steps)).get(event.key);
    if (by === undefined || !shown.length) return false;
    const from = Math.max(0, shown.indexOf(chosen));
    onChoose(shown[Math.min(shown.length - 1, Math.max(0, from + by))]);
    return true;
  });
  const observer = new ResizeObserver(() => {
    reveal();
    draw();
  });
  observer.observe(root);
  return {
    root,
    /**
     * @param {Image[]} all
     * @param {number[]} indices of those that stand in the line
     */
    show(all, indices) {
      images = all;
      shown = indices;
      track.style.width = `${shown.length * TILE}px`;
      reveal();
      draw();
    },
    /** @param {number} index */
    choose(index) {
      chosen = index;
      reveal();
      draw();
    },
    stop() {
      observer.disconnect();
    },
  };
}

/** @param {Image} image */
export function describeImage(image) {
  return image.labels.length ? `${image.id} · ${image.labels.join(", ")}` : image.id;
}
