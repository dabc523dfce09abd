// The explorer's header: title, status with its buttons, what was reduced; the images while the model is loading.

import { badgeOf, segmented } from "../base/controls.js";
import { h, PAIR_OPENED } from "../base/dom.js";
import { helpButton } from "../base/help.js";
import { listeners, setter } from "../base/model.js";
import { withPrivate } from "../base/private.js";
import { keep, kept } from "../base/remembered.js";
import { statusLine } from "../base/status_line.js";
import { jpegUrl, onMessages } from "../base/wire.js";
import { reportPanel } from "./report_panel.js";
import { explorerTour } from "./tour.js";

/** @typedef {import("../base/model.js").Model} Model */

const ONE_SCREEN = "one screen";
const ROOM = 860; // pixels from which it has room, as the style sheet has it; below, it is "tabs"
const CHOICE = "arrangement"; // under which the browser keeps it

export default () => {
  /** @type {string[]} URLs of the images that the model looks at */
  let film = [];
  /** @type {import("./report_panel.js").Told | null} what the kernel said last of a report */
  let reported = null;
  /** @type {Set<(told: import("./report_panel.js").Told) => void>} */
  const panels = new Set();
  /** @type {Set<(urls: string[]) => void>} */
  const views = new Set();
  /** @param {string[]} urls */
  const show = (urls) => {
    for (const view of views) view(urls);
    for (const url of film) URL.revokeObjectURL(url);
    film = urls;
  };
  return withPrivate({
    /** @param {{ model: Model }} given */
    initialize({ model }) {
      onMessages(model, {
        film({ film: pictures }) {
          if (model.get("loading")) show(pictures.map(jpegUrl));
        },
        report(told) {
          reported = told;
          for (const tell of panels) tell(told);
        },
      });
      model.on("change:loading", () => {
        if (!model.get("loading")) show([]);
      }); // never seen again
      model.send({ kind: "ready" });
      return () => show([]);
    },
    /** @param {{ model: Model, el: HTMLElement }} given */
    render({ model, el }) {
      const events = listeners(model);
      const title = h("span", { class: "srsm-title" });
      const status = statusLine(model);
      const notices = h("div", { class: "srsm-notice" });
      const pictures = h("div", { class: "srsm-film", "aria-hidden": "true" });
      const set = setter(model);
      /** @type {(trait: string, words: string, options: string) => ReturnType<typeof segmented>} */
      const choice = (trait, words, options) =>
        segmented(
          words,
          model.get(options).map((/** @type {string} */ name) => [name, name]),
          model.get(trait),
          (name) => set(trait, name),
        );
      const arrangement = choice("arrangement", "how the views stand", "_arrangements");
      arrangement.root.addEventListener("change", () => keep(CHOICE, model.get("arrangement")));
      const remembered = kept(CHOICE);
      if (model.get("recalls") && model.get("_arrangements").includes(remembered)) set("arrangement", remembered);
      let hasRoom = true;
      const part = choice("part", "which view is shown", "_parts");
      const tour = explorerTour(() => el.closest(".srsm-composed") ?? document.body);
      const help = helpButton({ words: "Take the tour", start: tour.start });
      const report = reportPanel(model, () => model.get("_private"));
      const tools = h("span", { class: "srsm-tools" }, tour.root, report.root, help);
      const root = h(
        "div",
        { class: "srsm srsm-explorer" },
        h("div", { class: "srsm-head" }, title, status.root, arrangement.root, tools),
        part.root,
        notices,
        pictures,
      );
      el.append(root);

      const update = () => {
        const [name, size] = model.get("title");
        const badge = badgeOf(model.get("badge"));
        const parts = [name, " ", ...(badge ? [badge, " "] : []), size ? h("small", {}, `· ${size}`) : ""];
        title.replaceChildren(...(name ? parts : ["semantic RSMs"]));
        notices.replaceChildren(...model.get("notices").map((/** @type {string} */ text) => h("div", {}, text)));
        pictures.hidden = !model.get("loading");
        arrangement.root.hidden = model.get("loading");
        tour.root.hidden = model.get("loading");
        report.root.hidden = !model.get("can_report");
        const stands = !hasRoom && model.get("arrangement") === ONE_SCREEN ? "tabs" : model.get("arrangement");
        arrangement.offer(ONE_SCREEN, hasRoom);
        arrangement.set(stands);
        part.root.hidden = model.get("loading") || stands !== "tabs";
        part.set(model.get("part"));
        root.dataset.loading = String(model.get("loading"));
        root.dataset.state = model.get("_status")?.state ?? "";
      };
      const width = new ResizeObserver(([{ contentRect }]) => {
        if (!contentRect.width || hasRoom === contentRect.width >= ROOM) return; // none while it is hidden
        hasRoom = !hasRoom;
        requestAnimationFrame(update); // it changes its height, which must not be while heights are measured
      });
      width.observe(root);
      const whole = el.closest(".srsm-composed") ?? el;
      /** @param {Event} event */
      const onPair = (event) => {
        event.stopPropagation(); // an explorer below is another one's part
        if (!part.root.hidden) set("part", "pair");
      };
      whole.addEventListener(PAIR_OPENED, onPair);
      for (const name of ["title", "badge", "arrangement", "part", "notices", "loading", "can_report", "_status"])
        events.on(`change:${name}`, update);
      /** @param {string[]} urls */
      const project = (urls) => pictures.replaceChildren(...urls.map((src) => h("img", { src, alt: "" })));
      views.add(project);
      project(film);
      panels.add(report.tell);
      if (reported) report.tell(reported);
      update();
      return () => {
        width.disconnect();
        whole.removeEventListener(PAIR_OPENED, onPair);
        views.delete(project);
        panels.delete(report.tell);
        report.stop();
        events.stop();
        status.stop();
        tour.stop();
      };
    },
  });
};
