// Elements. Text reaches the page through textContent only, so that a label or a file name with markup in it is shown
// as text.

/** @typedef {Node | string | null | undefined} Child */

/**
 * An element. Attributes that are null, undefined or false are left out, `true` has no value, and a function under a
 * name that begins with "on" listens to that event; children that are null or undefined are left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} attributes
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

/**
 * An element of a drawing.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(node, attributes);
  return node;
}

/**
 * @param {Element} node
 * @param {Record<string, string | number>} attributes
 */
export function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
}

/** Arrow keys are the notebook's in command mode (they fold headings): Lumino leaves them to elements marked so. */
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

/** What surrounds a view hears by this that a person has opened a pair of images. */
export const PAIR_OPENED = "srsm-pair-opened";

const IDLE_MS = 200;
const LATEST_MS = 2000;

/** @type {(work: () => void, options: { timeout: number }) => void} */
const idle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, IDLE_MS)); // Safari has none

/**
 * Does something once the page has nothing else to do, and after two seconds at the latest.
 *
 * @param {() => void} work
 */
export function whenIdle(work) {
  idle(work, { timeout: LATEST_MS });
}
