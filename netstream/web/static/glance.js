// The few numbers that one looks at first, each with its last minutes.

import { byId, element, say } from "./dom.js";
import { reading, roughly, scaleFor } from "./format.js";
import { fragment, settle } from "./place.js";
import { visit } from "./contents.js";

const SVG = "http://www.w3.org/2000/svg";

const total = (row) => row.reduce((sum, value) => sum + (value ?? 0), 0);
const pick = (ids, wanted, fallback) => {
  const found = ids.findIndex((id) => wanted.includes(id));
  return found < 0 ? fallback : found;
};

// What a tile says: the row of values of a chart in, the number out.
const TILES = [
  { chart: "system.cpu", label: "CPU", units: "percentage", value: (row) => total(row) },
  { chart: "system.load", label: "Load, 1 min", value: (row, ids) => row[pick(ids, ["load1"], 0)] },
  {
    chart: "system.ram",
    label: "Memory used",
    units: "percentage",
    value: (row, ids) => (100 * (row[pick(ids, ["used"], 1)] ?? 0)) / (total(row) || 1),
  },
  { chart: "system.io", label: "Disk read", value: (row, ids) => Math.abs(row[pick(ids, ["in", "reads"], 0)] ?? 0) },
  { chart: "system.io", label: "Disk write", value: (row, ids) => Math.abs(row[pick(ids, ["out", "writes"], 1)] ?? 0) },
  { chart: "system.net", label: "Net received", value: (row, ids) => Math.abs(row[pick(ids, ["InOctets", "received"], 0)] ?? 0) },
  { chart: "system.net", label: "Net sent", value: (row, ids) => Math.abs(row[pick(ids, ["OutOctets", "sent"], 1)] ?? 0) },
  { chart: "system.uptime", label: "Uptime", value: (row) => row[0], plain: true },
];

const SPARK_POINTS = 80;

/** The means of as many stretches as a small picture can show. */
function thin(times, points) {
  const size = Math.ceil(times.length / SPARK_POINTS);
  if (size < 2) return [times, points];
  const starts = [];
  const means = [];
  // Whole strides from a fixed origin, so that the picture moves but does not boil.
  const stride = size * Math.max(1, times.at(-1) - times.at(-2));
  let sum = 0;
  let count = 0;
  times.forEach((time, at) => {
    if (points[at] !== null) {
      sum += points[at];
      count += 1;
    }
    const end = at + 1 === times.length || Math.floor(times[at + 1] / stride) !== Math.floor(time / stride);
    if (!end) return;
    starts.push(time);
    means.push(count ? sum / count : null);
    sum = count = 0;
  });
  return [starts, means];
}

class Tile {
  near = false;
  #drawn = "";

  constructor(kind, feed, view) {
    this.kind = kind;
    this.feed = feed;
    this.view = view;
    this.number = element("b", { textContent: "–" });
    this.units = element("span", { className: "units" });
    const target = `chart_${kind.chart}`;
    this.node = element(
      "a",
      { className: "tile", href: fragment(target) },
      element("span", { className: "label", textContent: kind.label }),
      element("span", { className: "number" }, this.number, this.units),
    );
    this.node.addEventListener("click", (event) => {
      event.preventDefault();
      if (visit(target)) settle(target);
    });
    if (!kind.plain) {
      this.line = document.createElementNS(SVG, "path");
      this.area = document.createElementNS(SVG, "path");
      this.area.setAttribute("class", "area");
      const spark = document.createElementNS(SVG, "svg");
      spark.setAttribute("viewBox", "0 0 100 24");
      spark.setAttribute("preserveAspectRatio", "none");
      spark.setAttribute("aria-hidden", "true");
      spark.append(this.area, this.line);
      this.node.append(spark);
    }
  }

  setNear(near) {
    this.near = near;
    if (near) this.draw();
  }

  draw() {
    const { feed, kind, view } = this;
    const state = `${feed.version} ${view.from} ${view.to}`;
    if (state === this.#drawn) return;
    this.#drawn = state;
    const { times, values, ids, step } = feed;
    const points = times.map((_time, at) => {
      const row = values.map((column) => column[at]);
      return row.every((value) => value === null) ? null : kind.value(row, ids);
    });
    const newest = times.length && view.to - times.at(-1) <= 5 * step + 5 ? points.at(-1) : null;
    const units = kind.units ?? feed.chart.units;
    const scale = scaleFor(units, Math.abs(newest ?? 0));
    const number = newest === null || newest === undefined ? null : newest * scale.factor;
    const sized = number === null ? 1 : Math.max(1, Math.abs(number));
    say(this.number, number !== null && scale.duration ? roughly(number) : reading(number, sized * 10));
    say(this.units, number === null || scale.units === "load" ? "" : scale.units);
    if (this.line) this.#spark(times, points, units === "percentage" ? 100 : 0);
  }

  #spark(allTimes, allPoints, most) {
    const { from, to } = this.view;
    const [times, points] = thin(allTimes, allPoints);
    const top = Math.max(most, 1e-9, ...points.filter((value) => value !== null)) * 1.05;
    let line = "";
    let area = "";
    let start = null;
    let last = 0;
    const close = () => {
      if (start !== null) area += `L${last.toFixed(1)} 24L${start.toFixed(1)} 24Z`;
      start = null;
    };
    points.forEach((value, at) => {
      if (value === null || times[at] < from) return close();
      const x = (100 * (times[at] - from)) / (to - from);
      const y = 24 - (22 * Math.max(0, value)) / top;
      const step = `${start === null ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
      line += step;
      area += step;
      start ??= x;
      last = x;
      return undefined;
    });
    close();
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }
}

/**
 * Fill the row of tiles with those whose chart there is.
 *
 * @param {Map<string, import("./feed.js").Feed>} feeds by chart id
 * @param {{from: number, to: number}} view
 * @returns {Tile[]}
 */
export function tiles(feeds, view) {
  const made = TILES.filter(({ chart }) => feeds.has(chart)).map((kind) => new Tile(kind, feeds.get(kind.chart), view));
  const row = byId("glance");
  row.hidden = !made.length;
  row.replaceChildren(...made.map(({ node }) => node));
  return made;
}
