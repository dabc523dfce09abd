// A page for tests of what touches one: jsdom's document as the global one, and elements with a place on it.

import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!DOCTYPE html><body></body>", { pretendToBeVisual: true });
Object.assign(globalThis, {
  document: window.document,
  Node: window.Node,
  Element: window.Element,
  HTMLElement: window.HTMLElement,
  HTMLImageElement: window.HTMLImageElement,
  HTMLButtonElement: window.HTMLButtonElement,
  getComputedStyle: window.getComputedStyle.bind(window),
  ResizeObserver: class {
    observe() {}
    disconnect() {}
  },
});
// jsdom draws nothing, so neither of the two has anything to do.
window.HTMLElement.prototype.setPointerCapture = () => {};
window.HTMLCanvasElement.prototype.getContext = () => null;

/**
 * What Python says of what both sides know; tests/test_page_twins.py writes it.
 *
 * @returns {any}
 */
export function twins() {
  return JSON.parse(readFileSync(new URL("twins.json", import.meta.url), "utf8"));
}

/**
 * The buffers of a message, as a widget's model hands them over.
 *
 * @param {{ buffers: string[] }} message
 */
export function buffersOf({ buffers }) {
  return buffers.map((text) => viewOf(Buffer.from(text, "base64")));
}

/**
 * Bytes that start where no number could: views must not count on more.
 *
 * @param {Uint8Array} bytes
 */
export function viewOf(bytes) {
  const room = new Uint8Array(bytes.length + 3);
  room.set(bytes, 3);
  return new DataView(room.buffer, 3, bytes.length);
}

/**
 * Numbers with NaN where JSON has null.
 *
 * @param {(number | null)[]} values
 */
export const numbers = (values) => values.map((value) => value ?? NaN);

/**
 * Whether numbers are the same, up to the digits that a float32 has.
 *
 * @param {ArrayLike<number> | null} found
 * @param {(number | null)[] | null} wanted
 */
export function close(found, wanted) {
  if (found === null || wanted === null) return found === null && wanted === null;
  if (found.length !== wanted.length) return false;
  return numbers(wanted).every((value, k) =>
    Number.isNaN(value) ? Number.isNaN(found[k]) : Math.abs(value - found[k]) <= 1e-6 * Math.max(1, Math.abs(value)),
  );
}

/**
 * Gives an element a place on the page, which jsdom does not compute.
 *
 * @template {Element} Node
 * @param {Node} node
 * @param {{ left?: number, top?: number, width: number, height: number }} area
 */
export function placeAt(node, { left = 0, top = 0, width, height }) {
  const area = { left, top, width, height, right: left + width, bottom: top + height, x: left, y: top };
  node.getBoundingClientRect = () => ({ ...area, toJSON: () => area });
  return node;
}

/**
 * @param {Element} node
 * @param {string} type
 * @param {Record<string, unknown>} what
 */
function dispatch(node, type, what) {
  const event = new window.Event(type, { bubbles: true, cancelable: true });
  Object.assign(event, what);
  node.dispatchEvent(event);
  return event;
}

/**
 * Moves, presses or releases a pointer over an element.
 *
 * @param {Element} node
 * @param {string} type
 * @param {number} clientX
 * @param {number} clientY
 * @param {Record<string, unknown>} more
 */
export function pointer(node, type, clientX, clientY, more = {}) {
  return dispatch(node, type, { clientX, clientY, button: 0, pointerId: 1, ...more });
}

/**
 * Presses a key on an element; returns whether the element took it for itself.
 *
 * @param {Element} node
 * @param {string} name
 * @param {Record<string, unknown>} more
 */
export function key(node, name, more = {}) {
  let reached = false;
  const hear = () => {
    reached = true;
  };
  document.addEventListener("keydown", hear, { once: true });
  document.body.append(node.isConnected ? "" : node);
  const event = new window.KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more });
  node.dispatchEvent(event);
  document.removeEventListener("keydown", hear);
  return event.defaultPrevented && !reached;
}

/** A widget's model: traits, listeners, and what was sent. */
export class FakeModel {
  /** @param {Record<string, any>} traits */
  constructor(traits = {}) {
    this.traits = traits;
    /** @type {any[]} */
    this.sent = [];
    /** @type {Map<string, Set<(...values: any[]) => void>>} */
    this.heard = new Map();
  }
  /** @param {string} name */
  get(name) {
    return this.traits[name];
  }
  /**
   * @param {string} name
   * @param {any} value
   */
  set(name, value) {
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }
  save_changes() {
    this.sent.push({ kind: "saved" });
  }
  /** @type {(event: string, callback: (...values: any[]) => void) => void} */
  on(event, callback) {
    this.heard.set(event, (this.heard.get(event) ?? new Set()).add(callback));
  }
  /** @type {(event: string, callback: (...values: any[]) => void) => void} */
  off(event, callback) {
    this.heard.get(event)?.delete(callback);
  }
  /** @type {(event: string, ...values: any[]) => void} */
  emit(event, ...values) {
    for (const callback of [...(this.heard.get(event) ?? [])]) callback(...values);
  }
  /** @param {any} content */
  send(content) {
    this.sent.push(content);
  }
  /** How many listen to anything. */
  get listeners() {
    return [...this.heard.values()].reduce((sum, callbacks) => sum + callbacks.size, 0);
  }
}

/**
 * The model as a view's types want it.
 *
 * @param {FakeModel} model
 * @returns {any}
 */
export const asModel = (model) => model;
