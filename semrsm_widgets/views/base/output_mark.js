// Jupyter's outputs that hold a view say so by classes. A rule with :has() would say it, too, but a browser asks each such
// rule anew whenever anything in an output changes, and then matches half of the view again: at every step of a slider.

const OUTPUT = ".jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output";

/** Class of an output that holds a view -> what it holds. */
const MARKS = { "srsm-output": ".srsm", "srsm-output-explorer": ".srsm-explorer-root" };

/**
 * Marks the outputs around a view once it stands on the page.
 *
 * @param {HTMLElement} el in which the view is drawn, perhaps before it is on the page
 * @returns {() => void} takes the marks away that nothing else in these outputs needs; to be called when `el` is empty
 */
export function markOutput(el) {
  /** @type {Set<Element>} */
  const outputs = new Set();
  const update = () => {
    for (let node = el.closest(OUTPUT); node; node = node.parentElement?.closest(OUTPUT) ?? null) outputs.add(node);
    for (const output of outputs) {
      for (const [mark, held] of Object.entries(MARKS)) {
        const holds = output.querySelector(held) !== null;
        if (holds !== output.classList.contains(mark)) output.classList.toggle(mark, holds);
      }
    }
  };
  const observer = new ResizeObserver(update); // it is told of an element that comes to the page, and of one that is filled
  observer.observe(el);
  return () => {
    observer.disconnect();
    update();
    outputs.clear(); // what ends a view may be kept, and these with it
  };
}
