// The auction told bid by bid, as `matching/trace.py` does: a test compares the two. It is told here, too, so that another
// ε or another order of the rows asks no kernel. Nothing here touches the page.

/**
 * One thing that happens, and how everything stands after it.
 *
 * @typedef {object} Step
 * @property {string} kind "phase", "bid", "evict" or "prove"
 * @property {number} phase from 1
 * @property {number} eps
 * @property {number} row that bids; -1 for none
 * @property {number} column that it takes; -1 for none
 * @property {number} best profit of that column before the bid
 * @property {number} second largest profit of the others
 * @property {number} priceBefore
 * @property {number} priceAfter
 * @property {number} ownerBefore the row that held the column; -1 for none
 * @property {number[]} owners the row that holds each column
 * @property {number[]} prices
 * @property {number[]} queue the rows that hold nothing, in the order in which they bid
 * @property {number} value of the rows that hold a column
 * @property {number} held how many do
 * @property {number} bound of these prices
 * @property {number} bestBound
 * @property {number} bestValue of the phases that are over; -Infinity before
 */

/** @typedef {{ steps: Step[], finished: boolean, plan: number[], order: number[] }} Trace */

const NOBODY = {
  row: -1,
  column: -1,
  best: Number.NaN,
  second: Number.NaN,
  priceBefore: Number.NaN,
  priceAfter: Number.NaN,
  ownerBefore: -1,
};

/** @type {(values: number[]) => number} */
const sum = (values) => values.reduce((total, value) => total + value, 0);

/**
 * The profit of each column for a row.
 *
 * @param {number[]} affinities
 * @param {number[]} prices
 */
export const profitsOf = (affinities, prices) => affinities.map((value, column) => value - prices[column]);

// Of the affinities' range.
const REACH = 0.5;

/**
 * How much less than a row's favourite a profit must be to count for nothing.
 *
 * @param {number[][]} affinity
 */
export function reachOf(affinity) {
  const all = affinity.flat();
  return REACH * (Math.max(...all) - Math.min(...all)) || 1;
}

/**
 * No matching is worth more than this, whatever the prices are.
 *
 * @param {number[][]} affinity
 * @param {number[]} prices
 */
export const dualBound = (affinity, prices) =>
  sum(affinity.map((row) => Math.max(...profitsOf(row, prices)))) + sum(prices);

/**
 * @param {number[][]} affinity n x n, what is maximised
 * @param {number[]} plan ε of each phase
 * @param {number[]} order the rows in the order in which they bid first
 * @param {number} mostBids after which a price war is broken off
 * @returns {Trace}
 */
export function auctionTrace(affinity, plan, order, mostBids) {
  const n = affinity.length;
  const prices = Array(n).fill(0);
  /** @type {number[]} */
  let owners = [];
  /** @type {number[]} */
  let queue = [];
  /** @type {Step[]} */
  const steps = [];
  let bestBound = Number.POSITIVE_INFINITY;
  let bestValue = Number.NEGATIVE_INFINITY;
  let bids = 0;
  /** @type {(kind: string, phase: number, bid?: object) => void} */
  const note = (kind, phase, bid = {}) => {
    const bound = dualBound(affinity, prices);
    bestBound = Math.min(bestBound, bound);
    const held = owners.filter((row) => row >= 0).length;
    const value = sum(owners.map((row, column) => (row >= 0 ? affinity[row][column] : 0)));
    if (kind === "prove") bestValue = Math.max(bestValue, value);
    const stands = {
      owners: [...owners],
      prices: [...prices],
      queue: [...queue],
      value,
      held,
      bound,
      bestBound,
      bestValue,
    };
    steps.push({ kind, phase: phase + 1, eps: plan[phase], ...NOBODY, ...bid, ...stands });
  };
  for (const [phase, eps] of plan.entries()) {
    owners = Array(n).fill(-1);
    queue = [...order];
    note("phase", phase);
    while (queue.length) {
      if (bids === mostBids) return { steps, finished: false, plan, order };
      const row = /** @type {number} */ (queue.shift());
      const profits = profitsOf(affinity[row], prices);
      const best = Math.max(...profits);
      const column = profits.indexOf(best);
      const second = n > 1 ? Math.max(...profits.filter((_, k) => k !== column)) : best;
      const priceBefore = prices[column];
      const ownerBefore = owners[column];
      prices[column] = priceBefore + (best - second) + eps;
      owners[column] = row;
      if (ownerBefore >= 0) queue.push(ownerBefore);
      bids += 1;
      const bid = { row, column, best, second, priceBefore, priceAfter: prices[column], ownerBefore };
      note(ownerBefore < 0 ? "bid" : "evict", phase, bid);
    }
    note("prove", phase);
  }
  return { steps, finished: true, plan, order };
}

/**
 * The step to go to from one: the next of a kind, or the last.
 *
 * @param {Step[]} steps
 * @param {number} at
 * @param {string} kind
 */
export function nextOf(steps, at, kind) {
  const k = steps.findIndex((step, place) => place > at && step.kind === kind);
  return k < 0 ? steps.length - 1 : k;
}
