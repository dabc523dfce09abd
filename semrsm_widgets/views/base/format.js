// Numbers as people read them.

export const MINUS = "\u2212";

/**
 * Similarities have no natural unit: three significant places around 1, fewer digits for large inner products.
 *
 * @param {number | null | undefined} value
 * @param {number} digits after the point of a number below 10
 */
export function format(value, digits = 2) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "∞";
  const size = Math.abs(value);
  let text;
  if (size >= 1e5 || (size > 0 && size < 10 ** -digits / 2)) text = size.toExponential(1);
  else if (size >= 100) text = size.toFixed(0);
  else if (size >= 10) text = size.toFixed(1);
  else text = size.toFixed(digits);
  return (value < 0 ? MINUS : "") + text;
}

/**
 * A number with its sign, also where it is positive.
 *
 * @param {number | null} value
 * @param {number} digits
 */
export function signed(value, digits = 2) {
  return (value !== null && value > 0 ? "+" : "") + format(value, digits);
}

/**
 * A certified gap is rounded up, and never said to be finer than float32 products are.
 *
 * @param {number} gap
 */
export function atMost(gap) {
  if (!(gap > 1e-6)) return `1e${MINUS}6`;
  const power = Math.floor(Math.log10(gap));
  const digit = Math.ceil(gap / 10 ** power);
  return (digit === 10 ? `1e${power + 1}` : `${digit}e${power}`).replace("-", MINUS);
}
