// How far matches stand above what unrelated tokens reach: what does not, is drawn faint, and a sentence says so. The
// pictures without a widget do the same in trust.py; a test compares the two. Nothing here touches the page.

import { format } from "../base/format.js";

/** @typedef {import("../base/wire.js").NullLevel} NullLevel */

// Excess is what a cosine has above the level of unrelated tokens, as a share of what there is up to 1.
export const BARELY = 0.1; // of a pair, below which its matches are not to be read
const MOSTLY = 0.5; // share of a pair's value that any matching gives, above which single patches say little
const FULL = 0.25; // of a match, from which it is drawn in full
export const FAINTEST = 0.12; // opacity of a match at the unrelated level or below

/** @param {number} value */
const unit = (value) => Math.min(1, Math.max(0, value));

/**
 * How far a cosine stands above unrelated: 0 at its level, 1 at a cosine of 1, negative below.
 *
 * @param {number} value
 * @param {NullLevel} level
 */
export const excess = (value, level) => (value - level.mean) / Math.max(1e-9, 1 - level.mean);

/**
 * How strongly each match is drawn, FAINTEST to 1; null before the level is known.
 *
 * @param {ArrayLike<number>} cosine of the matched tokens, NaN for one without a partner
 * @param {number} semantic the pair's value; where it is hardly above unrelated, all its matches are faint
 * @param {NullLevel | null} level
 */
export function opacities(cosine, semantic, level) {
  if (!level) return null;
  const pair = semantic <= level.quantile95 ? 0 : unit(excess(semantic, level) / BARELY - 0.5);
  return Array.from(cosine, (value) => {
    const strength = Number.isNaN(value) ? 0 : unit(excess(value, level) / FULL);
    return FAINTEST + (1 - FAINTEST) * pair * strength;
  });
}

/**
 * From which value on a pair's matches are read.
 *
 * @param {NullLevel | null} [level]
 */
export const readableFrom = (level) =>
  level ? Math.max(level.quantile95, level.mean + BARELY * (1 - level.mean)) : null;

/**
 * Whether a pair's matches may be read: not before the level is known.
 *
 * @param {number} semantic
 * @param {NullLevel | null} level
 */
export const isReadable = (semantic, level) =>
  level !== null && semantic > level.quantile95 && excess(semantic, level) >= BARELY;

/**
 * Whether a pair's value is so far above unrelated that a match of that value is drawn in full.
 *
 * @param {number} semantic
 * @param {NullLevel | null} level
 */
export const isWellAbove = (semantic, level) =>
  level !== null && semantic > level.quantile95 && excess(semantic, level) >= FULL;

/**
 * What to say of a pair that is hardly above unrelated, or by any matching; empty where its matches may be read.
 *
 * @param {number} semantic
 * @param {NullLevel | null} level
 * @param {number} anyMatching what any matching of the pair gives on average
 */
export function verdict(semantic, level, anyMatching) {
  if (!level) return "";
  if (semantic <= level.mean) return "No more than unrelated tokens reach: do not read these matches.";
  if (semantic <= level.quantile95)
    return `Unrelated tokens reach ${format(level.quantile95)} once in twenty, matches are read from ${format(readableFrom(level))} on: do not read these.`;
  if (excess(semantic, level) < BARELY)
    return `Barely above unrelated, less than ${format(readableFrom(level))}: do not read these matches.`;
  if (anyMatching > MOSTLY * semantic)
    return "Any matching gives more than half of it: which patch meets which says less.";
  return "";
}
