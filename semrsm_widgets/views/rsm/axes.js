// What stands along both axes of a heatmap: names of labels, thumbnails, and marks of what is found or selected.

import { h, svg } from "../base/dom.js";
import { fitted, textWidth } from "../base/names.js";
import { placedNames } from "./rows.js";

/** @typedef {import("../base/bokeh_pane.js").Square} Square */
/** @typedef {import("./rows.js").Group} Group */
/** @typedef {{ found: number[], at: number | null, selected: Set<number> }} Marks images; `at` is the one found that is looked at */

export const THUMBNAILS_ON_AXES = 40; // more would be specks
const FONT_PIXELS = 11;
const LINE = 14; // pixels of a name
const NAMES_SHARE = 0.24; // of a heatmap's width
const MOST_NAMES = 92; // pixels
const UNLABELLED = "no label";

/**
 * @param {HTMLElement} root the heatmap's, whose width the names have a share of
 * @param {(image: number) => void} toggle what a click on a thumbnail does
 */
export function heatmapAxes(root, toggle) {
  const axes = ["top", "left"].map((side) => {
    const names = h("div", { class: "srsm-axis-names" });
    const images = h("div", { class: "srsm-axis-images" });
    const marks = svg("svg", { class: "srsm-axis-marks", preserveAspectRatio: "none" });
    images.addEventListener("click", ({ target }) => {
      if (target instanceof HTMLImageElement) toggle(Number(target.dataset.image));
    });
    const node = h("div", { class: `srsm-axis srsm-axis-${side}`, "aria-hidden": "true" }, names, images, marks);
    return { node, names, images, marks, isTop: side === "top" };
  });

  return {
    nodes: axes.map(({ node }) => node),
    /**
     * @param {Group[]} groups
     * @param {Square} area
     * @param {number} pixels of the heatmap's side
     */
    names(groups, area, pixels) {
      root.toggleAttribute("data-names", groups.length > 0);
      const font = `${FONT_PIXELS}px ${getComputedStyle(root).fontFamily || "sans-serif"}`;
      const room = Math.min(MOST_NAMES, NAMES_SHARE * root.clientWidth);
      const widest = groups.reduce((most, { name }) => Math.max(most, textWidth(name || UNLABELLED, font)), 0);
      const width = Math.ceil(Math.min(room, widest + 1));
      root.style.setProperty("--srsm-names", `${width}px`);
      for (const { names, isTop } of axes) {
        const start = isTop ? area.column : area.row;
        const placed = placedNames(groups, { start, side: area.side, pixels, line: LINE });
        names.replaceChildren(
          ...placed.map(({ group, at }) => {
            const name = group.name || UNLABELLED;
            const words = h("bdi", { title: name, "data-unlabelled": !group.name }, fitted(name, width, font));
            words.style[isTop ? "left" : "top"] = `${at - LINE / 2}px`;
            return words;
          }),
        );
      }
    },
    /**
     * @param {number[]} rows
     * @param {Square} area
     * @param {string[]} urls by image
     * @param {{ id: string }[]} images
     */
    thumbnails(rows, area, urls, images) {
      const fits = area.side <= THUMBNAILS_ON_AXES && urls.length > 0;
      root.toggleAttribute("data-thumbnails", fits);
      for (const axis of axes) {
        const first = axis.isTop ? area.column : area.row;
        const shown = fits ? rows.slice(first, first + area.side) : [];
        axis.images.replaceChildren(
          ...shown.map((image) => {
            const src = urls[image] ?? null;
            return h("img", { src, alt: "", title: images[image].id, "data-image": image });
          }),
        );
      }
    },
    /**
     * @param {number[]} placeOf image -> row; -1 where it is not shown
     * @param {Square} area
     * @param {Marks} marks
     */
    marks(placeOf, area, { found, at, selected }) {
      root.toggleAttribute("data-marks", found.length > 0 || selected.size > 0);
      for (const { node, images, marks, isTop } of axes) {
        const start = isTop ? area.column : area.row;
        marks.setAttribute("viewBox", isTop ? `${start} 0 ${area.side} 2` : `0 ${start} 2 ${area.side}`);
        /** @type {(image: number, lane: number, kind: string) => SVGElement[]} */
        const mark = (image, lane, kind) => {
          const [across, down] = isTop ? [placeOf[image], lane] : [lane, placeOf[image]];
          if (placeOf[image] < 0) return [];
          return [svg("rect", { x: across, y: down, width: 1, height: 1, class: `srsm-mark-${kind}` })];
        };
        marks.replaceChildren(
          ...found.flatMap((image) => mark(image, 0, image === at ? "at" : "found")),
          ...[...selected].flatMap((image) => mark(image, 1, "selected")),
        );
        node.dataset.selected = String(selected.size);
        for (const picture of images.children) {
          if (picture instanceof HTMLElement)
            picture.toggleAttribute("data-selected", selected.has(Number(picture.dataset.image)));
        }
      }
    },
  };
}
