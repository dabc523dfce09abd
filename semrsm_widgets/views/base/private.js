// Views of pictures that must not be saved.

import { withEnd } from "./ending.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("@anywidget/types").AnyWidget<any>} Widget */

// How long a view waits for the names of private pictures before it is drawn without them: a kernel that runs a cell
// sends none until the cell has ended.
const NAMES_PATIENCE_MS = 1000;

/**
 * A view of pictures that must not be saved. What a model holds, the notebook may keep; so its names come as a message
 * and lie over the model: the view reads them there as if they were part of it.
 *
 * @param {any} view an object with `render` and perhaps `initialize`
 * @returns {any}
 */
export function withPrivate(view) {
  /** @type {Map<string, any>} trait -> what stands in its place */
  const over = new Map();
  /** @type {Map<string, Set<() => void>>} "change:<trait>" -> callbacks */
  const watchers = new Map();
  let known = false;
  let arrived = () => {};
  const names = new Promise((/** @type {(nothing?: any) => void} */ resolve) => {
    arrived = () => {
      known = true;
      resolve();
    };
  });
  /** @param {Model} model */
  const wrap = (model) => {
    /** @type {Record<PropertyKey, any>} */
    const own = {
      /** @param {string} name */
      get: (name) => (over.has(name) ? over.get(name) : model.get(name)),
      /** @type {(event: string, callback: () => void) => void} */
      on(event, callback) {
        model.on(event, callback);
        const known = watchers.get(event) ?? new Set();
        watchers.set(event, known.add(callback));
      },
      /** @type {(event: string, callback: () => void) => void} */
      off(event, callback) {
        model.off(event, callback);
        watchers.get(event)?.delete(callback);
      },
    };
    return new Proxy(model, {
      get(target, key) {
        if (Object.hasOwn(own, key)) return own[key];
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  return withEnd({
    ...view,
    /** @param {{ model: Model }} given */
    initialize({ model, ...rest }) {
      model.on("msg:custom", (content) => {
        if (content.kind !== "private" && content.kind !== "public") return;
        const changed = content.kind === "public" ? [...over.keys()] : Object.keys(content.state);
        if (content.kind === "public") over.clear();
        else for (const name of changed) over.set(name, content.state[name]);
        if (content.all) arrived();
        for (const name of changed) for (const callback of watchers.get(`change:${name}`) ?? []) callback();
      });
      return view.initialize?.({ model: wrap(model), ...rest });
    },
    /** @param {{ model: Model, el: HTMLElement }} given */
    async render({ model, el, ...rest }) {
      const draw = () => view.render({ model: wrap(model), el, ...rest });
      if (!model.get("_private")) return draw();
      await Promise.race([names, new Promise((go) => setTimeout(go, NAMES_PATIENCE_MS))]);
      let drawn = Promise.resolve(draw());
      let ended = false;
      if (!known) {
        // late, but still better than "image 1"
        names.then(async () => {
          (await drawn)?.();
          el.replaceChildren();
          if (!ended) drawn = Promise.resolve(draw());
        });
      }
      return async () => {
        ended = true;
        (await drawn)?.();
      };
    },
  });
}
