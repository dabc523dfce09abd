// Finding images by id, name or label: a search field and the list of what it finds, by keyboard too.

import { h, OWN_KEYS } from "../base/dom.js";
import { fitted } from "../base/names.js";

/** @typedef {{ id: string, labels: string[] }} Image */

const MOST_LISTED = 100; // more are found by typing
const FONT_PIXELS = 12;
const TAKEN = 74; // pixels of a line beside its name: the picture, the tick, the gaps

/**
 * @param {object} heard
 * @param {(images: number[], at: number | null) => void} heard.find what is found, and which of it is looked at
 * @param {(image: number) => void} heard.go show where an image is
 * @param {(images: number[]) => void} heard.toggle select images, or no longer
 * @param {(images: number[]) => void} heard.select
 */
export function finder({ find, go, toggle, select }) {
  const id = `srsm-found-${Math.random().toString(36).slice(2)}`;
  const field = h("input", {
    type: "search",
    class: "srsm-find srsm-find-image",
    placeholder: "find an image",
    role: "combobox",
    "aria-label": "find images by id or label: arrow keys move, Enter selects, Escape closes",
    "aria-controls": id,
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    autocomplete: "off",
    ...OWN_KEYS,
  });
  const count = h("span", { class: "srsm-label", role: "status" });
  const list = h("div", {
    class: "srsm-found",
    id,
    role: "listbox",
    "aria-label": "images",
    "aria-multiselectable": true,
  });
  const more = h("span", { class: "srsm-label" });
  const all = h("button", { type: "button", class: "srsm-button", onclick: () => select(found) }, "select all found");
  const panel = h(
    "div",
    { class: "srsm-finder-list", hidden: true },
    list,
    h("div", { class: "srsm-found-foot" }, count, all, more),
  );

  /** @type {Image[]} */
  let images = [];
  /** @type {number[]} */
  let rows = [];
  /** @type {string[]} */
  let urls = [];
  /** @type {Set<number>} */
  let selected = new Set();
  /** @type {number[]} */
  let found = [];
  let at = -1; // place in `found`
  /** @type {Map<number, HTMLElement>} */
  let lines = new Map();

  /** @param {number} image */
  const line = (image) => {
    const { id: name, labels } = images[image];
    const words = [name, ...labels].join(" · ");
    const node = h(
      "div",
      { class: "srsm-found-line", role: "option", id: `${id}-${image}`, title: words, onclick: () => choose(image) },
      h("span", { class: "srsm-found-tick", "aria-hidden": "true" }),
      h("img", { alt: "", src: urls[image] ?? null, "data-image": image }),
      h("bdi", {}, words),
    );
    return node;
  };
  /** @param {number} image */
  function choose(image) {
    at = found.indexOf(image);
    toggle([image]);
    look();
  }
  function fit() {
    const width = list.clientWidth - TAKEN;
    if (width <= 0) return; // not on the page
    const font = `${FONT_PIXELS}px ${getComputedStyle(list).fontFamily || "sans-serif"}`;
    for (const [image, node] of lines) {
      const words = node.querySelector("bdi");
      const [name, labels] = [images[image].id, images[image].labels.join(", ")];
      const whole = labels ? `${name} · ${labels}` : name;
      if (words) words.textContent = fitted(whole, width, font) || fitted(name, width, font);
    }
  }
  function state() {
    for (const [image, node] of lines) {
      const isAt = found[at] === image;
      node.classList.toggle("srsm-at", isAt);
      node.setAttribute("aria-selected", String(selected.has(image)));
      if (!isAt) continue;
      const top = node.offsetTop;
      list.scrollTop = Math.min(top, Math.max(list.scrollTop, top + node.offsetHeight - list.clientHeight));
    }
    const here = found[at];
    if (here === undefined) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", `${id}-${here}`);
  }
  function draw() {
    // of a long list what is around the line looked at
    const first = Math.max(0, Math.min(at - MOST_LISTED / 2, found.length - MOST_LISTED));
    const shown = found.slice(first, first + MOST_LISTED);
    lines = new Map(shown.map((image) => [image, line(image)]));
    list.replaceChildren(...lines.values());
    all.hidden = !field.value.trim() || !found.length;
    all.textContent = found.length > 1 ? `select all ${found.length}` : "select it";
    more.textContent =
      found.length > shown.length ? `${shown.length} of ${found.length} are listed: type to find others` : "";
    fit();
    state();
  }
  function look() {
    const isSearch = Boolean(field.value.trim());
    const here = found[at] ?? null;
    if (here !== null && !lines.has(here)) draw();
    state();
    find(isSearch ? found : here === null ? [] : [here], here);
    if (here !== null) go(here);
  }
  function search() {
    const words = field.value.trim().toLowerCase();
    found = rows.filter((image) => {
      const { id: name, labels } = images[image];
      return !words || [name, ...labels].some((text) => text.toLowerCase().includes(words));
    });
    at = -1;
    count.textContent = `${found.length} ${words ? "found" : "images"}`;
    field.toggleAttribute("data-none", Boolean(words) && !found.length);
    draw();
    find(words ? found : [], null);
    if (words && found.length === 1) {
      at = 0;
      look();
    }
  }
  /** @param {boolean} isOpen */
  function open(isOpen) {
    panel.hidden = !isOpen;
    field.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) search();
  }
  function close() {
    field.value = "";
    count.textContent = "";
    at = -1;
    open(false);
    find([], null);
  }
  field.addEventListener("input", () => open(true));
  field.addEventListener("focus", () => {
    if (panel.hidden) open(true);
  });
  // Those in sight are marked for as long as words stand in the field; a list without a question closes.
  const leave = (/** @type {FocusEvent} */ event) => {
    const next = event.relatedTarget;
    if (next instanceof Node && (panel.contains(next) || field === next)) return;
    if (field.value.trim()) open(false);
    else close();
  };
  field.addEventListener("blur", leave);
  panel.addEventListener("focusout", leave);
  panel.addEventListener("pointerdown", (event) => {
    if (!(event.target instanceof HTMLButtonElement)) event.preventDefault(); // the field keeps the focus
  });
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const last = found.length - 1;
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 8, PageUp: at - 8 };
    if (Object.hasOwn(steps, event.key)) {
      event.preventDefault();
      if (panel.hidden) open(true);
      at = Math.min(last, Math.max(0, steps[event.key]));
      look();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (at < 0 && found.length) at = 0;
      if (found[at] !== undefined) choose(found[at]);
    } else if (event.key === "Escape") close();
  });
  const observer = new ResizeObserver(fit);
  observer.observe(list);
  return {
    field,
    panel,
    /**
     * @param {Image[]} all
     * @param {number[]} order those that are shown, from the top
     */
    images(all, order) {
      [images, rows] = [all, order];
      if (!panel.hidden) search();
    },
    /** @param {string[]} list by image */
    thumbnails(list) {
      urls = list;
      for (const [image, node] of lines) {
        const picture = node.querySelector("img");
        if (picture && urls[image] && !picture.src) picture.src = urls[image];
      }
    },
    /** @param {Set<number>} images */
    selected(images) {
      selected = images;
      state();
    },
    stop() {
      observer.disconnect();
    },
  };
}
