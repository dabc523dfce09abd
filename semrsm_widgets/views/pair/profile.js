// The similarities of the pair on screen at every layer, as they come.

/** @typedef {import("../base/layer_chart.js").Row} Row */
/** @typedef {{ pair: [number, number], rows: Map<string, Row> }} Profile */

/**
 * Collects the values of one pair, a layer a message; those of another pair are forgotten.
 *
 * @param {any} message
 * @param {Profile | undefined} before
 * @returns {Profile}
 */
export function readProfile({ pair, name, aligned, semantic, pooled, unrelated }, before) {
  const rows = before && String(before.pair) === String(pair) ? new Map(before.rows) : new Map();
  return { pair, rows: rows.set(name, { aligned, semantic, pooled, unrelated }) };
}

/**
 * The rows of the layer chart: what was told, and what is on screen anyway.
 *
 * @param {Profile | null} profile
 * @param {import("./reading.js").Matches | null} matches
 * @param {{ layers: { name: string }[], pair: [number, number] }} now
 * @returns {(Row | null)[]}
 */
export function profileRows(profile, matches, { layers, pair }) {
  const told = profile && String(profile.pair) === String(pair) ? profile.rows : new Map();
  return layers.map(({ name }) => {
    const row = told.get(name) ?? null;
    if (matches?.layer !== name || String(matches.pair) !== String(pair)) return row;
    const { aligned, semantic, pooled } = matches;
    return { aligned, semantic, pooled, unrelated: matches.null?.mean ?? row?.unrelated };
  });
}
