// A view that is made of views: places for them, each under its title, and the view in each.

import { h } from "./dom.js";
import { withEnd } from "./ending.js";
import { listeners } from "./model.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {{ name: string, title: string, view: string | null }} Place a place, its title, and a reference to its view */

// What is opened and closed again stands below the places that are always there.
const FOOT = ["outside", "below"];

/**
 * @param {Place} place
 * @param {import("@anywidget/types").Host} host resolves a reference to a view
 * @param {() => void} onDrawn
 */
function filled({ name, view }, host, onDrawn) {
  const gone = new AbortController();
  const slot = h("div");
  const heading = h("div", { class: "srsm-place-title", hidden: true });
  const root = h("div", { class: `srsm-place-${name}` }, heading, slot);
  /** @param {string} reference */
  const show = async (reference) => {
    const found = await host.getWidget(reference);
    if (gone.signal.aborted) return;
    await found.render({ el: slot, signal: gone.signal });
    onDrawn();
  };
  if (view) {
    show(view).catch((error) => {
      if (!gone.signal.aborted) slot.textContent = `This part could not be drawn: ${error.message}`;
    });
  }
  return {
    root,
    isDrawn: () => slot.querySelector(".srsm") !== null,
    /** @param {string} words */
    setTitle(words) {
      heading.textContent = words;
      heading.hidden = !words;
    },
    stop() {
      gone.abort();
      root.remove();
    },
  };
}

export default () =>
  withEnd({
    /** @param {{ model: Model, el: HTMLElement, host: import("@anywidget/types").Host }} given */
    render({ model, el, host }) {
      const head = h("div");
      const body = h("div");
      const foot = h("div");
      el.append(h("div", { class: `srsm-composed ${model.get("_look")}` }, head, body, foot));
      /** @type {(name: string) => HTMLElement} */
      const parentOf = (name) => (name === "header" ? head : FOOT.includes(name) ? foot : body);
      /** @type {Map<string, ReturnType<typeof filled>>} place and view -> how it is drawn */
      let drawn = new Map();
      // The names of the places in which a view stands, for the style sheet.
      const nameDrawn = () => {
        const there = [...drawn].filter(([, place]) => place.isDrawn());
        body.dataset.drawn = there.map(([key]) => key.split(" ")[0]).join(" ");
      };
      // A view that is there already is not drawn again when another one comes.
      const update = () => {
        /** @type {Place[]} */
        const places = model.get("_places");
        const key = (/** @type {Place} */ { name, view }) => `${name} ${view}`;
        const kept = new Set(places.map(key));
        for (const [each, place] of drawn) if (!kept.has(each)) place.stop();
        drawn = new Map(places.map((place) => [key(place), drawn.get(key(place)) ?? filled(place, host, nameDrawn)]));
        /** @type {Map<HTMLElement, number>} */
        const filledNow = new Map([head, body, foot].map((parent) => [parent, 0]));
        for (const place of places) {
          const { root, setTitle } = /** @type {ReturnType<typeof filled>} */ (drawn.get(key(place)));
          const parent = parentOf(place.name);
          const k = filledNow.get(parent) ?? 0;
          filledNow.set(parent, k + 1);
          const there = parent.children[k] ?? null;
          if (there !== root) parent.insertBefore(root, there);
          setTitle(place.title);
        }
        nameDrawn();
      };
      const arrange = () => {
        body.className = `srsm-composed-body ${model.get("_arranged")}`;
      };
      const events = listeners(model);
      events.on("change:_places", update);
      events.on("change:_arranged", arrange);
      arrange();
      update();
      return () => {
        events.stop();
        for (const place of drawn.values()) place.stop();
      };
    },
  });
