// The pictures of PairView: an image with its chooser, and B rebuilt in A's layout.

// The model sees only a part of an image (its centre crop): the rest is dimmed.
function imagePanel(letter, onChoose, ...more) {
  const choose = h("select", { class: "srsm-choose", "aria-label": `image ${letter}` });
  choose.addEventListener("change", () => onChoose(Number(choose.value)));
  const role = h("span", { class: "srsm-role" });
  const picture = h("img", { alt: "", draggable: "false" });
  const missing = h("p", { class: "srsm-missing", hidden: true });
  const shades = [0, 1, 2, 3].map(() => h("div", { class: "srsm-shade" }));
  const frame = h("div", { class: "srsm-picture", tabindex: 0, role: "img", ...OWN_KEYS }, picture, ...shades, missing);
  const root = h("figure", { class: "srsm-side", "data-side": letter },
    h("figcaption", {}, h("span", { class: "srsm-letter" }, letter), role, choose, ...more), frame);
  let box = [0, 0, 1, 1];
  let offset = { left: 0, top: 0, width: 0, height: 0 };
  return {
    root, picture,
    cropped: () => box.some((value, k) => Math.abs(value - (k < 2 ? 0 : 1)) > 1e-3),
    play(words) { role.textContent = words; },
    describe(words) { frame.setAttribute("aria-label", words); },
    offer(images) {
      choose.replaceChildren(...images.map((image, k) => h("option", { value: k }, image.id)));
    },
    choose(k, image) {
      choose.value = k;
      choose.title = image ? [image.id, ...image.labels].join(" · ") : "";
    },
    async show(url, where, image, problem) {
      box = where;
      missing.hidden = !problem;
      missing.textContent = problem ? `This picture is gone or cannot be read (${problem}).` : "";
      picture.src = url;
      picture.alt = image.id;
      await picture.decode().catch(() => {});
      const [left, top, right, bottom] = box.map((value) => Math.min(1, Math.max(0, value)));
      const at = (node, x1, y1, x2, y2) => Object.assign(node.style, {
        left: `${100 * x1}%`, top: `${100 * y1}%`, width: `${100 * (x2 - x1)}%`, height: `${100 * (y2 - y1)}%`,
      });
      at(shades[0], 0, 0, 1, top);
      at(shades[1], 0, bottom, 1, 1);
      at(shades[2], 0, top, left, bottom);
      at(shades[3], right, top, 1, bottom);
    },
    measure(stage) {
      const outer = stage.getBoundingClientRect();
      const inner = picture.getBoundingClientRect();
      offset = { left: inner.left - outer.left, top: inner.top - outer.top, width: inner.width, height: inner.height };
    },
    // Where the token grid lies, in the stage's pixels.
    area() {
      const [left, top, right, bottom] = box;
      return {
        left: offset.left + left * offset.width, top: offset.top + top * offset.height,
        width: (right - left) * offset.width, height: (bottom - top) * offset.height,
      };
    },
    // Where the token grid lies, in the picture's own pixels.
    source() {
      const [left, top, right, bottom] = box;
      const { naturalWidth: width, naturalHeight: height } = picture;
      return { left: left * width, top: top * height, width: (right - left) * width, height: (bottom - top) * height };
    },
    tokenAt(event, [rows, columns]) {
      const inner = picture.getBoundingClientRect();
      const [left, top, right, bottom] = box;
      const x = ((event.clientX - inner.left) / inner.width - left) / (right - left);
      const y = ((event.clientY - inner.top) / inner.height - top) / (bottom - top);
      if (x < 0 || y < 0 || x >= 1 || y >= 1) return -1;
      return Math.floor(y * rows) * columns + Math.floor(x * columns);
    },
    listen({ point, leave, pin, step, free }) {
      frame.addEventListener("pointermove", point);
      frame.addEventListener("pointerleave", leave);
      frame.addEventListener("click", (event) => { point(event); pin(); });
      frame.addEventListener("keydown", (event) => {
        const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (move) step(...move);
        else if (event.key === "Enter" || event.key === " ") pin();
        else if (event.key === "Escape") free();
        else return;
        event.preventDefault();
        event.stopPropagation(); // the notebook would take them for its own
      });
    },
  };
}

// B's patches moved to their partners in A: where the match is meant, A's picture comes together again.
function rebuiltPanel() {
  const canvas = h("canvas", { width: 1, height: 1, role: "img" });
  const mark = h("div", { class: "srsm-cell srsm-cursor", hidden: true });
  const caption = h("figcaption");
  const picture = h("div", { class: "srsm-picture" }, canvas, mark);
  const note = h("p", { class: "srsm-hint" });
  const root = h("figure", { class: "srsm-side srsm-rebuilt" }, caption, picture, note);
  return {
    root,
    // Draw B in the layout of `partner`, or say why there is none.
    draw(sides, { grid, otherGrid }, partner, words) {
      root.hidden = !grid;
      picture.hidden = !partner;
      note.hidden = Boolean(partner);
      caption.textContent = partner ? words : "";
      note.textContent = partner ? "" : words;
      if (!grid || !partner || !sides[1].picture.naturalWidth) return;
      const source = sides[1].source();
      const shape = sides[0].source();
      const [rows, columns] = grid;
      const [fromRows, fromColumns] = otherGrid;
      // Patches as they stand on A: a transform that squashes makes them oblong there.
      const scale = 448 / Math.max(shape.width, shape.height, 1);
      const cellWidth = Math.max(4, Math.round((scale * shape.width) / columns));
      const cellHeight = Math.max(4, Math.round((scale * shape.height) / rows));
      canvas.width = cellWidth * columns;
      canvas.height = cellHeight * rows;
      const context = canvas.getContext("2d");
      const [width, height] = [source.width / fromColumns, source.height / fromRows];
      partner.forEach((from, token) => {
        if (from < 0) return;
        context.drawImage(sides[1].picture,
          source.left + (from % fromColumns) * width, source.top + Math.floor(from / fromColumns) * height, width, height,
          (token % columns) * cellWidth, Math.floor(token / columns) * cellHeight, cellWidth, cellHeight);
      });
      canvas.setAttribute("aria-label", words);
    },
    mark(token, grid) {
      mark.hidden = token < 0;
      if (token < 0) return;
      const [rows, columns] = grid;
      Object.assign(mark.style, {
        left: `${(100 * (token % columns)) / columns}%`, top: `${(100 * Math.floor(token / columns)) / rows}%`,
        width: `${100 / columns}%`, height: `${100 / rows}%`,
      });
    },
  };
}
