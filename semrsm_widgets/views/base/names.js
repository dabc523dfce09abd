// Names where there is little room: shortened in the middle, as beginning and end tell names apart; never cut.

const LEAST = 3; // characters: fewer tell nothing
const WIDEST = 1.1; // of the font's size: a character where nothing can be measured
const graphemes = new Intl.Segmenter();
/** @type {CanvasRenderingContext2D | null | undefined} */
let pen;

/** @type {(text: string) => string[]} */
const characters = (text) => [...graphemes.segment(text)].map(({ segment }) => segment);

/**
 * A name of no more than so many characters, as people count them: an accent or a flag is not torn.
 *
 * @param {string} name
 * @param {number} most
 */
export function shortened(name, most) {
  const all = characters(name);
  if (all.length <= most) return name;
  const kept = most - 1;
  return `${all.slice(0, Math.ceil(kept / 2)).join("")}…${all.slice(all.length - Math.floor(kept / 2)).join("")}`;
}

/**
 * How many pixels a text takes.
 *
 * @param {string} text
 * @param {string} font as CSS writes it, its size in pixels first
 */
export function textWidth(text, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  if (!pen) return text.length * WIDEST * Number.parseFloat(font);
  pen.font = font;
  return pen.measureText(text).width;
}

/**
 * A name that fits into a width, shortened where it must be; empty where there is room for none.
 *
 * @param {string} name
 * @param {number} width
 * @param {string} font
 */
export function fitted(name, width, font) {
  if (textWidth(name, font) <= width) return name;
  let [low, high] = [LEAST - 1, characters(name).length]; // the first fits or is too short, the second does not fit
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (textWidth(shortened(name, middle), font) <= width) low = middle;
    else high = middle;
  }
  return low < LEAST ? "" : shortened(name, low);
}
