// Numbers as people read them. `number` and `_at_most` of the figures write them alike: a test compares the two.

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
  if (size >= 1e5 || (size > 0 && size < 10 ** -digits / 2)) text = powerOfTen(size.toExponential(1));
  else if (size >= 100) text = fixed(size, 0);
  else if (size >= 10) text = fixed(size, 1);
  else text = fixed(size, digits);
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
  if (!(gap > 1e-6)) return powerOfTen("1e-6");
  const power = Math.floor(Math.log10(gap));
  const digit = Math.ceil(Number((gap / 10 ** power).toFixed(9))); // 2e-5 / 1e-5 is a little more than 2
  return powerOfTen(digit === 10 ? `1e${power + 1}` : `${digit}e${power}`);
}

/**
 * @param {string} text as JavaScript writes it: "1.2e+5"
 */
function powerOfTen(text) {
  return text.replace("+", "").replace("-", MINUS);
}

/**
 * What lies half-way goes to the even digit, as in Python; `toFixed` rounds it up. Only odd multiples of
 * 2^-(digits + 1) do.
 *
 * @param {number} size
 * @param {number} digits
 */
function fixed(size, digits) {
  const text = size.toFixed(digits);
  const isHalfWay = (size * 2 ** (digits + 1)) % 2 === 1;
  if (!isHalfWay || Number(text.at(-1)) % 2 === 0) return text;
  return (Math.floor(size * 10 ** digits) / 10 ** digits).toFixed(digits);
}

/**
 * Seconds as a person says them, as `describe_seconds` does.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/**
 * The size of a file.
 *
 * @param {number} bytes
 */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
