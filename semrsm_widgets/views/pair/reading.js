// What a pair's numbers say under the similarity that is explained. Nothing here touches the page.

import { cellOf } from "../base/grid_pointer.js";
import { opacities } from "./trust.js";

/** @typedef {import("../base/grid_pointer.js").Grid} Grid */
/** @typedef {Int32Array | Float32Array | number[]} Numbers */

/**
 * What is known of two images, A and B, at one layer; see messages of matches in the view's Python.
 *
 * @typedef {object} Matches
 * @property {string} layer
 * @property {[number, number]} pair
 * @property {Grid | null} grid of A
 * @property {Grid | null} other_grid of B
 * @property {import("../base/wire.js").NullLevel | null} null what unrelated tokens reach
 * @property {number | null} aligned
 * @property {number} semantic
 * @property {number | null} upper
 * @property {number} pooled
 * @property {number} any_matching
 * @property {number | null} same_position
 * @property {number | null} class_token
 * @property {number} nearest_value
 * @property {Int32Array} permutation for each patch of A its partner in B, -1 for none
 * @property {Int32Array} inverse for each patch of B its partner in A, -1 for none
 * @property {Float32Array} cosine
 * @property {Float32Array} contribution
 * @property {Uint8Array} ambiguous
 * @property {Int32Array} nearest
 * @property {Float32Array} nearest_cosine
 * @property {Float32Array} nearest_contribution
 * @property {Float32Array} [aligned_cosine]
 * @property {Float32Array} [aligned_contribution]
 * @property {Float32Array} pooled_cosine
 * @property {Float32Array} pooled_contribution
 * @property {Float32Array} other_pooled_cosine
 * @property {Float32Array} other_pooled_contribution
 */

/**
 * One similarity as a sum over patches.
 *
 * @typedef {object} Reading
 * @property {number | null} value
 * @property {Numbers | null} partner the patch of B that each of A is compared with; null for the mean token
 * @property {Numbers | null} inverse the patch of A that each of B is compared with
 * @property {Float32Array} cosine of A's patches
 * @property {Float32Array} contribution of A's patches
 * @property {Float32Array} [otherCosine] of B's patches, for the mean token
 * @property {Float32Array} [otherContribution] of B's patches, for the mean token
 * @property {Uint8Array} [ambiguous] whether another partner of a patch is better, or less than 5 % below
 */

// So many of the strongest carry a digit or a sign: colours alone are too few.
export const NUMBERED = 9;

/**
 * How a similarity reads; null where it does not split over patches.
 *
 * @param {Matches} matches
 * @param {string} similarity its name
 * @param {boolean} oneToOne
 * @returns {Reading | null}
 */
export function readingOf(matches, similarity, oneToOne) {
  if (similarity === "semantic" && oneToOne) {
    return {
      value: matches.semantic,
      partner: matches.permutation,
      inverse: matches.inverse,
      cosine: matches.cosine,
      contribution: matches.contribution,
      ambiguous: matches.ambiguous,
    };
  }
  if (similarity === "semantic") {
    return {
      value: matches.nearest_value,
      partner: matches.nearest,
      inverse: strongestTaker(matches),
      cosine: matches.nearest_cosine,
      contribution: matches.nearest_contribution,
    };
  }
  if (similarity === "aligned" && matches.aligned_contribution && matches.aligned_cosine) {
    const own = matches.permutation.map((_, token) => token);
    return {
      value: matches.aligned,
      partner: own,
      inverse: own,
      cosine: matches.aligned_cosine,
      contribution: matches.aligned_contribution,
    };
  }
  if (similarity === "pooled") {
    return {
      value: matches.pooled,
      partner: null,
      inverse: null,
      cosine: matches.pooled_cosine,
      contribution: matches.pooled_contribution,
      otherCosine: matches.other_pooled_cosine,
      otherContribution: matches.other_pooled_contribution,
    };
  }
  return null;
}

/**
 * The value of a similarity, also of one that does not split.
 *
 * @param {Matches} matches
 * @param {string} similarity
 * @param {boolean} oneToOne
 */
export function pairValue(matches, similarity, oneToOne) {
  if (similarity === "class token") return matches.class_token;
  return readingOf(matches, similarity, oneToOne)?.value ?? null;
}

/**
 * For each patch of B the patch of A that takes it as its nearest, the strongest if several do; -1 for none.
 *
 * @param {Pick<Matches, "nearest" | "nearest_contribution" | "inverse">} matches
 */
function strongestTaker({ nearest, nearest_contribution: contribution, inverse }) {
  const taker = new Int32Array(inverse.length).fill(-1);
  nearest.forEach((partner, token) => {
    if (taker[partner] < 0 || contribution[token] > contribution[taker[partner]]) taker[partner] = token;
  });
  return taker;
}

/**
 * Indices of the patches that are compared with something, by falling `size`.
 *
 * @param {Numbers} size
 * @param {Float32Array} cosine NaN for a patch that is compared with nothing
 */
export function byFalling(size, cosine) {
  return [...size.keys()].filter((token) => !Number.isNaN(cosine[token])).sort((a, b) => size[b] - size[a]);
}

/** @param {Iterable<number>} values */
export const sumOf = (values) => [...values].reduce((sum, value) => sum + value, 0);

/**
 * What the messages of A with B and of A with C say: everything that is shown follows from this.
 *
 * @typedef {object} Said
 * @property {Matches} matches of A with B; null before they are there, and then so is `reading`
 * @property {Matches} expected of A with C; null before they are there, and then so is `other`
 * @property {string} similarity name of the one that is explained
 * @property {boolean} oneToOne
 * @property {boolean} comparing whether an image is expected
 * @property {boolean} whole whether all numbers that this needs are there
 * @property {Reading | null} reading of A with B
 * @property {Reading | null} other of A with C
 * @property {number[] | null} difference what each patch of A contributes to that of the two values
 * @property {number[]} order patches of A, the most important first
 * @property {number[] | null} opacity of the matches of A's patches, by how far they are above unrelated; null: all alike
 */

/**
 * @param {Matches | null} matches
 * @param {Matches | null} expected
 * @param {object} how
 * @param {string} how.similarity
 * @param {boolean} how.oneToOne
 * @param {number} [how.image] the one that is expected, -1 for none
 * @param {boolean} [how.onlyAbove] whether matches that are not above unrelated are left out
 * @returns {Said}
 */
export function readPair(matches, expected, { similarity, oneToOne, image = -1, onlyAbove = false }) {
  const comparing = image >= 0;
  const fits = Boolean(
    comparing &&
      matches &&
      expected &&
      expected.layer === matches.layer &&
      expected.pair[0] === matches.pair[0] &&
      expected.pair[1] === image,
  );
  const reading = matches && readingOf(matches, similarity, oneToOne);
  const other = fits && expected ? readingOf(expected, similarity, oneToOne) : null;
  const difference =
    reading && other ? Array.from(reading.contribution, (value, token) => value - other.contribution[token]) : null;
  // Only the best match is read beside the level of unrelated tokens, which is that of a best match.
  const level = similarity === "semantic" && !comparing ? (matches?.null ?? null) : null;
  const opacity = matches && reading && level ? opacities(reading.cosine, matches.semantic, level) : null;
  if (opacity && level && onlyAbove) {
    opacity.forEach((_, token) => {
      if (!(reading && reading.cosine[token] > level.mean)) opacity[token] = 0;
    });
  }
  const rank = difference ? difference.map(Math.abs) : comparing ? null : reading?.contribution;
  return {
    matches: /** @type {Matches} */ (matches),
    expected: /** @type {Matches} */ (expected),
    similarity,
    oneToOne,
    comparing,
    whole: Boolean(matches) && (fits || !comparing),
    reading,
    other,
    difference,
    order: reading && rank ? byFalling(rank, reading.cosine).filter((token) => !opacity || opacity[token] > 0) : [],
    opacity,
  };
}

/**
 * Which patch of A, B and C is looked at when one of them is pointed at; -1 for none.
 *
 * @param {Said} said
 * @param {{ side: number, token: number }} pointed
 */
export function placesOf({ matches, reading, other }, { side, token }) {
  const at = [-1, -1, -1];
  if (!reading || token < 0 || (side === 0 && token >= matches.permutation.length)) return at;
  at[side] = token;
  /** @type {(k: number, one: Reading | null) => void} */
  const follow = (k, one) => {
    if (!one?.partner || !one.inverse) return;
    if (at[0] >= 0) at[k] = one.partner[at[0]];
    else if (side === k) at[0] = one.inverse[token];
  };
  if (side === 2) follow(2, other); // by way of C to A, and from there to B
  follow(1, reading);
  if (side !== 2) follow(2, other);
  return at;
}

/**
 * A patch by row and column.
 *
 * @param {number} token
 * @param {Grid | null} grid
 */
export function placeName(token, grid) {
  return grid ? cellOf(token, grid).join(",") : `token ${token}`;
}
