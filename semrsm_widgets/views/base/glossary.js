// The words that stand on the screen, as notebooks/glossary.ipynb explains them too (tests/js/glossary.test.js).

/** @type {[word: string, meaning: string][]} */
export const GLOSSARY = [
  ["RSM", "representational similarity matrix: how alike each image is to each other one, to one layer of a model"],
  ["token, patch", "the vector that a layer has for one patch of an image; an image has S of them, on a grid"],
  ["aligned", "each token is compared with the one at the same position; the paper calls this RSM spatio-semantic"],
  ["semantic", "tokens are compared under the best one-to-one assignment: alike to this layer, whatever the place"],
  [
    "pooled",
    "the mean token alone: also invariant to position, cheap, and a strong baseline at the last layers. Its values have a scale of their own: to be compared between pairs, not with semantic",
  ],
  [
    "any matching, best matching adds",
    "what any one-to-one matching gives on average, and what the best one adds to it: together the semantic value. The first is not the pooled cosine",
  ],
  [
    "unrelated",
    "the null: the semantic value between images whose channels were permuted. A semantic value is a maximum, so it is above zero even for noise",
  ],
  ["excess", "a semantic value less what unrelated tokens reach: the level that can be compared between layers"],
  [
    "moved patches",
    "B’s patches, each put where its partner stands in A: where they make A’s picture, the matching is right",
  ],
  [
    "F1@k",
    "how well the labels of the k nearest images fit those of the query, as the mean F1 of the label sets; beside it what chance gives",
  ],
  ["gap", "the certified error of a semantic cosine: the optimum lies in [value, value + gap]"],
  [
    "price, bid",
    "in the auction behind the matching: a patch bids for the one that leaves it most after its price, and raises the price by what it prefers it by, and ε",
  ],
  [
    "bound",
    "a sum of prices and of what they leave that no matching can exceed, whoever found it; value and bound together are the certificate",
  ],
  [
    "partner",
    "the patch that the best one-to-one assignment gives a patch; another one may be more similar, but taken",
  ],
  ["ambiguous", "a match, drawn dashed, for which another partner is better, or less than 5 % below"],
  [
    "kernel",
    "what makes a similarity of an inner product: cosine (divided by the lengths), inner product (as it is), RBF (of the distance)",
  ],
  ["class token", "a token without a place that some models add; it is kept out of the matching"],
  [
    "AP, mAP",
    "average precision: how early an answer list has the images of the query's label; 1 is at once, and mAP is the mean",
  ],
  ["hub", "an image that is among the nearest of many others"],
  ["CKA, RSA", "how alike two RSMs are: from their centred entries, or from the order of their entries"],
];
