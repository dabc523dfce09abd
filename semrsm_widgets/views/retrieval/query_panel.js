// The query, large, with its token grid: a box drawn on it, by pointer or by keyboard, is what is searched with.

function queryPanel({ onBox }) {
  const picture = h("img", { alt: "", draggable: "false" });
  const shades = [0, 1, 2, 3].map(() => h("div", { class: "srsm-shade" }));
  const lines = svg("path", { class: "srsm-grid", "vector-effect": "non-scaling-stroke" });
  const veil = svg("path", { class: "srsm-veil-path", "fill-rule": "evenodd" });
  const outline = ["srsm-shadow", "srsm-bright"].map((name) => svg("rect", { class: name, "vector-effect": "non-scaling-stroke" }));
  const overlay = svg("svg", { class: "srsm-box-overlay", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  overlay.append(lines, veil, ...outline);
  const frame = h("div", { class: "srsm-picture srsm-query-picture", tabindex: 0, role: "img", ...OWN_KEYS }, picture, ...shades, overlay);
  const name = h("strong", { class: "srsm-query-name" });
  const kinds = h("span", { class: "srsm-aside" });
  const words = h("span", { class: "srsm-patches", "aria-live": "polite" });
  const reset = h("button", { class: "srsm-button", type: "button", hidden: true, onclick: () => onBox(null) }, "whole image");
  const root = h("figure", { class: "srsm-query" },
    h("figcaption", {}, h("span", { class: "srsm-label" }, "query "), name, kinds), frame,
    h("div", { class: "srsm-query-foot" }, words, reset));

  let where = [0, 0, 1, 1]; // the grid on the picture, in fractions of its sides
  let grid = null; // [rows, columns]; null where no box can be drawn
  let box = null; // what is searched with
  let draft = null; // what is being drawn: { anchor: [row, column], head: [row, column] }
  let reason = "";

  const draftBox = () => {
    const [[r0, c0], [r1, c1]] = [draft.anchor, draft.head];
    return [Math.min(r0, r1), Math.min(c0, c1), Math.max(r0, r1) + 1, Math.max(c0, c1) + 1];
  };
  const count = ([top, left, bottom, right]) => (bottom - top) * (right - left);
  const span = (from, to) => (to - from === 1 ? `${from + 1}` : `${from + 1}–${to}`);
  const describe = (each) => `rows ${span(each[0], each[2])}, columns ${span(each[1], each[3])}`;

  function draw() {
    const [left, top, right, bottom] = where;
    Object.assign(overlay.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
    const shown = draft ? draftBox() : box;
    overlay.style.display = grid ? "" : "none";
    reset.hidden = !box && !draft;
    frame.style.cursor = grid ? "crosshair" : "default";
    if (!grid) { words.textContent = reason; return; }
    const [rows, columns] = grid;
    let path = "";
    for (let c = 0; c <= columns; c += 1) path += `M${c / columns} 0V1`;
    for (let r = 0; r <= rows; r += 1) path += `M0 ${r / rows}H1`;
    lines.setAttribute("d", path);
    lines.classList.toggle("srsm-fine", rows > 32);
    veil.style.display = shown ? "" : "none";
    outline.forEach((node) => { node.style.display = shown ? "" : "none"; });
    const total = rows * columns;
    if (!shown) {
      words.textContent = `All ${total} patches. Drag on the picture to search with a part of it.`;
      return;
    }
    const [y0, x0, y1, x1] = [shown[0] / rows, shown[1] / columns, shown[2] / rows, shown[3] / columns];
    veil.setAttribute("d", `M0 0H1V1H0ZM${x0} ${y0}H${x1}V${y1}H${x0}Z`);
    for (const node of outline) {
      for (const [key, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) node.setAttribute(key, value);
    }
    words.textContent = `${count(shown)} of ${total} patches (${describe(shown)})${draft?.keyed ? ". Enter searches, Escape drops the box." : ""}`;
  }

  const cellAt = (event, clamp) => {
    const area = overlay.getBoundingClientRect();
    const [rows, columns] = grid;
    const row = Math.floor(((event.clientY - area.top) / area.height) * rows);
    const column = Math.floor(((event.clientX - area.left) / area.width) * columns);
    if (!clamp && (row < 0 || column < 0 || row >= rows || column >= columns)) return null;
    return [Math.min(rows - 1, Math.max(0, row)), Math.min(columns - 1, Math.max(0, column))];
  };
  let pressed = null; // where the pointer went down: a box begins once it has moved
  frame.addEventListener("pointerdown", (event) => {
    if (!grid || event.button !== 0) return;
    const cell = cellAt(event, false);
    if (!cell) return;
    pressed = { cell, x: event.clientX, y: event.clientY };
    frame.setPointerCapture(event.pointerId);
    event.preventDefault(); // no text is selected, no image dragged
    frame.focus({ preventScroll: true });
  });
  frame.addEventListener("pointermove", (event) => {
    if (!pressed) return;
    if (!draft && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 4) return;
    draft = { anchor: pressed.cell, head: cellAt(event, true) };
    draw();
  });
  const finish = (commit) => {
    const drawn = draft && !draft.keyed ? draftBox() : null;
    const clicked = pressed && !draft;
    pressed = null;
    if (drawn) draft = null;
    if (commit && drawn) onBox(drawn);
    else if (commit && clicked && box) onBox(null); // a click beside the box, or on it, is back to the whole image
    draw();
  };
  frame.addEventListener("pointerup", () => finish(true));
  frame.addEventListener("pointercancel", () => finish(false));
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step && grid) {
      const clamp = ([row, column]) => [Math.min(grid[0] - 1, Math.max(0, row)), Math.min(grid[1] - 1, Math.max(0, column))];
      if (!draft) {
        // The first press shows where the cursor is: the box that is there, or the middle.
        const start = box ? [box[0], box[1]] : [Math.floor(grid[0] / 2), Math.floor(grid[1] / 2)];
        draft = { anchor: start, head: box ? [box[2] - 1, box[3] - 1] : start, keyed: true };
      } else if (event.shiftKey) {
        draft.head = clamp([draft.head[0] + step[0], draft.head[1] + step[1]]);
      } else {
        const next = clamp([draft.head[0] + step[0], draft.head[1] + step[1]]);
        draft = { anchor: next, head: next, keyed: true };
      }
    } else if (event.key === "Enter" && draft) {
      const drawn = draftBox();
      draft = null;
      onBox(drawn);
    } else if (event.key === "Escape" && (draft || box)) {
      draft = null;
      if (box) onBox(null);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would take them for its own
    draw();
  });

  return {
    root,
    show({ url, id, labels, box: place, problem }) {
      where = place;
      picture.src = url;
      picture.alt = id;
      name.textContent = id;
      name.title = id;
      frame.title = problem;
      kinds.textContent = problem ? " · this picture cannot be read" : labels.length ? ` · ${labels.join(", ")}` : "";
      frame.setAttribute("aria-label", `Query: ${id}. Arrow keys move a cursor over the patches, with Shift they draw a box, Enter searches with it, Escape searches with the whole image.`);
      const [left, top, right, bottom] = place.map((value) => Math.min(1, Math.max(0, value)));
      const at = (node, x1, y1, x2, y2) => Object.assign(node.style, {
        left: `${100 * x1}%`, top: `${100 * y1}%`, width: `${100 * (x2 - x1)}%`, height: `${100 * (y2 - y1)}%`,
      });
      at(shades[0], 0, 0, 1, top);
      at(shades[1], 0, bottom, 1, 1);
      at(shades[2], 0, top, left, bottom);
      at(shades[3], right, top, 1, bottom);
      draw();
    },
    // The layer's grid, or why no box can be drawn at it.
    setGrid(next, why) { grid = next; reason = why; draft = null; pressed = null; draw(); },
    setBox(next) { box = next; draft = null; draw(); },
  };
}
