// One chart drawn by uPlot.

import { breadth, dayAndMonth, hourAndMinute, inUTC, isMidnight, ticks, timeOfDay } from "./format.js";
import { colour } from "./palette.js";

const { uPlot } = globalThis;

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
// The size of type that distances around the axes are for.
const USUAL = 11;
const PADDING = 12;
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400, 365 * 86400];

const DURATION_STEPS = [...TIME_STEPS.filter((step) => step <= 14400), ...[0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].map((days) => days * 86400)];
// Pixels of a saved picture, and on paper, for each of a plain screen.
const SHARP = 2;

const sharpness = () => Math.max(1, SHARP / (globalThis.devicePixelRatio || 1));

// Pixels that a finger may tremble.
const LEAST_DRAG = 6;

/**
 * The time that is on show when fingers hold seconds where they are.
 *
 * @param {{at: number, time: number, width: number, from: number, to: number}[]} fingers one or two: the place in pixels, the second
 *     that is held, and the width and the time that there were
 * @returns {[number, number]} UTC seconds
 */
export function grip([one, two]) {
  const { width, from, to } = one;
  const apart = two ? two.at - one.at : 0;
  const turned = two && apart * (two.time - one.time) <= 0;
  const second = two && !turned ? (two.time - one.time) / apart : (to - from) / width;
  const begin = one.time - one.at * second;
  return [begin, begin + width * second];
}

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
const isStill = ({ series }) => series.slice(1).every(isFlat);

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
  // Pixels that it is drawn with for each of the page.
  #factor = 1;
  #shape = "";
  #bands = [];
  #shown = [];
  #isDuration = false;

  /**
   * @param {HTMLElement} parent is filled with the plot
   * @param {string} type `line`, `area` or `stacked`
   * @param {(index: number|null) => void} onCursor is told the point under the cursor
   * @param {{from: number, to: number}} view the seconds on show, shared by all charts
   * @param {(from: number, to: number, whole?: boolean) => void} [onSpan] is told the time that was chosen, and whether at once
   */
  constructor(parent, type, onCursor, view, onSpan = () => {}) {
    this.parent = parent;
    this.type = type;
    this.onCursor = onCursor;
    this.view = view;
    this.onSpan = onSpan;
    /** @type {{when: number, colour: string}[]} moments that are marked */
    this.marks = [];
    /** @type {{when: number, part: number}[]} points with anomalies, and which part of their dimensions has one */
    this.anomalies = [];
    this.step = 1;
  }

  /**
   * Draw it once more, finely enough to be looked at elsewhere.
   *
   * @returns {Promise<{canvas: HTMLCanvasElement, pixel: number}|null>} null when it is not on the screen
   */
  async sharp() {
    if (!this.#plot) return null;
    const ratio = globalThis.devicePixelRatio || 1;
    const factor = sharpness();
    const options = { ...this.#options(this.#shown, this.#isDuration, factor), cursor: { show: false } };
    const plot = new uPlot(options, this.#plot.data, document.createElement("div"));
    // It draws when whoever made it is done.
    await new Promise((resolve) => setTimeout(resolve));
    const { canvas } = plot.ctx;
    plot.destroy();
    return { canvas, pixel: ratio * factor };
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
    this.#shown = shown;
    this.#isDuration = isDuration;
    const data = [times, ...columns];
    if (this.#plot) this.#plot.setData(data);
    else {
      this.#factor = "paper" in document.documentElement.dataset ? sharpness() : 1;
      this.#plot = new uPlot(this.#options(shown, isDuration, this.#factor), data, this.parent);
      this.#listen(this.#plot.over);
    }
  }

  /** Dragging chooses a time (uPlot does that), with shift it moves it, and so does a wheel. */
  #listen(over) {
    const seconds = (pixels) => (pixels / Math.max(1, over.clientWidth)) * (this.view.to - this.view.from);
    over.addEventListener(
      "wheel",
      (event) => {
        const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) && !event.shiftKey && !event.ctrlKey;
        if (!sideways && !event.shiftKey && !event.ctrlKey) return;
        event.preventDefault();
        const { from, to } = this.view;
        if (sideways) {
          const by = seconds(event.deltaX);
          this.onSpan(from + by, to + by);
          return;
        }
        const factor = (event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8;
        const at = from + seconds(event.clientX - over.getBoundingClientRect().left);
        this.onSpan(at - (at - from) * factor, at + (to - at) * factor);
      },
      { passive: false },
    );
    over.addEventListener(
      "mousedown",
      (event) => {
        if (!event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        const { from, to } = this.view;
        const start = event.clientX;
        const second = seconds(1);
        const move = ({ clientX }) => {
          const by = (start - clientX) * second;
          this.onSpan(from + by, to + by);
        };
        document.addEventListener("mousemove", move);
        document.addEventListener("mouseup", () => document.removeEventListener("mousemove", move), { once: true });
      },
      { capture: true },
    );
    this.#touch(over);
  }

  /** One finger moves the time, two zoom it, each staying on its second; up and down the page scrolls. */
  #touch(over) {
    const fingers = new Map();
    let held = [];
    const hold = () => {
      const { from, to } = this.view;
      const { left, width } = over.getBoundingClientRect();
      held = [...fingers].map(([id, x]) => ({ id, x, at: x - left, width, time: from + ((x - left) / width) * (to - from), from, to }));
    };
    over.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch") return;
      fingers.set(event.pointerId, event.clientX);
      hold();
    });
    over.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, event.clientX);
      const moved = held.map(({ id, x }) => fingers.get(id) - x);
      if (!moved.some((by) => Math.abs(by) >= LEAST_DRAG)) return;
      this.onSpan(...grip(held.map((finger, place) => ({ ...finger, at: finger.at + moved[place] }))));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      over.addEventListener(end, ({ pointerId, clientX }) => {
        const [finger, other] = held;
        if (!fingers.delete(pointerId)) return;
        // A tap reads the values there.
        if (end === "pointerup" && !other && Math.abs(clientX - finger.x) < LEAST_DRAG) this.#plot?.setCursor({ left: finger.at, top: 1 }, true, true);
        hold();
      });
    }
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.onSpan(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"), true);
  }

  #mark(plot, factor) {
    const { ctx, bbox } = plot;
    const pixel = (globalThis.devicePixelRatio || 1) * factor;
    ctx.save();
    ctx.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--odd").trim();
    for (const { when, part } of this.anomalies) {
      if (!part || when < this.view.from || when > this.view.to) continue;
      const right = Math.min(plot.valToPos(when, "x", true), bbox.left + bbox.width);
      const left = Math.max(bbox.left, Math.min(plot.valToPos(when - this.step, "x", true), right - 2 * pixel));
      ctx.globalAlpha = 0.35 + 0.65 * part;
      ctx.fillRect(left, bbox.top, right - left, 4 * pixel);
    }
    ctx.globalAlpha = 1;
    for (const { when, colour: ink } of this.marks) {
      if (when < this.view.from || when > this.view.to) continue;
      const x = Math.round(plot.valToPos(when, "x", true)) + 0.5;
      ctx.strokeStyle = ctx.fillStyle = ink;
      ctx.lineWidth = pixel;
      ctx.setLineDash([3 * pixel, 3 * pixel]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 4 * pixel, bbox.top - 6 * pixel);
      ctx.lineTo(x + 4 * pixel, bbox.top - 6 * pixel);
      ctx.lineTo(x, bbox.top);
      ctx.fill();
    }
    ctx.restore();
  }

  resize() {
    const [width, height] = Object.values(this.#size()).map((length) => length * this.#factor);
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

  #options(shown, isDuration, factor = 1) {
    const { color: ink, borderTopColor: rule, fontSize } = getComputedStyle(this.parent);
    const size = (parseFloat(fontSize) || USUAL) * factor;
    const large = size / USUAL;
    const { width, height } = this.#size();
    const filled = this.type !== "line";
    const stacked = this.type === "stacked";
    const series = shown.map((show, index) => ({
      show,
      stroke: colour(index),
      // The edge of a layer without height would cover the one below it.
      width: stacked ? 0 : 1.5 * large,
      fill: filled ? `${colour(index)}${stacked ? "cc" : "40"}` : undefined,
      points: { show: true, filter: lonely, size: 3 * large },
    }));
    const axis = { stroke: ink, font: `${size}px ${FONT}`, ticks: { show: false }, grid: { stroke: rule, width: factor } };
    return {
      width: width * factor,
      height: height * factor,
      padding: [10 * factor, PADDING * factor, 0, 0],
      legend: { show: false },
      ...(inUTC ? { tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") } : {}),
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false, dist: 4 },
        points: { size: (6 * large) / factor },
        // Double-clicks are the card's affair.
        bind: { dblclick: () => null },
        sync: {
          key: "netstream",
          setSeries: false,
          scales: ["x", null],
          // What is dragged on one chart is no drag on the others.
          filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
        },
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
          gap: 4 * factor,
          size: 21 * large,
          // A tick where there is room for its words, but not too many of them.
          space: (_plot, _axis, _low, _high, length) => Math.max(64 * large, length / 14),
          incrs: TIME_STEPS,
          values: (plot, splits) => {
            const step = splits.length > 1 ? splits[1] - splits[0] : 1;
            const fine = step % 60 !== 0;
            const most = plot.bbox.width / uPlot.pxRatio + PADDING * factor - (fine ? 24 : 16) * large;
            // On the left stands the lowest number of the other axis.
            const least = (fine ? 22 : 14) * large;
            return splits.map((split) => {
              // A label that does not fit is better left out than cut off.
              const at = plot.valToPos(split, "x");
              if (at > most || at < least) return "";
              if (step >= 86400 || (step >= 3600 && isMidnight(split))) return dayAndMonth(split);
              return fine ? timeOfDay(split) : hourAndMinute(split);
            });
          },
        },
        {
          ...axis,
          // Where nothing happens, a scale says nothing.
          grid: { ...axis.grid, filter: (plot, splits) => (isStill(plot) ? splits.map((split) => (split === 0 ? 0 : null)) : splits) },
          gap: 6 * factor,
          size: (_plot, labels) => breadth(labels) * large,
          space: (_plot, _axis, _low, _high, length) => Math.max(34 * large, length / 10),
          ...(isDuration ? { incrs: DURATION_STEPS } : {}),
          values: (plot, splits) => {
            const labels = ticks(splits, isDuration);
            return isStill(plot) ? labels.map((_label, at) => (splits[at] === 0 ? "0" : "")) : labels;
          },
        },
      ],
      series: [{}, ...series],
      hooks: {
        setSelect: [(plot) => this.#select(plot)],
        draw: [(plot) => this.#mark(plot, factor)],
        setCursor: [(plot) => this.onCursor(plot.cursor.left < 0 ? null : plot.cursor.idx ?? null)],
      },
    };
  }
}
