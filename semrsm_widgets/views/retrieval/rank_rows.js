// What each similarity retrieves, as rows; lines join an image's places in neighbouring rows.

import { h, OWN_KEYS, svg } from "../base/dom.js";
import { format } from "../base/format.js";
import { arrowStep, listenToKeys } from "../base/grid_pointer.js";
import { foundPath } from "./messages.js";
import { describeImage } from "./thumbnails.js";

/** @typedef {import("./messages.js").Results} Results */
/** @typedef {import("./messages.js").Where} Where */
/** @typedef {import("./messages.js").Row} Result */
/** @typedef {import("./messages.js").ReadyRow} ReadyResult */
/** @typedef {import("./thumbnails.js").Image} Image */
/** @typedef {{ node: HTMLElement, badge: HTMLElement, value: HTMLElement }} Answer */

/**
 * The nodes of a row.
 *
 * @typedef {object} RowNodes
 * @property {HTMLElement} node
 * @property {HTMLElement} head
 * @property {HTMLElement} cells
 * @property {HTMLElement} aside
 * @property {Map<number, Answer>} answers by image
 */

const MARKS = {
  right: ["✓", "right: same label"],
  partly: ["≈", "partly right: shares a label"],
  wrong: ["✕", "wrong: no label in common"],
};

/**
 * @param {import("./thumbnails.js").ThumbnailStore} store
 * @param {import("../base/similarities.js").Similarity[]} similarities
 * @param {object} heard
 * @param {(index: number) => void} heard.onChoose
 * @param {(index: number) => void} heard.onPoint -1: none
 * @param {(indices: number[]) => void} heard.onSelect
 */
export function rankRows(store, similarities, { onChoose, onPoint, onSelect }) {
  const list = h("div", { class: "srsm-rank-list" });
  const links = svg("svg", { class: "srsm-rank-links", "aria-hidden": "true" });
  const inner = h("div", { class: "srsm-ranks-inner" }, links, list);
  const root = h("div", { class: "srsm-ranks", ...OWN_KEYS }, inner);
  /** @type {Map<string, RowNodes>} similarity -> its nodes */
  const rows = new Map();
  /** @type {Results | null} */
  let results = null;
  /** @type {Image[]} */
  let images = [];
  let k = 5;
  /** @type {Where | null} */
  let where = null;
  let pointed = -1;
  let chosen = [-1, -1];

  /**
   * @param {string} name
   * @returns {RowNodes}
   */
  function rowOf(name) {
    const known = rows.get(name);
    if (known) return known;
    const head = h("div", { class: "srsm-rank-head" });
    const cells = h("div", { class: "srsm-rank-cells", role: "group" });
    const aside = h("div", { class: "srsm-rank-aside" });
    const node = h(
      "div",
      { class: "srsm-rank", "data-name": name },
      h("div", { class: "srsm-rank-side" }, head, aside),
      cells,
    );
    const made = { node, head, cells, aside, answers: new Map() };
    rows.set(name, made);
    observer.observe(cells); // in larger type they move, in a frame of the same size
    return made;
  }

  /** @param {number} index */
  function mark(index) {
    const f1 = results?.right?.[index];
    if (f1 === undefined || !images[index].labels.length) return null;
    return f1 >= 1 ? "right" : f1 > 0 ? "partly" : "wrong";
  }

  /** @type {(row: RowNodes, result: ReadyResult, index: number, rank: number) => HTMLElement} */
  function answer(row, result, index, rank) {
    let cell = row.answers.get(index);
    if (!cell) {
      const badge = h("span", { class: "srsm-badge", "aria-hidden": "true" });
      const value = h("span", { class: "srsm-answer-value" });
      const node = h(
        "button",
        {
          type: "button",
          class: "srsm-answer",
          "data-index": index,
          onclick: () => onChoose(index),
          onpointerenter: () => point(index),
          onpointerleave: () => point(-1),
          onfocus: () => point(index),
          onblur: () => point(-1),
        },
        h("span", { class: "srsm-answer-picture" }, store.image(index), badge),
        value,
      );
      cell = { node, badge, value };
      row.answers.set(index, cell);
    }
    const kind = mark(index);
    cell.badge.textContent = kind ? MARKS[kind][0] : "";
    cell.node.dataset.mark = kind ?? "unknown";
    cell.value.textContent = format(result.values[index]);
    const said = [describeImage(images[index]), format(result.values[index], 3), ...(kind ? [MARKS[kind][1]] : [])];
    cell.node.setAttribute("aria-label", `${result.name}, rank ${rank + 1}: ${said.join(", ")}`);
    return cell.node;
  }

  /** @type {(row: RowNodes, result: Result, shown: Results) => void} */
  function fillHead(row, result, { answers: chance, null: level }) {
    const words = similarities.find((each) => each.name === result.name)?.aside ?? "your ranking";
    /** @type {HTMLElement[]} */
    const lines = [h("div", { class: "srsm-rank-name" }, h("strong", {}, result.name), h("small", {}, ` ${words}`))];
    if (result.state === "ready" && result.f1.length) {
      const title = `by chance: F1@${k} ${format(chance?.chance_f1)}, AP ${format(chance?.chance_ap)}`;
      lines.push(
        h(
          "div",
          { class: "srsm-rank-score", title },
          `F1@${k} `,
          h("span", { class: "srsm-number" }, format(result.f1[Math.min(k, result.f1.length) - 1])),
          " · AP ",
          h("span", { class: "srsm-number" }, format(result.ap)),
        ),
      );
    }
    if (result.state === "ready" && result.order.length) {
      const onclick = () => onSelect([...result.order.slice(0, k)]);
      const look = {
        type: "button",
        class: "srsm-rank-select",
        "aria-label": `select these: the answers of ${result.name}`,
      };
      const title = "Select these images, in this order: explorer.selection";
      lines.push(h("button", { ...look, title, onclick }, "select these"));
    }
    if (result.name === "semantic" && result.state === "ready") {
      /** @type {(title: string, words: string) => void} */
      const say = (title, words) => {
        lines.push(h("div", { class: "srsm-rank-null", title }, words));
      };
      const sample = level
        ? `mean of ${level.n} pairs with one image's channels permuted; 95 % are below ${format(level.quantile95)}`
        : "";
      say(sample, `unrelated tokens reach ${level ? format(level.mean) : "…"}`);
      const reach = "The certified bounds of an image further down reach into these.";
      if (!result.certain) say("", "no certificate");
      else if (result.certain[k - 1] === false) say(reach, `top ${k} not certified: too close`);
    }
    row.head.replaceChildren(...lines);
  }

  function draw() {
    const shownResults = results;
    if (!shownResults) return;
    inner.style.setProperty("--srsm-answers", String(k));
    const active = /** @type {Document | ShadowRoot} */ (root.getRootNode()).activeElement;
    const focused = active instanceof HTMLElement && root.contains(active) ? active : null;
    const names = shownResults.rows.map((result) => result.name);
    for (const name of [...rows.keys()]) if (!names.includes(name)) rows.delete(name);
    for (const result of shownResults.rows) {
      const row = rowOf(result.name);
      row.node.dataset.state = result.state;
      fillHead(row, result, shownResults);
      row.cells.setAttribute("aria-label", `${result.name}: the ${k} nearest images`);
      if (result.state === "ready") {
        const shown = [...result.order.slice(0, k)];
        for (const index of row.answers.keys()) if (!shown.includes(index)) row.answers.delete(index);
        const nodes = shown.map((index, rank) => answer(row, result, index, rank));
        if (!nodes.length) nodes.push(h("span", { class: "srsm-empty" }, "The set has no other image."));
        row.cells.replaceChildren(...nodes);
      } else {
        row.answers.clear();
        row.cells.replaceChildren(
          h("span", { class: "srsm-empty" }, result.state === "pending" ? "not matched yet" : result.reason),
        );
      }
    }
    list.replaceChildren(...names.map((name) => rowOf(name).node));
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    choose(chosen);
    drawWhere();
    drawLinks();
    highlight();
  }

  // Outlines the patches of every answer that the box of the query was matched with.
  function drawWhere() {
    const isOf = (/** @type {Results} */ { layer, query, box }) =>
      where?.layer === layer && where.query === query && String(where.box) === String(box);
    const shown = results && isOf(results) ? where : null;
    for (const row of rows.values()) {
      for (const [index, { node }] of row.answers) {
        node.querySelector(".srsm-found-at")?.remove();
        const found = shown && foundPath(shown, index);
        if (!found) continue;
        const drawing = svg("svg", {
          class: "srsm-found-at",
          viewBox: `0 0 ${found.width} ${found.height}`,
          preserveAspectRatio: "xMidYMid slice", // as the picture is cut
          "aria-hidden": "true",
        });
        drawing.append(svg("path", { d: found.path, class: "srsm-found-under" }), svg("path", { d: found.path }));
        node.querySelector(".srsm-badge")?.before(drawing);
      }
    }
  }

  // Lines between neighbouring rows, from an image's place in one to its place in the next.
  function drawLinks() {
    const outer = inner.getBoundingClientRect();
    links.setAttribute("viewBox", `0 0 ${Math.max(1, outer.width)} ${Math.max(1, outer.height)}`);
    const paths = [];
    const order = (results?.rows ?? []).map((result) => rowOf(result.name));
    for (let r = 0; r + 1 < order.length; r += 1) {
      for (const [index, { node }] of order[r].answers) {
        const other = order[r + 1].answers.get(index)?.node;
        if (!other) continue;
        const [a, b] = [node.getBoundingClientRect(), other.getBoundingClientRect()];
        const [x0, y0] = [a.left - outer.left + a.width / 2, a.bottom - outer.top];
        const [x1, y1] = [b.left - outer.left + b.width / 2, b.top - outer.top];
        const middle = (y0 + y1) / 2;
        paths.push(
          svg("path", {
            d: `M${x0} ${y0}C${x0} ${middle} ${x1} ${middle} ${x1} ${y1}`,
            "data-index": index,
            "data-mark": mark(index) ?? "unknown",
          }),
        );
      }
    }
    links.replaceChildren(...paths);
    highlight();
  }

  function highlight() {
    root.dataset.pointed = String(pointed);
    for (const path of links.children) {
      path.classList.toggle("srsm-pointed", path.getAttribute("data-index") === String(pointed));
    }
    for (const result of results?.rows ?? []) {
      const row = rowOf(result.name);
      for (const [index, { node }] of row.answers) node.classList.toggle("srsm-pointed", index === pointed);
      const isOutside = pointed >= 0 && result.state === "ready" && result.ranks[pointed] >= k;
      row.aside.textContent = isOutside
        ? `▢ rank ${result.ranks[pointed] + 1} · ${format(result.values[pointed])}`
        : "";
    }
    onPoint(pointed);
  }

  /** @param {number} index */
  function point(index) {
    if (index === pointed) return;
    pointed = index;
    highlight();
  }

  /** @param {number[]} pair */
  function choose(pair) {
    chosen = pair;
    for (const row of rows.values()) {
      for (const [index, { node }] of row.answers) {
        const isOpened = pair[0] === results?.query && index === pair[1];
        node.classList.toggle("srsm-opened", isOpened);
        node.setAttribute("aria-pressed", String(isOpened));
      }
    }
  }

  listenToKeys(list, (event) => {
    const step = arrowStep(event);
    /** @type {HTMLElement | null} */
    const node = event.target instanceof Element ? event.target.closest(".srsm-answer") : null;
    if (!node || !step) return false;
    /** @type {(row: Element) => HTMLElement[]} */
    const answersIn = (row) => [...row.querySelectorAll(".srsm-answer")].filter((each) => each instanceof HTMLElement);
    const lines = [...list.children].map(answersIn).filter((line) => line.length);
    const r = lines.findIndex((line) => line.includes(node));
    const line = lines[Math.min(lines.length - 1, Math.max(0, r + step[0]))];
    line[Math.min(line.length - 1, Math.max(0, lines[r].indexOf(node) + step[1]))].focus();
    return true;
  });
  const observer = new ResizeObserver(drawLinks);
  observer.observe(inner);

  return {
    root,
    /** @param {Where} found */
    where(found) {
      where = found;
      drawWhere();
    },
    /**
     * @param {Results} next
     * @param {Image[]} all
     * @param {number} answers how many are shown
     */
    show(next, all, answers) {
      if (results && results.query !== next.query) pointed = -1;
      results = next;
      images = all;
      k = answers;
      draw();
    },
    /** @param {number} answers */
    resize(answers) {
      k = answers;
      draw();
    },
    choose,
    stop() {
      observer.disconnect();
    },
  };
}
