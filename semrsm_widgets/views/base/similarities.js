// The similarities of two images in words, as Python tells them.

/**
 * @typedef {object} Similarity
 * @property {string} name
 * @property {string} caption how the tokens of two images are compared, in two words
 * @property {string} aside what stands small beside the name
 * @property {boolean} splits whether it is a sum over patches, as those are that every layer has
 */

/**
 * All of them, in the order in which they are told.
 *
 * @param {import("./model.js").Model} model
 * @returns {Similarity[]}
 */
export const similaritiesOf = (model) => model.get("_similarities");

/**
 * Those that every layer has.
 *
 * @param {import("./model.js").Model} model
 */
export const patchSimilarities = (model) => similaritiesOf(model).filter((each) => each.splits);

/**
 * The caption of a name; for the name of none, nothing.
 *
 * @param {Similarity[]} similarities
 * @param {string} name
 */
export const captionOf = (similarities, name) => similarities.find((each) => each.name === name)?.caption ?? "";
