// What a pair's numbers say under the similarity that is explained. Nothing here touches the page.

const SIMILARITIES = ["best match", "same position", "mean token", "class token"];
// So many of the strongest carry a digit or a sign: colours alone are too few.
const NUMBERED = 9;

// A message of matches with its buffers under their names.
function decodeMatches(content, buffers) {
  const types = { Int32Array, Float32Array, Uint8Array };
  const arrays = content.arrays.map(([name, type], k) => [name, asArray(buffers[k], types[type])]);
  return { ...content, ...Object.fromEntries(arrays) };
}

// One similarity as a sum over patches: which patch of B each of A is compared with (partner, null for the mean token),
// which of A each of B (inverse), cosines and contributions of A's patches and, for the mean token, of B's. null where
// the similarity does not split over patches.
function readingOf(matches, similarity, oneToOne) {
  if (similarity === "best match" && oneToOne) {
    return {
      value: matches.semantic, partner: matches.permutation, inverse: matches.inverse, cosine: matches.cosine,
      contribution: matches.contribution, ambiguous: matches.ambiguous,
    };
  }
  if (similarity === "best match") {
    return {
      value: matches.nearest_value, partner: matches.nearest, inverse: strongestTaker(matches),
      cosine: matches.nearest_cosine, contribution: matches.nearest_contribution,
    };
  }
  if (similarity === "same position" && matches.aligned_contribution) {
    const own = matches.permutation.map((_, token) => token);
    return {
      value: matches.aligned, partner: own, inverse: own,
      cosine: matches.aligned_cosine, contribution: matches.aligned_contribution,
    };
  }
  if (similarity === "mean token") {
    return {
      value: matches.pooled, partner: null, inverse: null,
      cosine: matches.pooled_cosine, contribution: matches.pooled_contribution,
      otherCosine: matches.other_pooled_cosine, otherContribution: matches.other_pooled_contribution,
    };
  }
  return null;
}

// The value of a similarity, also of one that does not split.
function valueOf(matches, similarity, oneToOne) {
  return similarity === "class token" ? matches.class_token : readingOf(matches, similarity, oneToOne)?.value ?? null;
}

// For each patch of B the patch of A that takes it as its nearest, the strongest if several do; -1 for none.
function strongestTaker({ nearest, nearest_contribution: contribution, inverse }) {
  const taker = new Int32Array(inverse.length).fill(-1);
  nearest.forEach((partner, token) => {
    if (taker[partner] < 0 || contribution[token] > contribution[taker[partner]]) taker[partner] = token;
  });
  return taker;
}

// Indices of the patches that are compared with something, by falling `size`.
function byFalling(size, cosine) {
  return [...size.keys()].filter((token) => !Number.isNaN(cosine[token])).sort((a, b) => size[b] - size[a]);
}

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

// Everything that is shown follows from this: the messages of A with B and of A with C, and how they are read.
//   comparing: whether an image is expected; whole: whether all numbers that this needs are there
//   reading, other: of A with B and of A with C; difference: what each patch of A contributes to that of their values
//   order: patches of A, the most important first
function readPair(matches, expected, { similarity, oneToOne, image = -1 }) {
  const comparing = image >= 0;
  const fits = comparing && matches && expected && expected.layer === matches.layer
    && expected.pair[0] === matches.pair[0] && expected.pair[1] === image;
  const reading = matches && readingOf(matches, similarity, oneToOne);
  const other = fits ? readingOf(expected, similarity, oneToOne) : null;
  const difference = reading && other ? reading.contribution.map((value, token) => value - other.contribution[token]) : null;
  const rank = difference ? difference.map(Math.abs) : comparing ? null : reading?.contribution;
  return {
    matches, expected, similarity, oneToOne, comparing, whole: Boolean(matches) && (fits || !comparing),
    reading, other, difference, order: rank ? byFalling(rank, reading.cosine) : [],
  };
}

// Which patch of A, B and C is looked at when one of them is pointed at; -1 for none.
function placesOf({ matches, reading, other }, { side, token }) {
  const at = [-1, -1, -1];
  if (!reading || token < 0 || (side === 0 && token >= matches.permutation.length)) return at;
  at[side] = token;
  const follow = (k, one) => {
    if (!one?.partner) return;
    if (at[0] >= 0) at[k] = one.partner[at[0]];
    else if (side === k) at[0] = one.inverse[token];
  };
  for (const [k, one] of side === 2 ? [[2, other], [1, reading]] : [[1, reading], [2, other]]) follow(k, one);
  return at;
}

// A patch by row and column.
function placeName(token, grid) {
  return grid ? `${Math.floor(token / grid[1])},${token % grid[1]}` : `token ${token}`;
}
