// The status line of a view, and whether the kernel behind it still answers.

import { h } from "./dom.js";
import { duration } from "./format.js";
import { listeners } from "./model.js";

/** @typedef {import("./model.js").Model} Model */

// A kernel that stays silent so long after it was asked is busy with a cell, or gone: the view says so.
const SILENCE_MS = 5000;
const SILENCE =
  "The kernel has not answered for 5 s: it is busy with a cell, or gone (then run the cell again). " +
  "Where no widget ever gets an answer, explore(..., live=False) shows a page that needs no kernel.";

/**
 * Asks the kernel for a sign of life; `tell(true)` when none comes, `tell(false)` when it is heard again.
 *
 * Only the answer to the question settles it: what else comes may have been under way before the kernel fell silent, so
 * the wait begins anew.
 *
 * @param {Model} model
 * @param {(isSilent: boolean) => void} tell
 */
function kernelWatch(model, tell) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let silent = false;
  let isAsked = false; // and not answered yet
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined; // the next thing that the user does asks again
      silent = true;
      tell(true);
    }, SILENCE_MS);
  };
  const heard = () => {
    if (isAsked) wait();
    if (!silent) return;
    silent = false;
    tell(false);
  };
  const events = listeners(model);
  events.on("msg:custom", (content) => {
    if (content?.kind === "pong") {
      isAsked = false;
      clearTimeout(timer);
      timer = undefined;
    }
    heard();
  });
  events.on("change:_status", heard); // only the kernel sets it
  return {
    ask() {
      if (timer !== undefined) return;
      isAsked = true;
      wait();
      try {
        model.send({ kind: "ping" });
      } catch {
        // a dead kernel takes no message: the timer will tell
      }
    },
    stop() {
      clearTimeout(timer);
      events.stop();
    },
  };
}

/**
 * What is being done and how long it still takes; how far it is, while that is not known.
 *
 * @param {string} words
 * @param {number} fraction from 0 to 1
 * @param {number | null} left milliseconds
 */
export function measured(words, fraction, left) {
  const rest = left === null ? `${Math.round(100 * fraction)} %` : `about ${duration(Math.max(1, left / 1000))} left`;
  return words.endsWith(":") ? `${words} ${rest}` : `${words}, ${rest}`;
}

/**
 * The status line: what is being done, how far it is, how to stop it, what waits to be started, and whether the kernel
 * still answers. Errors are announced to screen readers.
 *
 * @param {Model} model
 */
export function statusLine(model) {
  const text = h("span", { class: "srsm-status-text" });
  const share = h("span");
  const bar = h("span", { class: "srsm-progress", "aria-hidden": "true" }, share);
  /** @type {(words: string, kind: string, look?: string) => HTMLButtonElement} */
  const button = (words, kind, look = "") => {
    const onclick = () => model.send({ kind });
    return h("button", { class: `srsm-button ${look}`, type: "button", onclick }, words);
  };
  /** @type {Record<string, HTMLButtonElement>} state -> the button that stands in the line then */
  const buttons = {
    working: button("Cancel", "cancel"),
    cancelled: button("Resume", "resume"),
    waiting: button("Start", "start", "srsm-primary"),
  };
  const line = { class: "srsm-status", role: "status", "aria-live": "polite" };
  const root = h("div", line, bar, text, ...Object.values(buttons));
  let silent = false;
  /** @type {number | null} */
  let ends = null; // when it will be done, as far as is known
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let clock;
  /** @type {() => { state?: string, text?: string, fraction?: number | null, seconds?: number | null }} */
  const status = () => (silent ? { state: "silent", text: SILENCE } : (model.get("_status") ?? {}));
  const update = () => {
    const { state = "working", text: words = "", fraction = null } = status();
    const isMeasured = state === "working" && fraction !== null;
    root.dataset.state = state;
    root.dataset.blank = String(!words && state !== "working");
    root.setAttribute("role", state === "error" || state === "silent" ? "alert" : "status");
    text.textContent = isMeasured ? measured(words, fraction, ends === null ? null : ends - performance.now()) : words;
    text.title = words;
    bar.style.visibility = state === "working" ? "visible" : "hidden";
    bar.dataset.unknown = String(fraction === null);
    share.style.width = `${100 * (fraction ?? 0.3)}%`;
    for (const [name, each] of Object.entries(buttons)) each.hidden = name !== state;
  };
  let hidden = root.hidden;
  const watch = kernelWatch(model, (isSilent) => {
    if (isSilent && !silent) hidden = root.hidden; // a view whose status stands elsewhere says this by itself
    silent = isSilent;
    root.hidden = isSilent ? false : hidden;
    update();
  });
  // The view has put the line in its place by then.
  queueMicrotask(() => {
    const view = root.closest(".srsm");
    for (const action of ["click", "change", "keydown"]) view?.addEventListener(action, watch.ask, true);
  });
  const told = () => {
    const { seconds = null } = status();
    ends = seconds === null ? null : performance.now() + 1000 * seconds;
    clearInterval(clock);
    if (ends !== null) clock = setInterval(update, 1000); // no number stands still
    update();
  };
  model.on("change:_status", told);
  told();
  watch.ask();
  return {
    root,
    /** @param {string} words an error of the page itself */
    fail(words) {
      root.hidden = false;
      root.dataset.state = "error";
      text.textContent = words;
    },
    stop() {
      clearInterval(clock);
      model.off("change:_status", told);
      watch.stop();
    },
  };
}
