// A line chart of the three similarities over the length of a shift.

import { h, svg } from "../base/dom.js";
import { SIMILARITIES } from "../base/similarities.js";

/** The similarities over the shifts that were visited with everything else as it is now. */
export function shiftChart() {
  const [width, height, left, right, bottom, top] = [340, 150, 30, 60, 24, 8];
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "srsm-chart", role: "img" });
  const root = h(
    "figure",
    { class: "srsm-lab-chart" },
    h("figcaption", { class: "srsm-label" }, "over the shifts visited so far"),
    drawing,
  );
  /** @type {(x: number, y: number, words: string, anchor?: string) => void} */
  const text = (x, y, words, anchor = "middle") => {
    const node = svg("text", { x, y, "text-anchor": anchor });
    node.textContent = words;
    drawing.append(node);
  };
  return {
    root,
    /** @param {import("./view.js").LabMatches} matches */
    show({ trace, grid, setting: { shift }, null: level }) {
      drawing.replaceChildren();
      const far = Math.max(0.25, ...trace.map(([distance]) => distance));
      const values = trace.flatMap((row) => row.slice(1)).filter((value) => value !== null);
      const low = Math.min(0, ...values);
      /** @param {number} distance */
      const x = (distance) => left + ((width - left - right) * distance) / far;
      /** @param {number} value */
      const y = (value) => height - bottom - ((height - bottom - top) * (value - low)) / (1 - low);
      for (const value of [0, 0.5, 1]) {
        drawing.append(
          svg("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "srsm-chart-rule" }),
        );
        text(left - 5, y(value) + 3.5, value === 0.5 ? ".5" : String(value), "end");
      }
      if (level)
        drawing.append(
          svg("line", { x1: left, x2: width - right, y1: y(level.mean), y2: y(level.mean), class: "srsm-chart-null" }),
        );
      const side = grid ? Math.max(...grid) : 100;
      text(left, height - 8, "0");
      text(width - right, height - 8, `${Number((far * side).toFixed(1))}${grid ? " patches" : " %"}`, "end");
      // Shifts of one length in different directions are averaged.
      /** @type {Map<string, number[][]>} */
      const lengths = new Map();
      for (const row of trace) {
        const key = row[0].toFixed(4);
        lengths.set(key, [...(lengths.get(key) ?? []), row]);
      }
      /** @type {[name: string, at: number][]} */
      const names = [];
      [...SIMILARITIES.keys()].forEach((name, k) => {
        const points = [...lengths.values()].map((rows) => [
          rows[0][0],
          rows.reduce((sum, row) => sum + row[k + 1], 0) / rows.length,
        ]);
        drawing.append(
          svg("polyline", {
            points: points.map(([d, v]) => `${x(d)},${y(v)}`).join(" "),
            class: "srsm-chart-line",
            "data-name": name,
          }),
        );
        for (const [d, v] of points)
          drawing.append(
            svg("circle", {
              cx: x(d),
              cy: y(v),
              r: Math.abs(d - Math.hypot(...shift)) < 1e-4 ? 4 : 2,
              class: "srsm-chart-dot",
              "data-name": name,
            }),
          );
        if (points.length) names.push([name, y(points[points.length - 1][1])]);
      });
      // Each line is named where it ends; names that would overlap move down.
      let free = 0;
      for (const [name, at] of names.sort((a, b) => a[1] - b[1])) {
        const place = Math.max(at + 3.5, free);
        free = place + 11;
        const node = svg("text", { x: width - right + 7, y: place, class: "srsm-chart-name", "data-name": name });
        node.textContent = name;
        drawing.append(node);
      }
      const visited = `${lengths.size} shift${lengths.size === 1 ? "" : "s"} visited`;
      const reach = `${Number((far * side).toFixed(1))} ${grid ? "patches" : "percent"}`;
      drawing.setAttribute("aria-label", `${visited}, up to ${reach}.`);
    },
  };
}
