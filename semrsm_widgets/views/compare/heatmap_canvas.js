// A small heatmap on a canvas: N x N colour indices, an outline for the cell that is read and one for the chosen pair.
// Pointed at by mouse, by touch or by the arrow keys.

function heatmapCanvas(name, size) {
  const canvas = h("canvas", { width: size, height: size, class: "srsm-pixels" });
  const veil = h("div", { class: "srsm-veil" });
  const cursor = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const chosen = h("div", { class: "srsm-cell srsm-chosen", hidden: true });
  const surface = h("div", { class: "srsm-surface", tabindex: 0, role: "img", ...OWN_KEYS }, canvas, veil, chosen, cursor);
  const title = h("strong");
  const words = h("span");
  const low = h("span", { class: "srsm-number" });
  const high = h("span", { class: "srsm-number" });
  const strip = h("div", { class: "srsm-strip" });
  const root = h("figure", { class: "srsm-heatmap", "data-map": name },
    h("figcaption", {}, title, words), surface, h("div", { class: "srsm-heatmap-bar" }, low, strip, high));

  const place = (node, where) => {
    node.hidden = where === null;
    if (where === null) return;
    const [row, column] = where;
    Object.assign(node.style, {
      left: `${(100 * column) / size}%`, top: `${(100 * row) / size}%`, width: `${100 / size}%`, height: `${100 / size}%`,
    });
  };

  return {
    root,
    caption(strong, rest) { title.textContent = strong; words.textContent = rest; root.querySelector("figcaption").title = strong + rest; },
    // colours: (N * N) indices into a palette of "#rrggbb"; an index past its end is left transparent.
    draw(colours, palette, ends) {
      veil.textContent = colours ? "" : "not defined";
      canvas.hidden = !colours;
      low.textContent = ends[0];
      high.textContent = ends[1];
      strip.style.backgroundImage = `linear-gradient(to right, ${palette.join(",")})`;
      if (!colours) return;
      const table = new Uint32Array(256);
      palette.forEach((colour, k) => {
        const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
        table[k] = (255 << 24) | (blue << 16) | (green << 8) | red; // RGBA in memory on every machine that runs browsers
      });
      const pixels = new Uint32Array(size * size);
      for (let k = 0; k < pixels.length; k += 1) pixels[k] = table[colours[k]];
      canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), size, size), 0, 0);
    },
    cursor: (where) => place(cursor, where),
    chosen: (where) => place(chosen, where),
    describe(text) { surface.setAttribute("aria-label", text); },
    // point(where or null), choose(where), current(): the cell from which the arrow keys start.
    listen({ point, choose, current }) {
      const cellAt = (event) => {
        const box = surface.getBoundingClientRect();
        const along = (position, start, length) => Math.min(size - 1, Math.max(0, Math.floor(((position - start) / length) * size)));
        return [along(event.clientY, box.top, box.height), along(event.clientX, box.left, box.width)];
      };
      let last = "";
      surface.addEventListener("pointermove", (event) => {
        const where = cellAt(event);
        if (String(where) !== last) { last = String(where); point(where); }
      });
      surface.addEventListener("pointerleave", () => { last = ""; point(null); });
      surface.addEventListener("blur", () => point(null));
      // What was pressed is chosen: taking the focus may move the page before the button is released.
      let pressed = null;
      surface.addEventListener("pointerdown", (event) => { pressed = cellAt(event); });
      surface.addEventListener("click", (event) => { choose(pressed ?? cellAt(event)); pressed = null; });
      surface.addEventListener("keydown", (event) => {
        const step = ARROWS[event.key];
        if (step) point(current().map((k, axis) => Math.min(size - 1, Math.max(0, k + step[axis]))));
        else if (event.key === "Enter" || event.key === " ") choose(current());
        else if (event.key === "Escape") point(null);
        else return;
        event.preventDefault();
        event.stopPropagation(); // the notebook would take them for its own
      });
    },
  };
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
