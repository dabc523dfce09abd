// The board: rows bid for columns. A cell is an affinity, shaded by what the column's price leaves of it, each row's favourite darkest.

import { h } from "../base/dom.js";
import { profitsOf, reachOf } from "./trace.js";
import { fine, namesOf, plain } from "./words.js";

/** @typedef {import("./trace.js").Step} Step */
/** @typedef {import("../base/placed.js").Box} Box */
/** @typedef {{ url: string, box: Box, grid: [number, number] }} Side a picture, where its token grid lies, its grid */

// Of the colour, for a row's favourite: text stays readable on it.
const DEEPEST = 50;
/** @type {[number, number]} */
const NOWHERE = [-1, -1];

/**
 * How large the cells of a board can be.
 *
 * @param {number} rows as many as columns
 */
export const boardSize = (rows) => (rows <= 4 ? "large" : rows <= 9 ? "middle" : "small");

/**
 * A patch of a picture.
 *
 * @param {Side} side
 * @param {number} token
 */
export function patchTile({ url, box, grid }, token) {
  const [rows, columns] = grid;
  const [row, column] = [Math.floor(token / columns), token % columns];
  const [width, height] = [(box[2] - box[0]) / columns, (box[3] - box[1]) / rows];
  const [left, top] = [box[0] + column * width, box[1] + row * height];
  const tile = h("span", { class: "srsm-patch-tile", "aria-hidden": "true" });
  const place = (/** @type {number} */ from, /** @type {number} */ size) => (size < 1 ? (100 * from) / (1 - size) : 0);
  tile.style.backgroundImage = `url("${url}")`;
  tile.style.backgroundSize = `${100 / width}% ${100 / height}%`;
  tile.style.backgroundPosition = `${place(left, width)}% ${place(top, height)}%`;
  return tile;
}

/**
 * @param {object} heard
 * @param {(row: number, column: number) => void} heard.choose a cell that was clicked
 * @param {(row: number, column: number) => void} heard.point at a cell, a row (column -1), a column (row -1); or -1, -1
 */
export function auctionBoard({ choose, point }) {
  const table = h("table", { class: "srsm-board" });
  const root = h("div", { class: "srsm-board-room" }, table);
  /** @type {HTMLTableCellElement[][]} */
  let cells = [];
  /** @type {HTMLElement[]} */
  let rowHeads = [];
  /** @type {HTMLElement[]} */
  let columnHeads = [];
  /** @type {HTMLElement[]} */
  let priceWords = [];
  /** @type {HTMLElement[]} */
  let priceBars = [];
  /** @type {HTMLElement[]} */
  let states = [];
  /** @type {number[][]} */
  let affinity = [];
  let unit = 1;
  let reach = 1; // how far below a row's favourite a column is white
  let names = namesOf(false);
  let digits = 3;

  /** @type {(event: Event, of: string) => [number, number] | null} */
  const cellOf = (event, of) => {
    /** @type {HTMLElement | null} */
    const at = /** @type {Element} */ (event.target).closest(of);
    if (!at) return null;
    const [row, column] = (at.dataset.at ?? "").split(",").map(Number);
    return [row, column];
  };
  table.addEventListener("pointerover", (event) => point(...(cellOf(event, "[data-at]") ?? NOWHERE)));
  table.addEventListener("pointerleave", () => point(...NOWHERE));
  table.addEventListener("click", (event) => {
    const at = cellOf(event, "tbody td[data-at]");
    if (at) choose(...at);
  });
  table.addEventListener("keydown", (event) => {
    const at = event.key === "Enter" || event.key === " " ? cellOf(event, "td.srsm-asked") : null;
    if (!at) return;
    event.preventDefault();
    event.stopPropagation();
    choose(...at);
  });

  return {
    root,
    /**
     * @param {number[][]} matrix
     * @param {(Side | null)[]} sides pictures of rows and columns, where there are any
     * @param {import("./words.js").Names} called
     * @param {string[]} colours of the rows
     */
    build(matrix, sides, called, colours) {
      affinity = matrix;
      names = called;
      const n = matrix.length;
      unit = Math.max(...matrix.flat().map(Math.abs)) || 1;
      reach = reachOf(matrix);
      digits = Math.max(0, (n > 9 ? 2 : 3) - Math.max(0, Math.floor(Math.log10(unit))));
      table.dataset.size = boardSize(n);
      const head = (/** @type {number} */ side, /** @type {number} */ k, /** @type {string} */ at) => {
        const words = side === 0 ? called.row(k) : called.column(k);
        const picture = sides[side];
        return h(
          "th",
          { "data-at": at, scope: side ? "col" : "row", title: words },
          picture ? patchTile(picture, k) : null,
          h("small", {}, called.short(side, k)),
        );
      };
      columnHeads = matrix.map((_, k) => head(1, k, `-1,${k}`));
      rowHeads = matrix.map((_, k) => head(0, k, `${k},-1`));
      rowHeads.forEach((each, k) => each.style.setProperty("--srsm-own", colours[k]));
      priceWords = matrix.map(() => h("span"));
      priceBars = matrix.map(() => h("i"));
      states = matrix.map(() => h("td", { class: "srsm-holds" }));
      cells = matrix.map((values, row) =>
        values.map((value, column) => h("td", { "data-at": `${row},${column}` }, plain(value, digits))),
      );
      const prices = priceWords.map((words, k) =>
        h(
          "td",
          { class: "srsm-price", "data-at": `-1,${k}` },
          h("span", { class: "srsm-price-bar", "aria-hidden": "true" }, priceBars[k]),
          words,
        ),
      );
      table.replaceChildren(
        h(
          "caption",
          { class: "srsm-hidden" },
          "affinities of rows and columns, the columns’ prices, and what each row holds",
        ),
        h(
          "thead",
          {},
          h("tr", {}, h("td"), ...columnHeads, h("td")),
          h("tr", { class: "srsm-prices" }, h("th", { scope: "row" }, h("small", {}, "price")), ...prices, h("td")),
        ),
        h("tbody", {}, ...matrix.map((_, row) => h("tr", {}, rowHeads[row], ...cells[row], states[row]))),
      );
      cells.forEach((row, k) => {
        for (const cell of row) cell.style.setProperty("--srsm-own", colours[k]);
      });
    },
    /**
     * @param {Step} step
     * @param {number} bidder the row that bids next, -1 for none
     * @param {boolean} asking whether its bid is being asked for
     */
    show(step, bidder, asking) {
      const profits = affinity.map((row) => profitsOf(row, step.prices));
      const favourites = profits.map((row) => Math.max(...row));
      const dearest = Math.max(...step.prices, unit / 4);
      cells.forEach((row, r) => {
        row.forEach((cell, c) => {
          const share = Math.max(0, 1 - (favourites[r] - profits[r][c]) / reach);
          const isAsked = asking && r === bidder; // neither colour nor words tell what is asked
          cell.style.setProperty("--srsm-depth", isAsked ? "0%" : `${(DEEPEST * share).toFixed(1)}%`);
          const held = step.owners[c] === r;
          cell.classList.toggle("srsm-held", held);
          cell.classList.toggle("srsm-bid", step.row === r && step.column === c);
          cell.classList.toggle("srsm-asked", isAsked);
          cell.tabIndex = isAsked ? 0 : -1;
          const worked = `${fine(affinity[r][c])} − price ${fine(step.prices[c])} = ${fine(profits[r][c])}`;
          cell.title = `${names.row(r)}, ${names.column(c)}${isAsked ? "" : `: ${worked}`}`;
        });
      });
      step.prices.forEach((price, c) => {
        priceWords[c].textContent = plain(price, digits);
        priceBars[c].style.height = `${Math.min(100, (100 * price) / dearest)}%`;
        columnHeads[c].classList.toggle("srsm-bid", step.column === c);
      });
      rowHeads.forEach((head, r) => {
        const column = step.owners.indexOf(r);
        head.classList.toggle("srsm-bidder", r === (asking ? bidder : step.row));
        const next = r === step.queue[0];
        states[r].textContent = column >= 0 ? `holds ${names.short(1, column)}` : next ? "bids next" : "waits";
        states[r].classList.toggle("srsm-waits", column < 0);
      });
    },
  };
}
