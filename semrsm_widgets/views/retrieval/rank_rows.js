// What each similarity retrieves, as rows; lines join an image's places in neighbouring rows.

const SIMILARITY_WORDS = {
  aligned: "same position", semantic: "best match", pooled: "mean token", "class token": "CLS",
};
const MARKS = {
  right: ["✓", "right: same label"], partly: ["≈", "partly right: shares a label"], wrong: ["✕", "wrong: no label in common"],
};

function rankRows(store, { onChoose, onPoint }) {
  const list = h("div", { class: "srsm-rank-list" });
  const links = svg("svg", { class: "srsm-rank-links", "aria-hidden": "true" });
  const inner = h("div", { class: "srsm-ranks-inner" }, links, list);
  const root = h("div", { class: "srsm-ranks", ...OWN_KEYS }, inner);
  const rows = new Map(); // similarity -> its nodes
  let results = null;
  let images = [];
  let k = 5;
  let pointed = -1;
  let chosen = [-1, -1];

  function makeRow(name) {
    const head = h("div", { class: "srsm-rank-head" });
    const cells = h("div", { class: "srsm-rank-cells", role: "group" });
    const aside = h("div", { class: "srsm-rank-aside" });
    const node = h("div", { class: "srsm-rank", "data-name": name }, h("div", { class: "srsm-rank-side" }, head, aside), cells);
    return { node, head, cells, aside, answers: new Map() };
  }

  function mark(index) {
    const f1 = results.right?.[index];
    if (f1 === undefined || !images[index].labels.length) return null;
    return f1 >= 1 ? "right" : f1 > 0 ? "partly" : "wrong";
  }

  function answer(row, result, index, rank) {
    let cell = row.answers.get(index);
    if (!cell) {
      const badge = h("span", { class: "srsm-badge", "aria-hidden": "true" });
      const value = h("span", { class: "srsm-answer-value" });
      const node = h("button", { type: "button", class: "srsm-answer", "data-index": index,
        onclick: () => onChoose(index), onpointerenter: () => point(index), onpointerleave: () => point(-1),
        onfocus: () => point(index), onblur: () => point(-1) }, h("span", { class: "srsm-answer-picture" }, store.image(index), badge), value);
      cell = { node, badge, value };
      row.answers.set(index, cell);
    }
    const kind = mark(index);
    cell.badge.textContent = kind ? MARKS[kind][0] : "";
    cell.node.dataset.mark = kind ?? "unknown";
    cell.value.textContent = format(result.values[index]);
    cell.node.setAttribute("aria-label", `${result.name}, rank ${rank + 1}: ${describeImage(images[index])}, ${format(result.values[index], 3)}${kind ? `, ${MARKS[kind][1]}` : ""}`);
    return cell.node;
  }

  function fillHead(row, result) {
    const words = SIMILARITY_WORDS[result.name] ?? "your ranking";
    const lines = [h("div", { class: "srsm-rank-name" }, h("strong", {}, result.name), h("small", {}, ` ${words}`))];
    if (result.state === "ready" && result.f1.length) {
      const chance = results.answers;
      lines.push(h("div", { class: "srsm-rank-score", title: `by chance: F1@${k} ${format(chance.chance_f1)}, AP ${format(chance.chance_ap)}` },
        `F1@${k} `, h("span", { class: "srsm-number" }, format(result.f1[Math.min(k, result.f1.length) - 1])), " · AP ", h("span", { class: "srsm-number" }, format(result.ap))));
    }
    if (result.name === "semantic" && result.state === "ready") {
      const { null: level } = results;
      lines.push(h("div", { class: "srsm-rank-null", title: level ? `mean of ${level.n} pairs with one image's channels permuted; 95 % are below ${format(level.quantile95)}` : "" },
        `unrelated tokens reach ${level ? format(level.mean) : "…"}`));
      if (!result.certain) lines.push(h("div", { class: "srsm-rank-null" }, "no certificate"));
      else if (result.certain[k - 1] === false) lines.push(h("div", { class: "srsm-rank-null", title: "The certified bounds of an image further down reach into these." }, `top ${k} not certified: too close`));
    }
    row.head.replaceChildren(...lines);
  }

  function draw() {
    if (!results) return;
    inner.style.setProperty("--srsm-answers", k);
    const focused = root.contains(root.getRootNode().activeElement) ? root.getRootNode().activeElement : null;
    const names = results.rows.map((result) => result.name);
    for (const name of [...rows.keys()]) if (!names.includes(name)) rows.delete(name);
    for (const result of results.rows) {
      if (!rows.has(result.name)) rows.set(result.name, makeRow(result.name));
      const row = rows.get(result.name);
      row.node.dataset.state = result.state;
      fillHead(row, result);
      row.cells.setAttribute("aria-label", `${result.name}: the ${k} nearest images`);
      if (result.state === "ready") {
        const shown = [...result.order.slice(0, k)];
        for (const index of row.answers.keys()) if (!shown.includes(index)) row.answers.delete(index);
        const nodes = shown.map((index, rank) => answer(row, result, index, rank));
        if (!nodes.length) nodes.push(h("span", { class: "srsm-empty" }, "The set has no other image."));
        row.cells.replaceChildren(...nodes);
      } else {
        row.answers.clear();
        row.cells.replaceChildren(h("span", { class: "srsm-empty" }, result.state === "pending" ? "not matched yet" : result.reason));
      }
    }
    list.replaceChildren(...names.map((name) => rows.get(name).node));
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    choose(chosen);
    drawLinks();
    highlight();
  }

  // Lines between neighbouring rows, from an image's place in one to its place in the next.
  function drawLinks() {
    const outer = inner.getBoundingClientRect();
    links.setAttribute("viewBox", `0 0 ${Math.max(1, outer.width)} ${Math.max(1, outer.height)}`);
    const paths = [];
    const order = results ? results.rows.map((result) => rows.get(result.name)) : [];
    for (let r = 0; r + 1 < order.length; r += 1) {
      for (const [index, { node }] of order[r].answers) {
        const other = order[r + 1].answers.get(index)?.node;
        if (!other) continue;
        const [a, b] = [node.getBoundingClientRect(), other.getBoundingClientRect()];
        const [x0, y0] = [a.left - outer.left + a.width / 2, a.bottom - outer.top];
        const [x1, y1] = [b.left - outer.left + b.width / 2, b.top - outer.top];
        const middle = (y0 + y1) / 2;
        paths.push(svg("path", { d: `M${x0} ${y0}C${x0} ${middle} ${x1} ${middle} ${x1} ${y1}`, "data-index": index, "data-mark": mark(index) ?? "unknown" }));
      }
    }
    links.replaceChildren(...paths);
    highlight();
  }

  function highlight() {
    root.dataset.pointed = pointed;
    for (const path of links.children) path.classList.toggle("srsm-pointed", Number(path.dataset.index) === pointed);
    for (const result of results?.rows ?? []) {
      const row = rows.get(result.name);
      for (const [index, { node }] of row.answers) node.classList.toggle("srsm-pointed", index === pointed);
      const outside = pointed >= 0 && result.state === "ready" && result.ranks[pointed] >= k;
      row.aside.textContent = outside ? `▢ rank ${result.ranks[pointed] + 1} · ${format(result.values[pointed])}` : "";
    }
    onPoint(pointed);
  }

  function point(index) {
    if (index === pointed) return;
    pointed = index;
    highlight();
  }

  function choose(pair) {
    chosen = pair;
    for (const row of rows.values()) {
      for (const [index, { node }] of row.answers) {
        const is = results && pair[0] === results.query && index === pair[1];
        node.classList.toggle("srsm-opened", is);
        node.setAttribute("aria-pressed", String(Boolean(is)));
      }
    }
  }

  list.addEventListener("keydown", (event) => {
    const node = event.target.closest?.(".srsm-answer");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!node || !step) return;
    const lines = [...list.children].map((row) => [...row.querySelectorAll(".srsm-answer")]).filter((line) => line.length);
    const r = lines.findIndex((line) => line.includes(node));
    const line = lines[Math.min(lines.length - 1, Math.max(0, r + step[0]))];
    line[Math.min(line.length - 1, Math.max(0, lines[r].indexOf(node) + step[1]))].focus();
    event.preventDefault();
    event.stopPropagation();
  });
  const observer = new ResizeObserver(drawLinks);
  observer.observe(inner);

  return {
    root,
    show(next, all, answers) {
      if (results && results.query !== next.query) pointed = -1;
      results = next;
      images = all;
      k = answers;
      draw();
    },
    resize(answers) { k = answers; draw(); },
    choose,
    stop() { observer.disconnect(); },
  };
}
