// A line chart of the three similarities over the length of a shift.

import { h, svg } from "../base/dom.js";

/**
 * The similarities over the shifts that were visited with everything else as it is now.
 *
 * @param {import("../base/similarities.js").Similarity[]} similarities that every layer has
 */
export function shiftChart(similarities) {
  const [width, height, left, right, bottom, top] = [340, 150, 30, 74, 24, 8];
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "srsm-chart", role: "img" });
  const root = h(
    "figure",
    { class: "srsm-lab-chart" },
    h("figcaption", { class: "srsm-label" }, "over the length of the shift, as far as visited"),
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
    show({ distance: distances, grid, setting: { shift }, null: level, ...matches }) {
      drawing.replaceChildren();
      /** @type {Map<string, Float32Array>} */
      const traces = new Map(similarities.map(({ name }) => [name, matches[`trace_${name}`]]));
      const far = Math.max(0.25, ...distances);
      const low = Math.min(0, ...[...traces.values()].flatMap((values) => [...values].filter(Number.isFinite)));
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
      /** @type {Map<string, number[]>} */
      const lengths = new Map(); // -> places of the visits
      distances.forEach((distance, place) => {
        const key = distance.toFixed(4);
        lengths.set(key, [...(lengths.get(key) ?? []), place]);
      });
      /** @type {[name: string, at: number][]} */
      const names = [];
      for (const [name, values] of traces) {
        const points = [...lengths.values()].map((places) => [
          distances[places[0]],
          places.reduce((sum, place) => sum + values[place], 0) / places.length,
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
      }
      if (level) names.push(["unrelated", y(level.mean)]);
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
