// Charts as files.

import { fromTo, stamp } from "./format.js";

// More names would leave little of a picture to the chart.
const MOST_NAMES = 40;

// Characters of the name of a file; some file systems take no more bytes than twice as many.
const LONGEST_NAME = 120;

/**
 * @param {string[]} words whose file it is
 * @param {{from: number, to: number}} view the time that is in it
 * @param {string} ending
 * @returns {string} a name that any file system takes; what is too long is cut off in the words
 */
export function fileName(words, { from, to }, ending) {
  const end = `-${stamp(from)}-${stamp(to)}.${ending}`;
  const safe = words.map((word) => word.replaceAll(/[^\w.-]+/g, "_")).join("-");
  return safe.replace(/^\.+/, "_").slice(0, LONGEST_NAME - end.length) + end;
}

/** Have the browser save something under a name. */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * One field of a file of comma-separated values.  A text that a spreadsheet would take as a
 * formula is marked as text.
 */
function field(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * @param {string[]} names of the columns
 * @param {number[]} times UTC seconds
 * @param {(number|null)[][]} values a column each
 * @param {{from: number, to: number}} view what is wanted of it
 * @returns {string}
 */
export function csv(names, times, values, view) {
  const lines = [["time", ...names].map(field).join(",")];
  times.forEach((time, at) => {
    if (time < view.from || time > view.to) return;
    const when = new Date(time * 1000).toISOString().replace(".000Z", "Z");
    lines.push([when, ...values.map((column) => column[at])].map(field).join(","));
  });
  return `${lines.join("\r\n")}\r\n`;
}

/** @returns {string} the text, or as much of it as there is room for: letters that are squeezed cannot be read */
export function fitted(pen, text, room) {
  let most = text.length;
  const cut = () => (most < text.length ? `${text.slice(0, most).trimEnd()}…` : text);
  while (most > 1 && pen.measureText(cut()).width > room) most -= 1;
  return cut();
}

/**
 * A picture of a chart with its title and legend.
 *
 * @param {{canvas: HTMLCanvasElement, pixel: number}} drawing the plot, and how many of its pixels are one of the page
 * @param {{title: string, under: string, units: string, view: {from: number, to: number}, legend: {name: string, colour: string}[], blank: string}} words
 *     `blank` stands where nothing is to be seen
 * @returns {Promise<Blob>}
 */
export function picture({ canvas, pixel }, { title, under, units, view, legend, blank }) {
  const style = getComputedStyle(document.documentElement);
  const shade = (name) => style.getPropertyValue(name).trim();
  const made = document.createElement("canvas");
  const pen = made.getContext("2d");
  const font = (size, weight) => `${weight} ${size * pixel}px system-ui, "Segoe UI", Roboto, Arial, sans-serif`;
  const margin = 14 * pixel;
  const width = canvas.width + 2 * margin;

  pen.font = font(12, 400);
  const rows = [[]];
  let used = 0;
  const named = legend.length > MOST_NAMES ? [...legend.slice(0, MOST_NAMES), { name: `and ${legend.length - MOST_NAMES} more` }] : legend;
  for (const item of named) {
    const name = fitted(pen, item.name, width - 2 * margin - 30 * pixel);
    const size = pen.measureText(name).width + 30 * pixel;
    if (used && used + size > width - 2 * margin) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1).push({ ...item, name, at: used });
    used += size;
  }
  const top = 52 * pixel;
  made.width = width;
  made.height = top + canvas.height + rows.length * 20 * pixel + margin;
  pen.fillStyle = shade("--panel");
  pen.fillRect(0, 0, made.width, made.height);
  pen.textBaseline = "alphabetic";
  pen.fillStyle = shade("--ink");
  pen.font = font(14, 600);
  pen.fillText(fitted(pen, title, width - 2 * margin - 100 * pixel), margin, 22 * pixel);
  pen.font = font(12, 400);
  pen.fillStyle = shade("--soft");
  pen.fillText(fitted(pen, `${under} · ${fromTo(view.from, view.to)}`, width - 2 * margin), margin, 40 * pixel);
  pen.textAlign = "right";
  pen.fillText(fitted(pen, units, 96 * pixel), width - margin, 22 * pixel);
  pen.textAlign = "center";
  pen.fillText(blank, width / 2, top + canvas.height / 2);
  pen.textAlign = "left";
  pen.drawImage(canvas, margin, top);
  rows.forEach((row, line) => {
    const y = top + canvas.height + (line * 20 + 14) * pixel;
    for (const { name, colour, at } of row) {
      if (colour) {
        pen.fillStyle = colour;
        pen.fillRect(margin + at, y - 9 * pixel, 10 * pixel, 10 * pixel);
      }
      pen.fillStyle = shade(colour ? "--ink" : "--soft");
      pen.fillText(name, margin + at + 16 * pixel, y);
    }
  });
  return new Promise((resolve) => made.toBlob(resolve, "image/png"));
}
