// Numbers, units and times as people read them.

const LADDERS = [
  { base: 1000, units: ["bits/s", "kilobits/s", "megabits/s", "gigabits/s"] },
  { base: 1024, units: ["B/s", "KiB/s", "MiB/s", "GiB/s"], also: { "bytes/s": "B/s", "kilobytes/s": "KiB/s" } },
  { base: 1024, units: ["B", "KiB", "MiB", "GiB", "TiB"], also: { bytes: "B", KB: "KiB", MB: "MiB", GB: "GiB" } },
  { base: 1000, units: ["nanoseconds", "microseconds", "milliseconds", "seconds"], lowest: 1 },
  { base: 1000, units: ["Hz", "kHz", "MHz", "GHz"] },
];

const SHORT = {
  percentage: "%",
  "kilobits/s": "kbit/s",
  "megabits/s": "Mbit/s",
  "gigabits/s": "Gbit/s",
  "bits/s": "bit/s",
  nanoseconds: "ns",
  microseconds: "µs",
  milliseconds: "ms",
};

/**
 * How the values of a chart are written.
 *
 * @typedef {object} Scale
 * @property {string} units to show
 * @property {number} factor to multiply with
 * @property {boolean} duration the values are lengths of time
 */

/**
 * @param {string} units of the chart
 * @param {number} largest absolute value on show
 * @returns {Scale}
 */
export function scaleFor(units, largest) {
  if (units === "seconds" && largest >= 120) return { units: "", factor: 1, duration: true };
  for (const { base, units: steps, also = {}, lowest = 0 } of LADDERS) {
    const from = steps.indexOf(also[units] ?? units);
    if (from < 0) continue;
    // "seconds" are the top of their ladder and stay what they are.
    if (steps[from] === "seconds") break;
    let to = from;
    let factor = 1;
    while (to + 1 < steps.length && largest * factor >= base) {
      to += 1;
      factor /= base;
    }
    while (to > lowest && largest > 0 && largest * factor < 1) {
      to -= 1;
      factor *= base;
    }
    return { units: SHORT[steps[to]] ?? steps[to], factor, duration: false };
  }
  return { units: SHORT[units] ?? units, factor: 1, duration: false };
}

const formats = new Map();

function decimal(value, digits, compact = false) {
  const key = compact ? -1 - digits : digits;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat("en-GB", {
      minimumFractionDigits: compact ? 0 : digits,
      maximumFractionDigits: digits,
      notation: compact ? "compact" : "standard",
    });
    formats.set(key, format);
  }
  return format.format(value).replace("-", "−");
}

/** @returns {string} a length of time such as `3d 04:05:06` */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const days = Math.floor(whole / 86400);
  const clock = `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return days ? `${days}d ${clock}` : clock;
}

/** @returns {string} the same in few characters, such as `3d 4h` */
export function roughly(seconds) {
  if (seconds < 86400) return duration(seconds);
  return `${Math.floor(seconds / 86400)}d ${Math.floor(seconds / 3600) % 24}h`;
}

/**
 * A number that is compared with others of its chart: all have the same decimals.
 *
 * @param {number|null|undefined} value scaled already
 * @param {number} largest absolute value beside it, scaled as well
 * @param {boolean} whole they are all integers
 */
export function reading(value, largest, whole = false) {
  if (value === null || value === undefined) return "–";
  // Of what is tiny, two digits say something.
  const tiny = () => Math.min(9, 1 - Math.floor(Math.log10(largest)));
  const digits = whole || largest >= 1000 ? 0 : largest >= 100 ? 1 : largest >= 1 || largest === 0 ? 2 : Math.max(3, tiny());
  const text = decimal(value, digits);
  return /^−[0.]*$/.test(text) ? text.slice(1) : text;
}

/** @returns {string} how many there are in a second, with decimals only where there are few */
export const perSecond = (value) => (value < 0.005 ? "0" : reading(value, Math.max(1, value), value >= 10 || Number.isInteger(value)));

/** @returns {string[]} the labels of an axis */
export function ticks(splits, isDuration) {
  if (isDuration) return splits.map((value) => (value < 0 ? "" : duration(value)));
  const largest = Math.max(...splits.map(Math.abs));
  if (largest >= 10000) return splits.map((value) => decimal(value, 1, true));
  const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits += 1;
  return splits.map((value) => decimal(value + 0, digits));
}

/**
 * @param {string[]|null} labels of an axis; null before there are any
 * @returns {number} pixels that it needs: lengths of time are longer than numbers
 */
export const breadth = (labels) => Math.max(48, 12 + 6.5 * Math.max(0, ...(labels ?? []).map(({ length }) => length)));

// Without a choice of the reader times are those of the computer.
const CHOICE = "netstream-zone";
/** Whether the reader wants times in UTC. */
export const inUTC = stored() === "UTC";

function stored() {
  try {
    return globalThis.localStorage?.getItem(CHOICE);
  } catch {
    return null;
  }
}

/** Write times in UTC from now on, or as the computer does; the page begins anew with what it shows. */
export function useUTC(wanted) {
  try {
    if (wanted) localStorage.setItem(CHOICE, "UTC");
    else localStorage.removeItem(CHOICE);
  } catch {
    return;
  }
  location.reload();
}

const zone = inUTC ? { timeZone: "UTC" } : {};
const clock = new Intl.DateTimeFormat("en-GB", { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { ...zone, hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { ...zone, day: "numeric", month: "short" });
const dated = new Intl.DateTimeFormat("en-GB", { ...zone, day: "numeric", month: "short", year: "numeric" });
const zoned = new Intl.DateTimeFormat("en-GB", { ...zone, timeZoneName: "shortOffset" });
const digits = new Intl.DateTimeFormat("en-GB", { ...zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const full = new Intl.DateTimeFormat("en-GB", { ...zone, dateStyle: "medium", timeStyle: "medium" });

/** What the zone is called that times are written in, such as `Europe/Berlin`. */
export const ZONE = full.resolvedOptions().timeZone;

/** @param {number} seconds UTC seconds */
export const timeOfDay = (seconds) => clock.format(seconds * 1000);
/** @param {number} seconds UTC seconds */
export const hourAndMinute = (seconds) => minutes.format(seconds * 1000);
/** @param {number} seconds UTC seconds */
export const dateAndTime = (seconds) => full.format(seconds * 1000);
/** @returns {string} a second as names of files hold it, such as `20261129T120000`, with `Z` in UTC */
export const stamp = (seconds) => {
  const { year, month, day, hour, minute, second } = Object.fromEntries(digits.formatToParts(seconds * 1000).map(({ type, value }) => [type, value]));
  return `${year}${month}${day}T${hour}${minute}${second}${ZONE === "UTC" ? "Z" : ""}`;
};
/** @returns {string} the time of day of a second of today, else its date as well */
export const clockOrDate = (seconds, now) => (dated.format(seconds * 1000) === dated.format(now * 1000) ? timeOfDay(seconds) : dateAndTime(seconds));
/** @param {number} seconds UTC seconds */
export const dayAndMonth = (seconds) => days.format(seconds * 1000);
/** @param {number} seconds UTC seconds */
export const isMidnight = (seconds) => hourAndMinute(seconds) === "00:00";

/** @returns {string} how far from UTC the times are that are written here, such as `UTC+2` */
export const offset = (seconds) => {
  const { value } = zoned.formatToParts(seconds * 1000).find(({ type }) => type === "timeZoneName");
  return value.replace("GMT", "UTC").replace(/\+0$/, "");
};

/** @returns {string} a time from and to in full: with its date, once where it is the same, and its zone */
export function fromTo(after, before) {
  const end = dated.format(after * 1000) === dated.format(before * 1000) ? timeOfDay(before) : dateAndTime(before);
  return `${dateAndTime(after)} – ${end} ${offset(before)}`;
}

/** @returns {string} a length of time in words, such as `5 minutes` */
export function inWords(seconds) {
  for (const [size, name] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds % size === 0 && seconds >= size) return `${seconds / size} ${name}${seconds === size ? "" : "s"}`;
  }
  return `${seconds} seconds`;
}

/** @returns {string} how long ago or from now, in one or two characters and a unit */
export function age(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} d`;
}

/** @returns {string} bytes as people read them */
export function bytes(value, per = "") {
  const { units, factor } = scaleFor("B", Math.abs(value));
  const scaled = value * factor;
  return `${reading(scaled, Math.max(1, Math.abs(scaled)), units === "B")} ${units}${per}`;
}

/** @returns {string} a time from and to, the day named once where it is the same, and years where they matter */
export function between(after, before, now = Date.now() / 1000) {
  if (before - after >= 360 * 86400) return `${dated.format(after * 1000)} – ${dated.format(before * 1000)}`;
  const year = (seconds) => dated.formatToParts(seconds * 1000).find(({ type }) => type === "year").value;
  const dayOf = (seconds) => (year(seconds) === year(now) ? dayAndMonth : (then) => dated.format(then * 1000))(seconds);
  const day = dayOf(after);
  const fine = before - after < 600;
  const clockOf = fine ? timeOfDay : hourAndMinute;
  const end = dayOf(before) === day ? clockOf(before) : `${dayOf(before)}, ${clockOf(before)}`;
  return `${day}, ${clockOf(after)} – ${end}`;
}
