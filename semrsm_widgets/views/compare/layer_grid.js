// The layer x layer map: a grid of cells coloured by CKA on the fixed range from 0 to 1, layers of A down, of B across.

const MOST_NUMBERS = 12; // columns up to which a cell has room for its value
const MOST_INTERVALS = 8; // ... and for its interval
const LONGEST_NAME = 20;
const NEGATIVE = "#c2577f"; // CKA of -1; the range from 0 to 1 holds none below 0

// What layers of one model have in common at the front is left out where names are long, then their middle.
function shortNames(layers) {
  const names = layers.map((layer) => layer.name);
  if (Math.max(...names.map((name) => name.length)) <= LONGEST_NAME) return names;
  let common = names[0];
  for (const name of names) while (!name.startsWith(common)) common = common.slice(0, -1);
  const cut = names.length > 1 ? common.search(/[^._/]*$/) : 0;
  return names.map((name) => {
    const rest = cut > 0 ? `…${name.slice(cut)}` : name;
    return rest.length <= LONGEST_NAME ? rest : `${rest.slice(0, 6)}…${rest.slice(-(LONGEST_NAME - 7))}`;
  });
}

const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// The twin of cell_colour in _compare_picture.py.
function ckaColour(value, palette) {
  if (value >= 0) return palette[Math.floor(Math.min(1, value) * (palette.length - 1) + 0.5)];
  const part = 0.25 + 0.75 * Math.min(1, -value);
  const [from, to] = [channels(palette[0]), channels(NEGATIVE)];
  return `#${from.map((k, at) => Math.floor(k + part * (to[at] - k) + 0.5).toString(16).padStart(2, "0")).join("")}`;
}

function inkOn(colour) {
  const [red, green, blue] = channels(colour);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 128 ? "#000" : "#fff";
}

// In words, for screen readers and for the read-out.
function cellWords(cell) {
  if (!cell) return "not compared yet";
  if (cell.value === null) return `not defined: ${cell.reason}`;
  const interval = cell.low === null ? `no interval (${cell.reason || "too few images"})`
    : `95 % interval ${format(cell.low)} to ${format(cell.high)}`;
  return `CKA ${format(cell.value)}, ${interval}, ${cell.n} images${isUncertain(cell) ? ", not certain to differ from 0" : ""}`;
}

function isUncertain(cell) {
  return cell.value !== null && (cell.low === null || cell.low <= 0);
}

function layerGrid(sides, { point, choose }) {
  const [rows, columns] = sides.map((side) => side.layers);
  const numbers = columns.length <= MOST_NUMBERS;
  const intervals = columns.length <= MOST_INTERVALS;
  const short = [rows, columns].map(shortNames);
  const upright = short[1].some((name) => name.length > (intervals ? 9 : 5));
  const nodes = rows.map(() => []);
  let focused = [0, 0];
  let chosen = null;

  const header = (layer, k, side, role) => h("div", { class: "srsm-layer-name", role, title: `${layer.name} · ${layerShape(layer)}`, "data-side": side },
    h("span", {}, short[side === "A" ? 0 : 1][k]));
  const root = h("div", { class: "srsm-layer-grid", role: "grid", "data-upright": String(upright), ...OWN_KEYS });
  root.style.gridTemplateColumns = `auto repeat(${columns.length}, minmax(14px, 1fr))`;
  const line = (...cells) => h("div", { role: "row", class: "srsm-layer-row" }, ...cells);
  root.append(line(h("div", { class: "srsm-layer-corner", role: "presentation" }), ...columns.map((layer, k) => header(layer, k, "B", "columnheader"))));
  rows.forEach((layer, row) => {
    columns.forEach((_, column) => {
      nodes[row].push(h("div", { class: "srsm-layer-cell", role: "gridcell", tabindex: -1, "data-row": row, "data-column": column }));
    });
    root.append(line(header(layer, row, "A", "rowheader"), ...nodes[row]));
  });
  root.style.setProperty("--srsm-cell-height", intervals ? "40px" : numbers ? "30px" : `${Math.max(14, Math.min(30, 420 / rows.length))}px`);

  const at = (event) => {
    const node = event.target.closest?.(".srsm-layer-cell");
    return node ? [Number(node.dataset.row), Number(node.dataset.column)] : null;
  };
  const focus = (where) => {
    nodes[focused[0]][focused[1]].tabIndex = -1;
    focused = where;
    nodes[focused[0]][focused[1]].tabIndex = 0;
  };
  root.addEventListener("pointermove", (event) => { const where = at(event); if (where) point(where); });
  root.addEventListener("pointerleave", () => point(null));
  root.addEventListener("click", (event) => { const where = at(event); if (where) { focus(where); choose(where); } });
  root.addEventListener("focusin", (event) => { const where = at(event); if (where) { focus(where); point(where); } });
  root.addEventListener("focusout", () => point(null));
  root.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (step) {
      const next = focused.map((k, axis) => Math.min((axis ? columns : rows).length - 1, Math.max(0, k + step[axis])));
      focus(next);
      nodes[next[0]][next[1]].focus();
    } else if (event.key === "Enter" || event.key === " ") choose(focused);
    else if (event.key === "Escape") choose(null);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would take them for its own
  });
  focus([0, 0]);

  return {
    root,
    names: (where) => [rows[where[0]].name, columns[where[1]].name],
    describe(text) { root.setAttribute("aria-label", text); },
    // find(nameA, nameB) gives the cell or undefined.
    show(find, palette) {
      rows.forEach((a, row) => columns.forEach((b, column) => {
        const node = nodes[row][column];
        const cell = find(a.name, b.name);
        const known = cell && cell.value !== null;
        const colour = known && palette ? ckaColour(cell.value, palette) : null;
        node.style.backgroundColor = colour ?? "";
        node.style.color = colour ? inkOn(colour) : "";
        node.dataset.state = !cell ? "waiting" : !known ? "undefined" : isUncertain(cell) ? "uncertain" : "known";
        node.dataset.value = known ? cell.value : "";
        node.setAttribute("aria-label", `${a.name} of A, ${b.name} of B: ${cellWords(cell)}.`);
        node.replaceChildren(...(!numbers || !cell ? [] : [
          h("span", {}, known ? format(cell.value) : "n/a"),
          intervals && known && cell.low !== null ? h("small", {}, `${format(cell.low)} – ${format(cell.high)}`) : null,
        ].filter(Boolean)));
      }));
    },
    chosen(where) {
      if (chosen) { const node = nodes[chosen[0]][chosen[1]]; delete node.dataset.chosen; node.removeAttribute("aria-selected"); }
      chosen = where;
      if (!chosen) return;
      const node = nodes[chosen[0]][chosen[1]];
      node.dataset.chosen = "true";
      node.setAttribute("aria-selected", "true");
    },
    place(cell) {
      if (!cell) return null;
      const where = [rows.findIndex((layer) => layer.name === cell[0]), columns.findIndex((layer) => layer.name === cell[1])];
      return where.includes(-1) ? null : where;
    },
  };
}
