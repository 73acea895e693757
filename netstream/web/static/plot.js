// One chart drawn by uPlot.

import { hourAndMinute, ticks, timeOfDay } from "./format.js";
import { colour } from "./palette.js";

const { uPlot } = globalThis;

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const AXIS_WIDTH = 48;
const PADDING = 12;
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

// Points that stand alone would be invisible as lines.
function lonely(plot, series) {
  const values = plot.data[series];
  const [from, to] = plot.series[0].idxs;
  const found = [];
  for (let at = from; at <= to; at += 1) {
    if (values[at] != null && values[at - 1] == null && values[at + 1] == null) found.push(at);
  }
  return found;
}

/**
 * What is drawn: lines at their own height, or on top of one another, those below zero
 * downwards.
 *
 * @param {number[][]} values scaled
 * @param {boolean[]} shown one for each dimension
 * @param {boolean} stacked
 * @returns {{columns: number[][], bands: {series: number[], dir: number}[]}}
 */
function pile(values, shown, stacked) {
  if (!stacked) return { columns: values, bands: [] };
  const length = values[0]?.length ?? 0;
  const sums = [new Float64Array(length), new Float64Array(length)];
  const below = [0, 0];
  const bands = [];
  const columns = values.map((column, index) => {
    if (!shown[index]) return column;
    const side = isNegative(column) ? 1 : 0;
    const sum = sums[side];
    const piled = column.map((value, at) => {
      if (value === null) return null;
      sum[at] += value;
      return sum[at];
    });
    if (below[side]) bands.push({ series: [index + 1, below[side]], dir: side ? 1 : -1 });
    below[side] = index + 1;
    return piled;
  });
  return { columns, bands };
}

function isNegative(column) {
  let sum = 0;
  for (const value of column) sum += value ?? 0;
  return sum < 0;
}

const isFlat = ({ show, min, max }) => !show || ![min, max].some((value) => Number.isFinite(value) && value !== 0);

/** The vertical range: zero is in it for areas, and for lines where it costs little. */
function heights(low, high, filled) {
  if (low === null || high === null) return [0, 1];
  let from = low;
  let to = high;
  if (filled || (from >= 0 && from < to * 0.6)) from = Math.min(0, from);
  if (filled || (to <= 0 && to > from * 0.6)) to = Math.max(0, to);
  if (from === to) {
    if (from === 0) return [0, 1];
    const room = Math.abs(from) * 0.1;
    return [from - room, to + room];
  }
  const room = (to - from) * 0.06;
  return [from === 0 ? 0 : from - room, to === 0 ? 0 : to + room];
}

export class Plot {
  #plot = null;
  #shape = "";
  #bands = [];

  /**
   * @param {HTMLElement} parent is filled with the plot
   * @param {string} type `line`, `area` or `stacked`
   * @param {(index: number|null) => void} onCursor is told the point under the cursor
   * @param {{from: number, to: number}} view the seconds on show, shared by all charts
   */
  constructor(parent, type, onCursor, view) {
    this.parent = parent;
    this.type = type;
    this.onCursor = onCursor;
    this.view = view;
  }

  /**
   * Draw.
   *
   * @param {number[]} times
   * @param {number[][]} values scaled
   * @param {boolean[]} shown one for each dimension
   * @param {boolean} isDuration how to write the axis
   */
  draw(times, values, shown, isDuration) {
    const { columns, bands } = pile(values, shown, this.type === "stacked");
    const shape = JSON.stringify([shown, bands, isDuration]);
    if (shape !== this.#shape) {
      this.destroy();
      this.#shape = shape;
      this.#bands = bands;
    }
    const data = [times, ...columns];
    if (this.#plot) this.#plot.setData(data);
    else this.#plot = new uPlot(this.#options(shown, isDuration), data, this.parent);
  }

  resize() {
    const { width, height } = this.#size();
    if (this.#plot && (this.#plot.width !== width || this.#plot.height !== height)) this.#plot.setSize({ width, height });
  }

  destroy() {
    this.#plot?.destroy();
    this.#plot = null;
    this.#shape = "";
  }

  /** Put the cursor on a point, here and on all other charts; null takes it away. */
  point(index) {
    if (!this.#plot) return;
    const left = index === null ? -10 : this.#plot.valToPos(this.#plot.data[0][index], "x");
    this.#plot.setCursor({ left, top: index === null ? -10 : 1 }, true, true);
  }

  #size() {
    return { width: Math.max(120, this.parent.clientWidth), height: Math.max(80, this.parent.clientHeight) };
  }

  #options(shown, isDuration) {
    const { color: ink, borderTopColor: rule } = getComputedStyle(this.parent);
    const filled = this.type !== "line";
    const stacked = this.type === "stacked";
    const series = shown.map((show, index) => ({
      show,
      stroke: colour(index),
      // The edge of a layer without height would cover the one below it.
      width: stacked ? 0 : 1.5,
      fill: filled ? `${colour(index)}${stacked ? "cc" : "40"}` : undefined,
      points: { show: true, filter: lonely, size: 3 },
    }));
    const axis = { stroke: ink, font: FONT, ticks: { show: false }, grid: { stroke: rule, width: 1 } };
    return {
      ...this.#size(),
      padding: [8, PADDING, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { size: 6 },
        sync: { key: "netstream", setSeries: false, scales: ["x", null] },
      },
      bands: this.#bands,
      scales: {
        x: { time: true, range: () => [this.view.from, this.view.to] },
        y: { range: (_plot, low, high) => heights(low, high, filled) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          gap: 4,
          size: 21,
          space: 64,
          incrs: TIME_STEPS,
          values: (plot, splits) => {
            const fine = splits.some((split) => split % 60 !== 0);
            const most = plot.over.clientWidth + PADDING - (fine ? 24 : 15);
            return splits.map((split) => {
              // A label that does not fit is better left out than cut off.
              if (plot.valToPos(split, "x") > most) return "";
              return fine ? timeOfDay(split) : hourAndMinute(split);
            });
          },
        },
        {
          ...axis,
          gap: 6,
          size: isDuration ? AXIS_WIDTH + 28 : AXIS_WIDTH,
          space: 34,
          values: (plot, splits) => {
            const labels = ticks(splits, isDuration);
            // Where nothing happens, a scale says nothing.
            return plot.series.slice(1).every(isFlat) ? labels.map((_label, at) => (splits[at] === 0 ? "0" : "")) : labels;
          },
        },
      ],
      series: [{}, ...series],
      hooks: {
        setCursor: [(plot) => this.onCursor(plot.cursor.left < 0 ? null : plot.cursor.idx ?? null)],
      },
    };
  }
}
