// The two images of a cell, and every similarity of theirs on one scale.

function readout(images) {
  const names = ["aligned", "semantic", "pooled", "unrelated"];
  const words = { aligned: "same position", semantic: "best match", pooled: "mean token", unrelated: "tokens, best match" };
  const pictures = [h("img", { alt: "" }), h("img", { alt: "" })];
  const captions = [h("figcaption"), h("figcaption")];
  const rows = new Map(names.map((name) => [name, {
    bar: h("span", { class: "srsm-bar", "aria-hidden": "true" }, h("span")), value: h("span", { class: "srsm-number" }),
  }]));
  const note = h("p", { class: "srsm-note" });
  const hint = h("p", { class: "srsm-hint" });
  const table = h("div", { class: "srsm-values" });
  for (const [name, row] of rows) {
    table.append(h("span", { class: "srsm-name", title: words[name] }, name, h("small", {}, words[name])), row.bar, row.value);
  }
  const root = h("aside", { class: "srsm-card" },
    h("div", { class: "srsm-card-pair" }, ...pictures.map((picture, k) => h("figure", {}, picture, captions[k]))), table, note, hint);
  let urls = [];
  let late = null; // the kernel's answer to a hover, where the page has rounded values and no thumbnails

  const values = (i, j, frame) => {
    const fits = late?.values && late.i === i && late.j === j && late.layer === frame?.layer && late.kernel === frame?.kernel;
    if (fits) return { ...late.values, upper: late.values.upper ?? Infinity };
    if (!frame?.full) return {};
    return Object.fromEntries(Object.entries(frame.full).map(([name, matrix]) => [name, matrix[i * images.length + j]]));
  };
  return {
    root,
    thumbnails(list) { urls = list; },
    late(content, pair) {
      late?.pair.forEach((url) => URL.revokeObjectURL(url));
      late = { ...content, pair };
    },
    sentence(i, j, frame) {
      const { aligned, semantic, pooled } = values(i, j, frame);
      const pair = `${images[i].id} and ${images[j].id}`;
      return aligned === undefined ? `${pair}.` : `${pair}: aligned ${format(aligned)}, semantic ${format(semantic)}, pooled ${format(pooled)}.`;
    },
    show(i, j, frame, chosen) {
      [i, j].forEach((k, side) => {
        const own = late && late.i === i && late.j === j ? late.pair[side] : null;
        const url = urls[k] ?? own;
        if (url) pictures[side].src = url;
        pictures[side].style.visibility = url ? "visible" : "hidden";
        captions[side].textContent = images[k].id;
        captions[side].title = [images[k].id, ...images[k].labels].join(" · ");
      });
      const { aligned = NaN, semantic = NaN, upper = NaN, pooled = NaN } = values(i, j, frame);
      const unrelated = frame?.null?.mean ?? NaN;
      const all = { aligned, semantic, pooled, unrelated };
      const scale = Math.max(1e-12, ...Object.values(all).filter(Number.isFinite).map(Math.abs));
      for (const [name, row] of rows) {
        row.value.textContent = format(all[name]);
        row.bar.dataset.name = name;
        row.bar.dataset.negative = all[name] < 0;
        row.bar.firstChild.style.width = `${Number.isFinite(all[name]) ? (100 * Math.abs(all[name])) / scale : 0}%`;
      }
      const gap = upper - semantic;
      note.textContent = frame?.reason ? `${frame.kernel} is not defined here: ${frame.reason}` : i === j ? "One image with itself: the diagonal."
        : Number.isFinite(gap) ? `The best match is within ${atMost(gap)} of ${format(semantic, 4)}: certified.`
        : upper === Infinity ? "No certificate: the matcher is an approximation." : "";
      hint.textContent = chosen ? "Point at a cell to read it, click it to see the two images, drag to zoom." : "Click to see which patches match.";
      root.dataset.semantic = Number.isFinite(semantic) ? String(semantic) : "";
      root.dataset.aligned = Number.isFinite(aligned) ? String(aligned) : "";
    },
  };
}
