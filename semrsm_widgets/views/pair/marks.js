// What is drawn over the pictures of PairView, in the stage's own pixels: grids, outlined patches, lines, the cursor.

// A place is { side, token }: side 0 is A, 1 is B, 2 is C. `gridOf(side)` is the token grid there.
function pairOverlay(stage, sides, gridOf) {
  const root = svg("svg", { class: "srsm-overlay", "aria-hidden": "true" });
  const layerOf = (name) => { const group = svg("g", { class: name }); root.append(group); return group; };
  const grids = layerOf("srsm-grids");
  const tops = layerOf("srsm-tops");
  const focus = layerOf("srsm-focus");
  const twice = (tag) => [svg(tag, { class: "srsm-shadow" }), svg(tag, { class: "srsm-bright" })];
  const focusMarks = sides.map(() => twice("rect"));
  const focusLines = sides.slice(1).map(() => twice("line"));
  focus.append(...focusLines.flat(), ...focusMarks.flat());

  const boxOf = ({ side, token }) => {
    const [rows, columns] = gridOf(side);
    const area = sides[side].area();
    const [width, height] = [area.width / columns, area.height / rows];
    return { x: area.left + (token % columns) * width, y: area.top + Math.floor(token / columns) * height, width, height };
  };
  const set = (node, attributes) => { for (const name in attributes) node.setAttribute(name, attributes[name]); };
  const put = (node, box, inset = 0) => set(node, {
    x: box.x + inset, y: box.y + inset,
    width: Math.max(1, box.width - 2 * inset), height: Math.max(1, box.height - 2 * inset),
  });
  const join = (node, a, b) => set(node, {
    x1: a.x + a.width / 2, y1: a.y + a.height / 2, x2: b.x + b.width / 2, y2: b.y + b.height / 2,
  });

  function word(box, words) {
    // A patch too small for a digit has it above.
    const size = Math.min(13, Math.max(10, 0.6 * box.height));
    const inside = box.height >= 13;
    const node = svg("text", { class: "srsm-digit", "font-size": size, x: box.x + box.width / 2,
      y: inside ? box.y + box.height / 2 : box.y - 0.55 * size });
    node.textContent = words;
    return node;
  }

  return {
    root,
    fit() {
      const box = stage.getBoundingClientRect();
      root.setAttribute("viewBox", `0 0 ${Math.max(1, box.width)} ${Math.max(1, box.height)}`);
      sides.forEach((side) => side.measure(stage));
    },
    drawGrids(shown) {
      grids.replaceChildren(...shown.map((side) => {
        const [rows, columns] = gridOf(side);
        const area = sides[side].area();
        let path = "";
        for (let c = 0; c <= columns; c += 1) path += `M${area.left + (c * area.width) / columns} ${area.top}v${area.height}`;
        for (let r = 0; r <= rows; r += 1) path += `M${area.left} ${area.top + (r * area.height) / rows}h${area.width}`;
        return svg("path", { d: path, class: rows > 20 ? "srsm-grid srsm-fine" : "srsm-grid" });
      }));
    },
    // Marks, the most important first, which is drawn last, on top: { places, colour, strength (0 to 1), words, dashed,
    // fades }. With `lines`, the places of a mark are joined.
    drawMarks(marks, lines) {
      const [under, over, words] = [[], [], []];
      for (const mark of [...marks].reverse()) {
        const boxes = mark.places.map(boxOf);
        const node = (tag, name) => {
          const made = svg(tag, { class: mark.dashed ? `${name} srsm-ambiguous` : name });
          if (name === "srsm-colour") made.style.stroke = mark.colour;
          return made;
        };
        for (const name of ["srsm-shadow", "srsm-colour"]) {
          for (const box of lines ? boxes.slice(1) : []) {
            const line = node("line", name);
            join(line, boxes[0], box);
            under.push(line);
          }
        }
        for (const box of boxes) {
          const width = Math.min(1.2 + 2 * mark.strength, 0.22 * box.width);
          for (const name of ["srsm-shadow", "srsm-colour"]) {
            const rect = node("rect", name);
            rect.style.strokeWidth = name === "srsm-shadow" ? width + 1.6 : width;
            if (mark.fades) rect.style.opacity = 0.5 + 0.5 * mark.strength;
            put(rect, box, 0.5 + width / 2);
            over.push(rect);
          }
          if (mark.words) words.push(word(box, mark.words));
        }
      }
      tops.replaceChildren(...under, ...over, ...words);
    },
    // Places that are looked at, in their sides' order; lines join the first to the others.
    drawFocus(places, dim) {
      tops.classList.toggle("srsm-dim", dim);
      const boxes = new Map(places.map((place) => [place.side, boxOf(place)]));
      focusMarks.forEach((pair, side) => pair.forEach((node) => {
        node.style.display = boxes.has(side) ? "" : "none";
        if (boxes.has(side)) put(node, boxes.get(side));
      }));
      focusLines.forEach((pair, k) => pair.forEach((node) => {
        const joined = boxes.has(0) && boxes.has(k + 1);
        node.style.display = joined ? "" : "none";
        if (joined) join(node, boxes.get(0), boxes.get(k + 1));
      }));
    },
  };
}

// -- which patches are outlined, and how -------------------------------------------------------------------------------

// Marks of what was read, for `drawMarks`: the k strongest, or all that speak for either image.
function marksOf(said, k, colours) {
  const { reading, difference, comparing, order } = said;
  if (!reading || order.length === 0 || k === 0) return [];
  if (comparing) return difference ? whyMarks(said, k, colours) : [];
  return reading.partner ? pairedMarks(said, k, colours) : meanMarks(said, k, colours);
}

function pairedMarks({ matches, reading, order }, k, colours) {
  const shown = order.slice(0, k);
  const colour = placeColours(shown, matches.grid, colours.corners);
  const most = Math.abs(reading.contribution[shown[0]]) || 1;
  return shown.map((token, rank) => ({
    places: [{ side: 0, token }, { side: 1, token: reading.partner[token] }],
    colour: colour[rank],
    strength: Math.max(0, reading.contribution[token] / most),
    words: rank < NUMBERED ? String(rank + 1) : "", dashed: Boolean(reading.ambiguous?.[token]),
  }));
}

// The mean token has no partners: each image's patches stand for themselves.
function meanMarks({ reading }, k, colours) {
  const halves = [[reading.contribution, reading.cosine], [reading.otherContribution, reading.otherCosine]];
  return halves.flatMap(([contribution, cosine], side) => {
    const shown = byFalling(contribution, cosine).slice(0, k);
    const most = Math.abs(contribution[shown[0]]) || 1;
    return shown.map((token, rank) => ({
      places: [{ side, token }], colour: contribution[token] < 0 ? colours.against : colours.for,
      strength: Math.max(0, contribution[token] / most), fades: true, words: rank < NUMBERED ? String(rank + 1) : "",
    }));
  });
}

// Outlines thinner than this share of the strongest say nothing.
const FAINTEST = 0.08;

// Of each sign so many are shown with their partners, however few are among the strongest.
const LEAST_SHOWN = 3;

// Each patch of A by what it speaks for; the partners of the strongest on the image that they speak for.
function whyMarks({ reading, other, difference, order }, k, colours) {
  const most = Math.abs(difference[order[0]]) || 1;
  const counts = { true: 0, false: 0 };
  return order.filter((token) => Math.abs(difference[token]) >= FAINTEST * most).map((token, rank) => {
    const positive = difference[token] >= 0;
    counts[positive] += 1;
    const partner = rank < k || counts[positive] <= LEAST_SHOWN ? (positive ? reading : other).partner?.[token] ?? -1 : -1;
    return {
      places: [{ side: 0, token }, ...(partner >= 0 ? [{ side: positive ? 1 : 2, token: partner }] : [])],
      colour: positive ? colours.for : colours.against, strength: Math.abs(difference[token]) / most, fades: true,
      words: rank < NUMBERED ? (positive ? "+" : MINUS) : "",
    };
  });
}

// The colours of some places in A, mixed from those of the four corners. The rows and columns in which any of them
// stands are spread evenly: places that crowd together are told apart. A match is found by its colour.
function placeColours(tokens, [, columns], corners) {
  const [xs, ys] = [(token) => token % columns, (token) => Math.floor(token / columns)];
  const [across, down] = [xs, ys].map((axis) => {
    const values = [...new Set(tokens.map(axis))].sort((a, b) => a - b);
    return (token) => (values.length > 1 ? values.indexOf(axis(token)) / (values.length - 1) : 0.5);
  });
  return tokens.map((token) => {
    const [x, y] = [across(token), down(token)];
    const weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
    const mixed = [1, 3, 5].map((at) => corners.reduce(
      (sum, corner, k) => sum + weights[k] * Number.parseInt(corner.slice(at, at + 2), 16), 0));
    return `rgb(${mixed.map((value) => Math.floor(value + 0.5)).join(", ")})`;
  });
}
