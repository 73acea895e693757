// Small pictures of the last minutes.

import { drawn } from "./dom.js";

const WIDTH = 100;
const HEIGHT = 24;
const MOST_POINTS = 80;

/** The means of as many stretches as a small picture can show. */
function thin(times, points) {
  const size = Math.ceil(times.length / MOST_POINTS);
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

/**
 * @param {number[]} allTimes
 * @param {(number|null)[]} allPoints
 * @param {number} from
 * @param {number} to
 * @param {number} least the height that the picture has at least
 * @returns {{line: string, area: string}} two paths in a box of 100 by 24
 */
export function paths(allTimes, allPoints, from, to, least = 0) {
  const [times, points] = thin(allTimes, allPoints);
  const top = Math.max(least, 1e-9, ...points.filter((value) => value !== null)) * 1.05;
  let line = "";
  let area = "";
  let start = null;
  let last = 0;
  const close = () => {
    if (start !== null) area += `L${last.toFixed(1)} ${HEIGHT}L${start.toFixed(1)} ${HEIGHT}Z`;
    start = null;
  };
  points.forEach((value, at) => {
    if (value === null || times[at] < from) {
      close();
      return;
    }
    const x = (WIDTH * (times[at] - from)) / (to - from);
    const y = HEIGHT - ((HEIGHT - 2) * Math.max(0, value)) / top;
    const step = `${start === null ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    line += step;
    area += step;
    start ??= x;
    last = x;
  });
  close();
  return { line, area };
}

/** An empty picture. */
export class Spark {
  constructor() {
    this.line = drawn("path");
    this.area = drawn("path", { class: "area" });
    this.node = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", class: "spark" }, this.area, this.line);
  }

  /** Mark a place of it, as a part of its width; null for none. */
  mark(part) {
    if (part === null) return this.cursor?.remove();
    this.cursor ??= drawn("path", { class: "cursor" });
    const x = (WIDTH * part).toFixed(1);
    this.cursor.setAttribute("d", `M${x} 0V${HEIGHT}`);
    return this.node.append(this.cursor);
  }

  draw(...what) {
    const { line, area } = paths(...what);
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }
}
