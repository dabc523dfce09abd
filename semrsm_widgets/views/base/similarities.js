// The similarities of two images by name, and in a few words how patches are compared under each.

/** @typedef {"aligned" | "semantic" | "pooled"} Similarity */

/** @type {[Similarity, string][]} */
const WORDS = [
  ["aligned", "same position"],
  ["semantic", "best match"],
  ["pooled", "mean token"],
];

export const SIMILARITIES = new Map(WORDS);
