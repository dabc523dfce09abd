// How the auction is run and told: bids of one's own, ε, the order of the rows.

import { h } from "../base/dom.js";

/**
 * @param {object} heard
 * @param {(on: boolean) => void} heard.yourBid
 * @param {(eps: number | null) => void} heard.eps null: the plan of phases
 * @param {(order: number[]) => void} heard.order empty: from the top
 * @param {() => number} heard.size
 * @param {HTMLElement} jumps what else stands in the line
 */
export function auctionSettings({ yourBid, eps, order, size }, jumps) {
  const mine = h("input", { type: "checkbox" });
  mine.addEventListener("change", () => yourBid(mine.checked));
  const number = h("input", {
    class: "srsm-find srsm-eps",
    type: "text",
    inputmode: "decimal",
    "aria-label": "ε of one phase; empty for the plan of phases",
    spellcheck: "false",
  });
  const plan = h(
    "button",
    {
      class: "srsm-button srsm-step",
      type: "button",
      title: "ε by the plan: large first, then smaller",
      onclick: () => eps(null),
    },
    "by phases",
  );
  let before = "";
  number.addEventListener("change", () => {
    const given = number.value.trim().replace(",", ".");
    const value = Number(given);
    if (given === "") eps(null);
    else if (value > 0 && Number.isFinite(value)) eps(value);
    else number.value = before; // what is no ε changes nothing
  });
  const shuffle = () => {
    const rows = Array.from({ length: size() }, (_, k) => k);
    for (let k = rows.length - 1; k > 0; k -= 1) {
      const other = Math.floor(Math.random() * (k + 1));
      [rows[k], rows[other]] = [rows[other], rows[k]];
    }
    order(rows);
  };
  const again = h(
    "button",
    {
      class: "srsm-button",
      type: "button",
      title: "the rows bid in another order: another story, and the same value within n ε",
      onclick: shuffle,
    },
    "shuffle rows",
  );
  const straight = h(
    "button",
    { class: "srsm-button srsm-step", type: "button", onclick: () => order([]) },
    "in order",
  );
  const root = h(
    "div",
    { class: "srsm-controls srsm-settings" },
    jumps,
    h("label", { class: "srsm-check", title: "before a bid is shown, choose its column" }, mine, "your bid"),
    h("span", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "ε"), number, plan),
    h("span", { class: "srsm-field" }, again, straight),
  );
  return {
    root,
    /**
     * @param {import("./trace.js").Trace} trace
     * @param {{ isMine: boolean, own: number | null, shuffled: boolean }} how
     */
    show(trace, { isMine, own, shuffled }) {
      mine.checked = isMine;
      number.value = before = own === null ? "" : String(own);
      number.placeholder = trace.plan.length > 1 ? `${trace.plan.length} phases` : "";
      plan.hidden = own === null;
      straight.hidden = !shuffled;
    },
  };
}
