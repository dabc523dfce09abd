// A widget whose newest messages are all that its views need.

import { withPrivate } from "./private.js";
import { jpegUrl, onMessages } from "./wire.js";

/** @typedef {import("./model.js").Model} Model */

/**
 * What is kept of a message, from it and from what was kept of the one before.
 *
 * @typedef {(message: any, before: any) => any} Reader
 */

/** @typedef {{ stop: () => void, [kind: string]: (kept: any) => void }} View a method for each kind of message */

/**
 * A widget that keeps what the newest message of each kind says, shows it in every view that is open, and in one that is
 * opened later.
 *
 * @param {Record<string, Reader>} readers kind -> reader, in the order in which a new view is shown what is there
 * @param {(model: Model, el: HTMLElement) => View} open
 * @returns {any}
 */
export function messageWidget(readers, open) {
  const kinds = Object.keys(readers);
  /** @type {Set<View>} */
  const views = new Set();
  /** @type {Map<string, any>} */
  const kept = new Map();
  /** @param {string} kind */
  const receive = (kind) => (/** @type {any} */ message) => {
    kept.set(kind, readers[kind](message, kept.get(kind)));
    for (const view of views) view[kind](kept.get(kind));
  };
  return withPrivate({
    /** @param {{ model: Model }} given */
    initialize({ model }) {
      onMessages(model, Object.fromEntries(kinds.map((kind) => [kind, receive(kind)])));
      model.send({ kind: "ready" });
      return () => {
        for (const each of kept.values()) for (const url of each?.urls ?? []) URL.revokeObjectURL(url);
        kept.clear();
      };
    },
    /** @param {{ model: Model, el: HTMLElement }} given */
    render({ model, el }) {
      const view = open(model, el);
      views.add(view);
      for (const kind of kinds) if (kept.has(kind)) view[kind](kept.get(kind));
      return () => {
        views.delete(view);
        view.stop();
      };
    },
  });
}

/**
 * Reads a message with the addresses of its pictures in `urls`; those of the message before are not needed any more.
 *
 * @type {Reader}
 */
export function withUrls({ pictures, ...message }, before) {
  for (const url of before?.urls ?? []) URL.revokeObjectURL(url);
  return { ...message, urls: pictures.map(jpegUrl) };
}

/**
 * Reads a message as it is.
 *
 * @type {Reader}
 */
export const asItIs = (message) => message;
