// The explorer's "Report" button: what shall be in the file, how far it is, and where it was written.

import { segmented } from "../base/controls.js";
import { h, OWN_KEYS } from "../base/dom.js";
import { megabytes } from "../base/format.js";
import { beside } from "../base/help.js";
import { measured } from "../base/status_line.js";

/**
 * What the kernel says of a report.
 *
 * @typedef {{ state: "working" | "done" | "cancelled" | "error", fraction?: number | null, seconds?: number | null,
 *   path?: string, bytes?: number, words?: string }} Told
 */

/** @type {[key: string, words: string][]} */
const PAIRS = [
  ["current", "this pair"],
  ["nearest", "nearest pairs"],
  ["all", "all pairs"],
];
const ABOUT = {
  current: "The smallest file, in seconds: the patches of the pair on screen.",
  nearest: "Patches of each image with its nearest ones, up to 10 MB.",
  all: "Patches of every pair: large, and long to write, for many images.",
};

/**
 * @param {import("../base/model.js").Model} model
 * @param {() => boolean} isPrivate whether pictures and names must stay out
 */
export function reportPanel(model, isPrivate) {
  /** @type {keyof typeof ABOUT} */
  let pairs = "nearest";
  const about = h("p", { class: "srsm-note" });
  const choice = segmented("patches of", PAIRS, pairs, (key) => {
    pairs = /** @type {keyof typeof ABOUT} */ (key);
    about.textContent = ABOUT[pairs];
  });
  about.textContent = ABOUT[pairs];
  const images = h("input", { type: "checkbox" });
  images.checked = true;
  const privacy = h("span", {}, "with pictures and names");
  const write = h(
    "button",
    {
      class: "srsm-button srsm-primary",
      type: "button",
      onclick: () => model.send({ kind: "report", pairs, images: images.checked && !isPrivate() }),
    },
    "Write the file",
  );
  const cancel = h(
    "button",
    { class: "srsm-button", type: "button", onclick: () => model.send({ kind: "cancel report" }) },
    "Cancel",
  );
  const share = h("span");
  const bar = h("span", { class: "srsm-progress", "aria-hidden": "true" }, share);
  const line = h("span", { class: "srsm-report-line", role: "status", "aria-live": "polite" });
  const panel = h(
    "div",
    {
      class: "srsm-help-panel srsm-report-panel",
      popover: "auto",
      role: "dialog",
      "aria-label": "report",
      ...OWN_KEYS,
    },
    h(
      "div",
      { class: "srsm-help-head" },
      h("strong", {}, "Report"),
      h(
        "button",
        {
          class: "srsm-button srsm-help-close",
          type: "button",
          "aria-label": "close",
          onclick: () => panel.hidePopover(),
        },
        "×",
      ),
    ),
    h("p", { class: "srsm-note" }, "What you see here as one HTML file: to click through without Python or a network."),
    h("div", { class: "srsm-field" }, h("span", { class: "srsm-label" }, "patches of"), choice.root),
    about,
    h("label", { class: "srsm-field" }, images, privacy),
    h("div", { class: "srsm-report-foot" }, write, cancel, bar, line),
  );
  const button = h(
    "button",
    {
      class: "srsm-button srsm-report-button",
      type: "button",
      "aria-haspopup": "dialog",
      title: "Write what is shown into one HTML file",
      onclick: () => panel.togglePopover(),
    },
    "Report",
  );
  panel.addEventListener("toggle", () => {
    if (!panel.matches(":popover-open")) return;
    if (isPrivate()) images.checked = false;
    images.disabled = isPrivate();
    privacy.textContent = isPrivate() ? "without pictures and names: they are private here" : "with pictures and names";
    beside(panel, button);
  });

  /** @type {Told | null} */
  let told = null;
  let ends = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let clock;
  const update = () => {
    const working = told?.state === "working";
    root.dataset.state = told?.state ?? "";
    write.disabled = working;
    cancel.hidden = bar.hidden = !working;
    bar.dataset.unknown = String((told?.fraction ?? null) === null);
    share.style.width = `${100 * (told?.fraction ?? 0.3)}%`;
    const left = told?.seconds ? ends - performance.now() : null;
    // closed, the button goes on saying how far it is
    button.textContent = working ? `Report ${Math.round(100 * (told?.fraction ?? 0))} %` : "Report";
    line.setAttribute("role", told?.state === "error" ? "alert" : "status");
    line.textContent = !told
      ? ""
      : {
          working: () => measured("Writing:", told?.fraction ?? 0, left),
          done: () => `${told?.path} · ${megabytes(told?.bytes ?? 0)}`,
          cancelled: () => "Cancelled. Nothing was written.",
          error: () => told?.words ?? "",
        }[told.state]();
  };
  const root = h("span", { class: "srsm-report" }, button, panel);
  update();
  return {
    root,
    /** @param {Told} message */
    tell(message) {
      told = message;
      ends = performance.now() + 1000 * (message.seconds ?? 0);
      clearInterval(clock);
      if (message.state === "working" && message.seconds) clock = setInterval(update, 1000);
      update();
    },
    stop() {
      clearInterval(clock);
    },
  };
}
