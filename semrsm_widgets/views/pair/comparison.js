// Why B and not C: which image is expected, and in two sentences what speaks for either.

import { h } from "../base/dom.js";
import { whySentences } from "./words.js";

/**
 * @param {object} given
 * @param {boolean} given.offered whether an image can be chosen here
 * @param {(image: number) => void} given.expect -1: none
 */
export function pairComparison({ offered, expect }) {
  const stop = h(
    "button",
    {
      class: "srsm-button srsm-step",
      type: "button",
      "aria-label": "stop comparing",
      title: "stop comparing",
      onclick: () => expect(-1),
    },
    "×",
  );
  const choice = h("select", { class: "srsm-choose srsm-compare", "aria-label": "compare with another image" });
  choice.addEventListener("change", () => expect(Number(choice.value)));
  const words = h("p", { class: "srsm-why", hidden: true, "aria-live": "polite" });
  let count = 0;
  return {
    stop,
    choice,
    words,
    /** @param {{ id: string }[]} images */
    offer(images) {
      count = images.length;
      choice.replaceChildren(
        h("option", { value: -1 }, "compare with …"),
        ...images.map((image, k) => h("option", { value: k }, image.id)),
      );
    },
    /** @param {number} image the one that is expected, -1 for none */
    choose(image) {
      choice.value = String(image);
    },
    /**
     * @param {import("./reading.js").Said} said
     * @param {string} caption of the similarity that is explained
     */
    show(said, caption) {
      choice.hidden = said.comparing || count < 2 || !offered;
      words.hidden = !said.comparing;
      if (!said.comparing) return;
      const [head, rest] = said.whole ? whySentences(said, caption) : ["Comparing …", ""];
      words.replaceChildren(h("strong", {}, head), ` ${rest}`);
    },
  };
}
