// What stands in for Jupyter's widget model on a page that has no kernel.

/** @type {(a: any, b: any) => boolean} */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** What a view needs of a widget's model. */
export class Model {
  /** @param {Record<string, any>} traits */
  constructor(traits) {
    this.traits = traits;
    /** @type {Map<string, ((...values: any[]) => void)[]>} */
    this.listeners = new Map();
    /** @type {(content: any) => void} */
    this.answer = () => {};
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
    if (same(this.traits[name], value)) return;
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }
  save_changes() {}
  /**
   * @param {string} event
   * @param {(...values: any[]) => void} callback
   */
  on(event, callback) {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), callback]);
  }
  /**
   * @param {string} event
   * @param {(...values: any[]) => void} callback
   */
  off(event, callback) {
    const left = (this.listeners.get(event) ?? []).filter((each) => each !== callback);
    this.listeners.set(event, left);
  }
  /**
   * @param {string} event
   * @param {...any} values
   */
  emit(event, ...values) {
    for (const callback of this.listeners.get(event) ?? []) callback(...values);
  }
  /** @param {any} content */
  send(content) {
    queueMicrotask(() => this.answer(content));
  }
}
