// Forward, back, jump and play.

import { h, OWN_KEYS } from "../base/dom.js";
import { listenToKeys } from "../base/grid_pointer.js";
import { fine } from "./words.js";

// Between two steps that play by themselves.
const BEAT_MS = 900;

/**
 * @param {object} given
 * @param {(step: number) => void} given.go to a step
 * @param {() => number} given.now
 * @param {() => number} given.last
 * @param {() => number} given.phases how many there are
 * @param {() => boolean} given.forward one step, or ask for a bid; false at the end, and where a bid is asked for
 * @param {(kind: string) => void} given.jump to the next step of a kind
 */
export function transport({ go, now, last, phases, forward, jump }) {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let playing;
  /** @type {HTMLElement | null} */
  let view = null;
  /** @type {(sign: string, label: string, onclick: () => void, look?: string) => HTMLButtonElement} */
  const button = (sign, label, onclick, look = "srsm-step") =>
    h(
      "button",
      {
        class: `srsm-button ${look}`,
        type: "button",
        "aria-label": look === "srsm-step" ? label : null,
        title: label,
        onclick,
      },
      sign,
    );
  const pause = () => {
    clearInterval(playing);
    playing = undefined;
    play.textContent = "▶ play";
    play.setAttribute("aria-pressed", "false");
  };
  const toggle = () => {
    if (playing !== undefined) {
      pause();
      return;
    }
    if (now() === last()) go(0);
    play.textContent = "❙❙ pause";
    play.setAttribute("aria-pressed", "true");
    playing = setInterval(() => {
      if (!forward() || now() === last()) pause();
    }, BEAT_MS);
  };
  /** @param {() => void} act */
  const byHand = (act) => () => {
    pause();
    act();
  };
  const first = button(
    "«",
    "to the start (Home)",
    byHand(() => go(0)),
  );
  const back = button(
    "‹",
    "one step back (left arrow)",
    byHand(() => go(Math.max(0, now() - 1))),
  );
  const on = button("›", "one step on (right arrow)", byHand(forward));
  const end = button(
    "»",
    "to the end (End)",
    byHand(() => go(last())),
  );
  const play = h(
    "button",
    {
      class: "srsm-button srsm-play",
      type: "button",
      "aria-pressed": "false",
      title: "play or pause (space)",
      onclick: toggle,
    },
    "▶ play",
  );
  const slider = h("input", {
    type: "range",
    class: "srsm-slider",
    min: 0,
    step: 1,
    "aria-label": "step",
    ...OWN_KEYS,
  });
  slider.addEventListener(
    "input",
    byHand(() => go(Number(slider.value))),
  );
  const words = h("output", { class: "srsm-layer srsm-where" });
  const eviction = button(
    "eviction",
    "to the next bid that takes a column from another row",
    byHand(() => jump("evict")),
    "",
  );
  const phase = button(
    "phase",
    "to where the next, smaller ε begins",
    byHand(() => jump("phase")),
    "",
  );
  const proof = button(
    "proof",
    "to the end of this phase, where every row holds a column",
    byHand(() => jump("prove")),
    "",
  );
  const root = h(
    "div",
    { class: "srsm-controls srsm-transport", role: "group", "aria-label": "steps" },
    h("span", { class: "srsm-field srsm-keys" }, first, back, on, end, play),
    h("span", { class: "srsm-field srsm-seek" }, slider, words),
  );
  const jumps = h(
    "span",
    { class: "srsm-field srsm-jumps" },
    h("span", { class: "srsm-label" }, "next"),
    eviction,
    phase,
    proof,
  );
  return {
    root,
    jumps,
    pause,
    /**
     * Keys of the view: those of what is written or chosen in stay there.
     *
     * @param {HTMLElement} node
     */
    listen(node) {
      view = node;
      listenToKeys(node, (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return false;
        const at = /** @type {HTMLElement} */ (event.target);
        if (at.matches("input:not([type=checkbox]), select, textarea, dl") || at.closest("[popover]")) return false;
        if (event.key === " " && at.matches("button, input, summary")) return false;
        /** @type {Record<string, () => void>} */
        const acts = {
          ArrowRight: forward,
          ArrowLeft: () => go(Math.max(0, now() - 1)),
          Home: () => go(0),
          End: () => go(last()),
        };
        if (event.key === " ") toggle();
        else if (Object.hasOwn(acts, event.key)) byHand(acts[event.key])();
        else return false;
        return true;
      });
    },
    /** @param {import("./trace.js").Step} step */
    show(step) {
      slider.max = String(last());
      slider.value = String(now());
      slider.setAttribute("aria-valuetext", `step ${now() + 1} of ${last() + 1}`);
      words.textContent = `step ${now() + 1} of ${last() + 1} · phase ${step.phase} of ${phases()} · ε\u00a0${fine(step.eps)}`;
      const ahead = [on, end, eviction, phase, proof];
      const underFingers = [first, back, ...ahead].find((each) => each.matches(":focus"));
      for (const each of [first, back]) each.disabled = now() === 0;
      for (const each of ahead) each.disabled = now() === last();
      // A button that is switched off keeps the keys to itself.
      if (underFingers?.disabled) view?.focus({ preventScroll: true });
      root.dataset.phase = String(step.phase);
    },
    stop: pause,
  };
}
