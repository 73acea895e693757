// The few numbers that one looks at first, each with its last minutes.

import { byId, element, say } from "./dom.js";
import { Recent } from "./feed.js";
import { reading, roughly, scaleFor } from "./format.js";
import { fragment, settle } from "./place.js";
import { Spark } from "./spark.js";
import { visit } from "./contents.js";

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

// What the rows of a feed say, one after the other; null in a gap.
const told = ({ times, values, ids }, kind) =>
  times.map((_time, at) => {
    const row = values.map((column) => column[at]);
    return row.every((value) => value === null) ? null : kind.value(row, ids);
  });

/** @returns {number|null} the last of the points of a feed, if that is as new as the time on show */
const newestOf = ({ times, step }, points, view) => (times.length && view.to - times.at(-1) <= 5 * step + 5 ? points.at(-1) : null);

class Tile {
  near = false;
  /** UTC seconds that it tells about; null for the newest. */
  at = null;
  #drawn = "";

  constructor(kind, feed, recent, view) {
    this.kind = kind;
    this.feed = feed;
    this.recent = recent;
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
      this.spark = new Spark();
      this.node.append(this.spark.node);
    }
  }

  setNear(near) {
    this.near = near;
    if (near) this.draw();
  }

  draw() {
    const { feed, recent, kind, view } = this;
    const at = this.at !== null && this.at >= view.from && this.at <= view.to ? this.at : null;
    const state = `${feed.version} ${recent.version} ${view.from} ${view.to} ${at}`;
    if (state === this.#drawn) return;
    this.#drawn = state;
    const { times } = feed;
    const points = told(feed, kind);
    // The last point of a long time is the mean of hours.
    const last = feed.grouped ? newestOf(recent, told(recent, kind), view) : null;
    const newest = last ?? (feed.grouped && !recent.loaded ? null : newestOf(feed, points, view));
    const said = at === null ? newest : (points[feed.pointAt(at)] ?? null);
    const units = kind.units ?? feed.chart.units;
    const scale = scaleFor(units, Math.abs(said ?? 0));
    const number = said === null || said === undefined ? null : said * scale.factor;
    const sized = number === null ? 1 : Math.max(1, Math.abs(number));
    say(this.number, number !== null && scale.duration ? roughly(number) : reading(number, sized * 10));
    say(this.units, number === null || scale.units === "load" ? "" : scale.units);
    this.spark?.draw(times, points, view.from, view.to, units === "percentage" ? 100 : 0);
    this.spark?.mark(at === null ? null : (at - view.from) / (view.to - view.from));
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
  const kinds = TILES.filter(({ chart }) => feeds.has(chart));
  const recents = new Map(kinds.map(({ chart }) => [chart, new Recent(feeds.get(chart).chart)]));
  const made = kinds.map((kind) => new Tile(kind, feeds.get(kind.chart), recents.get(kind.chart), view));
  const row = byId("glance");
  row.hidden = !made.length;
  row.replaceChildren(...made.map(({ node }) => node));
  return made;
}
