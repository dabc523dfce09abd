// Which images the rows of the heatmaps are, and which of them have a label in common. `RSMView.rows` answers alike.

/** @typedef {{ id: string, labels: string[] }} Image */
/** @typedef {{ name: string, first: number, last: number }} Group rows `first` to `last` - 1; without a name: unlabelled */

/**
 * The images from the top.
 *
 * @param {object} choice
 * @param {string} choice.order "file", "label" or "cluster"
 * @param {number[]} choice.sequence the images in that order; empty: as they are
 * @param {number[]} choice.selection
 * @param {string} choice.selected "marked", "first" or "only"
 * @param {number} size
 */
export function rowsOf({ order, sequence, selection, selected }, size) {
  const rows = sequence.length === size ? sequence : [...Array(size).keys()];
  if (selected === "marked" || !selection.length) return rows;
  const chosen = new Set(selection);
  const first = order === "file" ? selection : rows.filter((image) => chosen.has(image));
  return selected === "only" ? first : [...first, ...rows.filter((image) => !chosen.has(image))];
}

/**
 * The runs of images with the same labels.
 *
 * @param {number[]} rows
 * @param {Image[]} images
 */
export function groupsOf(rows, images) {
  /** @type {Group[]} */
  const groups = [];
  rows.forEach((image, k) => {
    const name = [...images[image].labels].sort().join(", ");
    const last = groups.at(-1);
    if (last && last.name === name) last.last = k + 1;
    else groups.push({ name, first: k, last: k + 1 });
  });
  return groups;
}

/**
 * Where names stand along an axis: each in the middle of its group, the large groups first, none over another.
 *
 * @param {Group[]} groups
 * @param {object} axis
 * @param {number} axis.start the first row in sight
 * @param {number} axis.side how many are in sight
 * @param {number} axis.pixels that they take
 * @param {number} axis.line pixels of a name
 */
export function placedNames(groups, { start, side, pixels, line }) {
  const scale = pixels / side;
  const inSight = groups
    .map((group) => ({ group, from: Math.max(group.first, start), to: Math.min(group.last, start + side) }))
    .filter(({ from, to }) => to > from)
    .sort((a, b) => b.to - b.from - (a.to - a.from) || a.from - b.from);
  /** @type {{ group: Group, at: number }[]} */
  const placed = [];
  for (const { group, from, to } of inSight) {
    const middle = ((from + to) / 2 - start) * scale;
    const at = Math.min(pixels - line / 2, Math.max(line / 2, middle));
    if (placed.every((other) => Math.abs(other.at - at) >= line)) placed.push({ group, at });
  }
  return placed;
}
