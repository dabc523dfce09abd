// The end of a widget in the page. JupyterLab 4.6 keeps the model of a closed widget, and with it the element in which it
// stood, for as long as its kernel lives: so nothing heavy may stay in either.

import { markOutput } from "./output_mark.js";

/** @typedef {import("./model.js").Model} Model */

// What of a closed model takes room: its script, its style and its rows of images.
const HEAVY = { _esm: "", _css: "", _images: [] };

/**
 * A widget whose element is emptied when it goes, and its model when the kernel has closed it.
 *
 * @param {any} widget an object with `render` and perhaps `initialize`, each of which may return what ends it
 * @returns {any}
 */
export function withEnd(widget) {
  return {
    ...widget,
    /** @param {{ model: Model }} given */
    initialize({ model, ...rest }) {
      // Not where a script is exchanged while the model lives; and after all who listen to the model have left it.
      model.on("destroy", () =>
        setTimeout(() => {
          for (const [name, nothing] of Object.entries(HEAVY)) if (model.get(name)) model.set(name, nothing);
        }),
      );
      return widget.initialize?.({ model, ...rest });
    },
    /** @param {{ model: Model, el: HTMLElement }} given */
    async render({ el, ...rest }) {
      const unmark = markOutput(el);
      const end = await widget.render({ el, ...rest });
      return async () => {
        await end?.();
        el.replaceChildren();
        unmark();
      };
    },
  };
}
