// What happened, beside the board: the sentence, the two best profits as bars, and who waits.

import { h } from "../base/dom.js";
import { fine } from "./words.js";

/** What is said of a step, and of the bid of one's own. */
export function stepCard() {
  const head = h("strong", { class: "srsm-step-head" });
  const judged = h("p", { class: "srsm-judged" });
  const text = h("p");
  const said = h("div", { class: "srsm-step-words", "aria-live": "polite" }, head, judged, text);
  /** @type {(look: string) => { root: HTMLElement, name: HTMLElement, sum: HTMLElement, bar: HTMLElement }} */
  const profit = (look) => {
    const [name, sum, bar] = [
      h("span", { class: "srsm-label" }),
      h("span", { class: "srsm-sum" }),
      h("i", { class: look }),
    ];
    return {
      root: h(
        "div",
        { class: "srsm-profit" },
        name,
        sum,
        h("span", { class: "srsm-profit-bar", "aria-hidden": "true" }, bar),
      ),
      name,
      sum,
      bar,
    };
  };
  const best = profit("srsm-profit-best");
  const second = profit("srsm-profit-second");
  const profits = h("div", { class: "srsm-profits" }, best.root, second.root);
  const queue = h("p", { class: "srsm-hint" });
  const score = h("p", { class: "srsm-hint", hidden: true });
  const root = h("div", { class: "srsm-step-card" }, said, profits, queue, score);
  return {
    root,
    /**
     * @param {[string, string]} words
     * @param {{ name: string, affinity: number, price: number, profit: number, share: number }[]} two best and second profit; none without a bid
     * @param {string} waiting
     * @param {{ right: boolean, words: string } | null} verdict on a bid of one's own
     */
    show([title, words], two, waiting, verdict) {
      head.textContent = title;
      judged.textContent = verdict?.words ?? "";
      judged.dataset.right = String(verdict?.right);
      text.textContent = words;
      root.dataset.asking = "false";
      profits.style.visibility = two.length ? "visible" : "hidden";
      [best, second].forEach(({ root: row, name, sum, bar }, k) => {
        row.hidden = k >= two.length && two.length > 0;
        const each = two[k];
        if (!each) return;
        name.textContent = each.name;
        sum.textContent = `${fine(each.affinity)} − ${fine(each.price)} = ${fine(each.profit)}`;
        bar.style.width = `${100 * each.share}%`;
      });
      queue.textContent = waiting;
    },
    /**
     * @param {string} title
     * @param {string} words
     */
    ask(title, words) {
      head.textContent = title;
      judged.textContent = "";
      text.textContent = words;
      root.dataset.asking = "true";
      profits.style.visibility = "hidden";
      queue.textContent = "";
    },
    /** @param {{ right: number, asked: number }} of bids of one's own */
    count({ right, asked }) {
      score.hidden = asked === 0;
      score.textContent = `Your bids: ${right} of ${asked} as the auction’s.`;
    },
  };
}
