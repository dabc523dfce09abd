// One heatmap: its caption, thumbnails along both axes, and outlines for the cell that is read and the chosen pair.
// Outside, a cell is a pair of images; inside, it is a place: the row and column where they stand in the order shown.

const THUMBNAILS_ON_AXES = 40; // more would be specks
const DRAG_PIXELS = 6; // a shorter way of the pointer is a click

function heatmapPanel(name, caption, size) {
  const canvas = h("div", { class: "srsm-canvas" });
  const veil = h("div", { class: "srsm-veil" });
  const groups = svg("svg", { class: "srsm-groups", preserveAspectRatio: "none", "aria-hidden": "true" });
  const cursor = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const chosen = h("div", { class: "srsm-cell srsm-chosen", hidden: true });
  const box = h("div", { class: "srsm-box", hidden: true });
  const surface = h("div", { class: "srsm-surface", tabindex: 0, role: "img", ...OWN_KEYS }, canvas, groups, veil, chosen, cursor, box);
  const axes = ["top", "left"].map((side) => h("div", { class: `srsm-axis srsm-axis-${side}`, "aria-hidden": "true" }));
  const root = h("figure", { class: "srsm-map", "data-map": name }, h("figcaption", {}, ...caption), ...axes, surface);

  let order = [...Array(size).keys()];
  let placeOf = order;
  let borders = [];
  let area = { row: 0, column: 0, side: size };
  let cells = { cursor: null, chosen: null };
  let urls = [];
  let names = [];

  function outline(node, cell) {
    const [row, column] = cell === null ? [-1, -1] : [placeOf[cell[0]] - area.row, placeOf[cell[1]] - area.column];
    node.hidden = !(row >= 0 && column >= 0 && row < area.side && column < area.side);
    const part = 100 / area.side;
    Object.assign(node.style, { left: `${column * part}%`, top: `${row * part}%`, width: `${part}%`, height: `${part}%` });
  }
  function outlines() {
    outline(cursor, cells.cursor);
    outline(chosen, cells.chosen);
  }
  function strips() {
    const fits = urls.length > 0 && area.side <= THUMBNAILS_ON_AXES;
    root.toggleAttribute("data-thumbnails", fits);
    axes.forEach((axis, k) => {
      const first = k === 0 ? area.column : area.row;
      const shown = fits ? order.slice(first, first + area.side) : [];
      axis.replaceChildren(...shown.map((image) => h("img", { src: urls[image], alt: "", title: names[image] })));
    });
  }
  function lines() {
    groups.setAttribute("viewBox", `${area.column} ${area.row} ${area.side} ${area.side}`);
    groups.replaceChildren(...borders.flatMap((at) => [
      svg("line", { x1: 0, x2: size, y1: at, y2: at }), svg("line", { x1: at, x2: at, y1: 0, y2: size }),
    ]));
  }

  return {
    root, canvas, surface,
    cursor(cell) { cells.cursor = cell; outline(cursor, cell); },
    chosen(cell) { cells.chosen = cell; outline(chosen, cell); },
    missing(text) { veil.textContent = text; },
    describe(text) { surface.setAttribute("aria-label", text); },
    thumbnails(list, ids) { urls = list; names = ids; strips(); },
    arrange(next, inverse, between) { [order, placeOf, borders] = [next, inverse, between]; strips(); lines(); outlines(); },
    zoom(next) { area = next; strips(); lines(); outlines(); },
    listen({ point, choose, zoom, current }) {
      const fraction = (event) => {
        const frame = surface.getBoundingClientRect();
        return [(event.clientY - frame.top) / frame.height, (event.clientX - frame.left) / frame.width].map((part) => Math.min(1, Math.max(0, part)));
      };
      const placeAt = (event) => {
        const within = fraction(event).map((part) => Math.min(area.side - 1, Math.floor(part * area.side)));
        return [area.row + within[0], area.column + within[1]];
      };
      const cellAt = (event) => placeAt(event).map((place) => order[place]);
      let last = "";
      let pressed = null; // where the pointer went down
      let dragged = false;
      surface.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        pressed = { x: event.clientX, y: event.clientY, place: placeAt(event) };
        dragged = false;
      });
      surface.addEventListener("pointermove", (event) => {
        if (pressed && Math.max(Math.abs(event.clientX - pressed.x), Math.abs(event.clientY - pressed.y)) > DRAG_PIXELS) {
          if (!dragged) surface.setPointerCapture(event.pointerId);
          dragged = true;
          showBox(square(pressed.place, placeAt(event)));
        }
        const cell = cellAt(event);
        if (String(cell) !== last) { last = String(cell); point(cell); }
      });
      surface.addEventListener("pointerup", (event) => {
        if (pressed && dragged) zoom(square(pressed.place, placeAt(event)));
        pressed = null;
        box.hidden = true;
      });
      surface.addEventListener("pointercancel", () => { pressed = null; box.hidden = true; });
      surface.addEventListener("pointerleave", () => { last = ""; if (!pressed) point(null); });
      surface.addEventListener("click", (event) => { if (!dragged) choose(cellAt(event)); });
      surface.addEventListener("dblclick", () => zoom(null));
      surface.addEventListener("blur", () => point(null));
      surface.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the notebook's own scrolling
        event.preventDefault();
        zoom(scaled(event.deltaY > 0 ? 1.25 : 0.8, placeAt(event), fraction(event)));
      }, { passive: false });
      surface.addEventListener("keydown", (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        const here = current().map((image) => placeOf[image]);
        if (step) {
          const next = here.map((place, axis) => Math.min(size - 1, Math.max(0, place + step[axis])));
          follow(next, zoom);
          point(next.map((place) => order[place]));
        } else if (event.key === "Enter" || event.key === " ") choose(current());
        else if (event.key === "+" || event.key === "=") zoom(scaled(0.6, here, [0.5, 0.5]));
        else if (event.key === "-") zoom(scaled(1 / 0.6, here, [0.5, 0.5]));
        else if (event.key === "0") zoom(null);
        else if (event.key === "Escape") point(null);
        else return;
        event.preventDefault();
        event.stopPropagation(); // the notebook would take them for its own
      });
    },
  };

  function showBox({ row, column, side }) {
    const part = 100 / area.side;
    box.hidden = false;
    Object.assign(box.style, {
      left: `${(column - area.column) * part}%`, top: `${(row - area.row) * part}%`, width: `${side * part}%`, height: `${side * part}%`,
    });
  }
  // The square between two places, from the first towards the second.
  function square(from, to) {
    const side = Math.min(area.side, Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])) + 1);
    const [row, column] = from.map((place, axis) => (to[axis] < place ? place - side + 1 : place));
    return inside(row, column, side);
  }
  function inside(row, column, side) {
    const fit = (start) => Math.min(size - side, Math.max(0, Math.round(start)));
    return { row: fit(row), column: fit(column), side };
  }
  // The area with its side scaled, so that a place keeps its share of the way across.
  function scaled(factor, [row, column], [down, across]) {
    const wanted = Math.round(area.side * factor);
    const side = Math.min(size, Math.max(2, wanted === area.side ? wanted + Math.sign(factor - 1) : wanted));
    return inside(row + 0.5 - down * side, column + 0.5 - across * side, side);
  }
  // Moves a zoomed area so that a place is in it.
  function follow([row, column], zoom) {
    const shift = (place, start) => Math.min(place, Math.max(start, place - area.side + 1));
    const next = inside(shift(row, area.row), shift(column, area.column), area.side);
    if (next.row !== area.row || next.column !== area.column) zoom(next);
  }
}
