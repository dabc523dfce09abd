// What a view does with its widget's model.

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

/**
 * Listeners that live as long as one view on the page.
 *
 * @param {Model} model
 */
export function listeners(model) {
  /** @type {(() => void)[]} */
  const undo = [];
  return {
    /**
     * @param {string} event
     * @param {(...values: any[]) => void} callback
     */
    on(event, callback) {
      model.on(event, callback);
      undo.push(() => model.off(event, callback));
    },
    /** @param {() => void} stop what else is to be done at the end */
    add(stop) {
      undo.push(stop);
    },
    stop() {
      for (const each of undo) each();
    },
  };
}

/**
 * A function that sets a trait here and in the kernel.
 *
 * @param {Model} model
 * @returns {(name: string, value: any) => void}
 */
export function setter(model) {
  return (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
}
