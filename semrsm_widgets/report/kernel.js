// What stands in for Jupyter behind the views of a page: models of their own, and recorded answers in place of a kernel.

import { cellOf, tokenOf } from "../views/base/grid_pointer.js";
import { same } from "../views/base/page_model.js";
import { openPack } from "./recorded.js";

/** @typedef {import("./recorded.js").Message} Message */
/** @typedef {import("./recorded.js").Scope} Scope */

/**
 * A view of the page.
 *
 * @typedef {object} Part
 * @property {string} module which view it is
 * @property {Record<string, any>} traits
 * @property {string[]} keys the traits on which its messages depend
 * @property {string[]} alone traits that it does not share
 * @property {{ layer: string | null, id: string }[]} packs
 * @property {boolean} guarded whether the file holds some pairs only
 * @property {{ given: string[], gives: string[], values: Record<string, any[]> }[]} effects what Python sets when a trait
 *   is set
 */

const LINKED = ["layer", "kernel", "pair", "query"];

/**
 * Plays what was recorded for the state a view is in: at its "ready", and when one of its traits changes.
 *
 * @param {import("../views/base/page_model.js").Model} model
 * @param {Part} part
 */
export function answerFor(model, part) {
  const state = () => Object.fromEntries(part.keys.map((key) => [key, model.get(key)]));
  /** @type {(scope: Scope, values: Scope) => boolean} */
  const fits = (scope, values) => Object.entries(scope).every(([key, value]) => same(value, values[key]));
  /** @param {Scope} values */
  const messagesOf = async ({ layer }) => {
    const those = part.packs.filter((pack) => pack.layer === null || pack.layer === layer);
    return (await Promise.all(those.map((pack) => openPack(pack.id)))).flat();
  };
  /** @param {Message[]} messages */
  const deliver = (messages) => {
    for (const { content, buffers } of messages) model.emit("msg:custom", content, buffers());
  };

  /** @type {Set<string>} */
  let changed = new Set(); // names of traits; "ready": everything is wanted
  let queued = false;
  let latest = 0;
  async function play() {
    latest += 1;
    const ticket = latest;
    const now = state();
    const messages = await messagesOf(now);
    if (ticket !== latest) return; // a later change plays for both
    const names = changed;
    changed = new Set();
    /** @param {Scope} scope */
    const wanted = (scope) => names.has("ready") || Object.keys(scope).some((key) => names.has(key));
    deliver(messages.filter(({ scope }) => fits(scope, now) && wanted(scope)));
  }
  /** @param {string} name */
  const refresh = (name) => {
    changed.add(name);
    if (queued) return;
    queued = true;
    queueMicrotask(() => {
      queued = false;
      play();
    });
  };
  for (const key of part.keys) model.on(`change:${key}`, () => refresh(key));

  model.answer = async (content) => {
    if (content.kind === "ping") model.emit("msg:custom", { kind: "pong" }, []);
    else if (content.kind === "ready") refresh("ready");
    else if (part.keys.some((key) => key in content)) {
      // asked for something of another state, or once more
      const values = { ...state(), ...content };
      deliver((await messagesOf(values)).filter(({ scope }) => Object.keys(scope).length && fits(scope, values)));
    }
  };
  for (const { given, gives, values } of part.effects) {
    model.on(`change:${given[0]}`, () => {
      const answer = values[JSON.stringify(given.map((name) => model.get(name)))];
      answer?.forEach((value, k) => model.set(gives[k], value));
    });
  }
}

/**
 * A view's own Python keeps a pinned patch at its place where the next layer has another grid.
 *
 * @param {import("../views/base/page_model.js").Model} model
 */
export function keepPin(model) {
  /** @type {(layer: string) => import("../views/base/grid_pointer.js").Grid | null | undefined} */
  const gridOf = (layer) => {
    /** @type {import("../views/base/layer_slider.js").Layer[]} */
    const layers = model.get("_layers");
    return layers.find((row) => row.name === layer)?.grid;
  };
  let from = gridOf(model.get("layer"));
  model.on("change:layer", () => {
    const to = gridOf(model.get("layer"));
    /** @type {number} */
    const token = model.get("token");
    if (token >= 0) model.set("token", from && to ? movedToken(token, from, to) : -1);
    from = to;
  });
}

/**
 * The token at the same place of another grid.
 *
 * @param {number} token
 * @param {import("../views/base/grid_pointer.js").Grid} from
 * @param {import("../views/base/grid_pointer.js").Grid} to
 */
export function movedToken(token, from, to) {
  const [row, column] = cellOf(token, from).map((k, axis) => Math.floor(((k + 0.5) * to[axis]) / from[axis]));
  return tokenOf([row, column], to);
}

/**
 * Joins the traits that views share.
 *
 * @param {import("../views/base/page_model.js").Model[]} models
 * @param {Part[]} parts
 */
export function link(models, parts) {
  for (const name of LINKED) {
    const those = models.filter((model, k) => name in model.traits && !parts[k].alone.includes(name));
    for (const model of those) {
      model.on(`change:${name}`, () => {
        for (const other of those) other.set(name, model.get(name));
      });
    }
  }
}
