// What the stepper says of a step. Nothing here touches the page.

import { format, MINUS } from "../base/format.js";
import { profitsOf } from "./trace.js";

/** @typedef {import("./trace.js").Step} Step */
/** @typedef {import("./trace.js").Trace} Trace */

/**
 * @typedef {object} Names
 * @property {(row: number) => string} row
 * @property {(column: number) => string} column
 * @property {string} rows each of them
 * @property {(side: number, k: number) => string} short of a row (0) or a column (1), where there is little room
 */

const DIGITS = 4;

/**
 * A number of a bid: what is compared differs in its later digits, so a larger one keeps them, too.
 *
 * @param {number} value
 */
export function fine(value) {
  const size = Math.abs(value);
  const before = size >= 10 && size < 1e5 ? Math.floor(Math.log10(size)) : 0;
  return before ? plain(value, DIGITS - before) : format(value, DIGITS);
}

/**
 * A number of the board, in little room: as many digits for each, and none as a power of ten.
 *
 * @param {number} value
 * @param {number} digits
 */
export function plain(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

/**
 * The names of rows and columns: patches of A and B, or rows and columns of a matrix.
 *
 * @param {boolean} placed whether they are patches
 * @returns {Names}
 */
export function namesOf(placed) {
  if (!placed) return { row: (k) => `row ${k}`, column: (k) => `column ${k}`, rows: "row", short: (_, k) => String(k) };
  return { row: (k) => `A${k}`, column: (k) => `B${k}`, rows: "patch of A", short: (side, k) => `${"AB"[side]}${k}` };
}

/** @param {string} words */
const begun = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/**
 * What happened, in a headline and in a sentence or two.
 *
 * @param {Trace} trace
 * @param {number} at
 * @param {Names} names
 * @returns {[head: string, text: string]}
 */
export function explain(trace, at, names) {
  const step = trace.steps[at];
  const phases = trace.plan.length;
  if (step.kind === "phase") return phaseWords(step, phases, names);
  if (step.kind === "prove") return proofWords(step, phases, names);
  const [row, column] = [names.row(step.row), names.column(step.column)];
  const runnerUp =
    trace.order.length > 1 ? `${fine(step.best - step.second)} more than its second choice` : "all there is";
  const rises = `${begun(column)} leaves ${row} a profit of ${fine(step.best)}, ${runnerUp}. By that and by ε the price rises, from ${fine(step.priceBefore)} to ${fine(step.priceAfter)}.`;
  const last = at === trace.steps.length - 1 && !trace.finished;
  const war = last ? " A price war: it is broken off here. A larger ε, or phases, end it sooner." : "";
  if (step.kind === "bid") return [`${begun(row)} takes ${column}, which was free`, rises + war];
  const loser = names.row(step.ownerBefore);
  return [
    `${begun(row)} takes ${column} from ${loser}`,
    `${rises} ${begun(loser)} holds nothing now and bids again.${war}`,
  ];
}

/** @type {(step: Step, phases: number, names: Names) => [string, string]} */
function phaseWords(step, phases, names) {
  const eps = `ε is ${fine(step.eps)}`;
  if (step.phase === 1) {
    const head = phases > 1 ? `Phase 1 of ${phases}: ${eps}` : `One phase: ${eps}`;
    const text = `Nothing has a price yet. If each ${names.rows} could have its first choice, they would be worth ${fine(step.bound)} together: no matching is worth more. These are the matcher’s own bids, without its shortcuts.`;
    return [head, text];
  }
  const head = `Phase ${step.phase} of ${phases}: ${eps}`;
  return [
    head,
    "All let go of what they hold, but the prices stay: they know where the crowd is. With a smaller ε the bids are finer.",
  ];
}

/** @type {(step: Step, phases: number, names: Names) => [string, string]} */
function proofWords(step, phases, names) {
  const gap = step.bestBound - step.bestValue;
  const isClosed = gap <= 1e-12 * Math.max(1, Math.abs(step.bestBound));
  const head = isClosed ? "Proof: none is better" : `Proof: within ${fine(gap)} of the best`;
  const which = step.bound <= step.bestBound ? "these" : "earlier";
  const held = `Every ${names.rows} holds one: together ${fine(step.value)}.`;
  const proof = `At ${which} prices, the most that is left to each and the prices themselves add up to ${fine(step.bestBound)}: no matching is worth more, whoever found it.`;
  const more = step.phase < phases && !isClosed ? " A smaller ε closes the rest." : "";
  return [head, `${held} ${proof}${more}`];
}

/**
 * What a bid of one's own was worth beside the auction's.
 *
 * @param {number[][]} affinity
 * @param {Step} before
 * @param {Step} step the bid
 * @param {number} chosen the column that was chosen
 * @param {Names} names
 * @returns {{ right: boolean, words: string }}
 */
export function judge(affinity, before, step, chosen, names) {
  const profits = profitsOf(affinity[step.row], before.prices);
  const worked = (/** @type {number} */ k) =>
    `${fine(affinity[step.row][k])} − ${fine(before.prices[k])} = ${fine(profits[k])}`;
  const mine = `${begun(names.column(chosen))} leaves ${worked(chosen)}`;
  if (profits[chosen] >= step.best) {
    const tie = chosen === step.column ? "" : ` ${begun(names.column(step.column))} leaves as much, and comes first.`;
    return { right: true, words: `Right. ${mine}, the most.${tie}` };
  }
  return {
    right: false,
    words: `Not the best bid. ${mine}; ${names.column(step.column)} leaves ${worked(step.column)}.`,
  };
}

/**
 * Value and bound, for who does not see the plot.
 *
 * @param {Step} step
 * @param {number} n
 */
export function standing(step, n) {
  const value = step.held === n ? `value ${fine(step.value)}` : `${step.held} of ${n} hold`;
  return `${value}, best bound ${fine(step.bestBound)}`;
}
