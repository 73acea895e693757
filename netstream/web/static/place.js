// What the address says behind its `#`: the time on show and where on the page to be.

import { clock } from "./api.js";

const USUAL = 300;
const UNITS = { s: 1, m: 60, h: 3600, d: 86400 };
const SHORTEST = 5;
const LONGEST = 20 * 366 * 86400;
// Characters of an address that name what is hidden.
const LONGEST_HIDDEN = 1500;
const MOST_WIDE = 20;

/**
 * The time on show.
 *
 * @typedef {object} Span
 * @property {number} last seconds up to now, which is what one comes back to
 * @property {number} [after] UTC seconds; with `before` a time that stands still
 * @property {number} [before] UTC seconds
 */

/** @returns {number|null} the seconds that text such as `90s`, `5m`, `3 hours` or `2d` means */
export function seconds(text) {
  const found = /^\s*(\d{1,9}(?:\.\d{1,3})?)\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:(?:ou)?rs?)?|(d)(?:ays?)?)\s*$/i.exec(text);
  if (!found) return null;
  const [unit] = found.slice(2).filter(Boolean);
  const value = Math.round(Number(found[1]) * UNITS[unit.toLowerCase()]);
  return value >= SHORTEST && value <= LONGEST ? value : null;
}

/** @returns {string} the shortest text for a number of seconds */
export function short(value) {
  const unit = ["d", "h", "m"].find((name) => value % UNITS[name] === 0 && (name !== "d" || value >= 2 * UNITS.d) && (name !== "h" || value >= 2 * UNITS.h || value === UNITS.h));
  return unit ? `${value / UNITS[unit]}${unit}` : `${value}s`;
}

const read = () => new URLSearchParams(location.hash.slice(1));

/**
 * The time that the address names.  What makes no sense in it is not heeded, and nothing is shown of the future.
 *
 * @param {URLSearchParams} [said]
 * @param {number} [now] UTC seconds; until the node has told the time, the reader's clock is not taken for it
 * @returns {Span}
 */
export function span(said = read(), now = clock.known ? clock.now() : Infinity) {
  const number = (name) => (/^-?\d{1,11}$/.test(said.get(name) ?? "") ? Number(said.get(name)) : 0);
  const after = number("after");
  const last = seconds(said.get("last") ?? "") ?? USUAL;
  // As the API takes it: so many seconds up to now.
  if (after < 0 && number("before") === 0) return { last: -after >= SHORTEST && -after <= LONGEST ? -after : last };
  const before = Math.min(number("before"), Math.ceil(now) + 60);
  return after > 0 && before - after >= SHORTEST ? { last, after, before } : { last };
}

/**
 * @param {URLSearchParams} [said]
 * @returns {Map<string, string[]>} which dimensions of which charts are hidden
 */
export function hidden(said = read()) {
  const found = new Map();
  for (const text of said.getAll("hide")) {
    try {
      const [chart, ...dimensions] = text.split(",").map(decodeURIComponent);
      if (chart && dimensions.length) found.set(chart, dimensions);
    } catch {
      // Not written by us.
    }
  }
  return found;
}

/** @returns {string[]} the same for an address: what was hidden first is left out when it gets too long */
export function hiding(charts) {
  const parts = [...charts].filter(([, ids]) => ids.length).map(([chart, ids]) => [chart, ...ids].map(encodeURIComponent).join(","));
  let room = LONGEST_HIDDEN;
  const kept = parts.reverse().filter((part) => {
    const size = encodeURIComponent(part).length + 6;
    if (size > room) return false;
    room -= size;
    return true;
  });
  return kept.reverse();
}

/**
 * @param {URLSearchParams} [said]
 * @returns {string[]} ids of the charts that have the whole width of the page
 */
export const wide = (said = read()) => said.getAll("wide");

/** @returns {string} the id of the element to be at, or "" */
export const anchor = () => read().get("at") ?? "";

/**
 * @param {string} at id of an element
 * @param {Span} [wanted]
 * @param {Map<string, string[]>} [hides] dimensions of charts
 * @param {string[]} [wides] charts
 * @returns {string} the part of an address behind its `#`
 */
export function fragment(at, wanted = span(), hides = hidden(), wides = wide()) {
  const said = new URLSearchParams();
  if (wanted.last !== USUAL) said.set("last", short(wanted.last));
  if (wanted.after) {
    said.set("after", String(wanted.after));
    said.set("before", String(wanted.before));
  }
  if (at) said.set("at", at);
  for (const text of hiding(hides)) said.append("hide", text);
  for (const chart of wides.slice(-MOST_WIDE)) said.append("wide", chart);
  return `#${said}`;
}

/**
 * Be somewhere else, or write the address as what is on show has it.
 *
 * @param {string} at
 * @param {Span} [wanted]
 * @param {boolean} [kept] with a new entry in the history, so that going back leads here
 * @param {Map<string, string[]>} [hides]
 * @param {string[]} [wides]
 */
export function settle(at, wanted = span(), kept = false, hides = hidden(), wides = wide()) {
  const address = fragment(at, wanted, hides, wides);
  const bare = location.pathname + location.search;
  if (address === (location.hash || "#")) return;
  history[kept ? "pushState" : "replaceState"](null, "", address === "#" ? bare : address);
}

/** Keep in the address which dimensions of a chart are hidden. */
export function hide(chart, ids) {
  const all = hidden();
  all.delete(chart);
  if (ids.length) all.set(chart, ids);
  settle(anchor(), span(), false, all);
}

/** Keep in the address whether a chart is wide. */
export function widen(chart, wanted) {
  const others = wide().filter((id) => id !== chart);
  settle(anchor(), span(), false, hidden(), wanted ? [...others, chart] : others);
}

/**
 * The address under which the node that answers is, seen from here.
 *
 * @returns {string} ends with a slash
 */
export function home() {
  const host = /^(.*\/)host\/[^/]+\/[^/]*$/.exec(location.pathname);
  return host ? host[1] : "./";
}

const counted = new WeakMap();

/** How many of them have each name; a list is counted once. */
function namesOf(hosts) {
  if (!counted.has(hosts)) {
    const names = new Map();
    for (const { hostname } of hosts) names.set(hostname, (names.get(hostname) ?? 0) + 1);
    counted.set(hosts, names);
  }
  return counted.get(hosts);
}

/**
 * @param {{hostname: string, guid: string}} host
 * @param {{hostname: string}[]} hosts all of them: a name that two have names neither
 * @returns {string} the address of that node's own dashboard; ends with a slash
 */
export function address(host, hosts) {
  const plain = /^[A-Za-z0-9][\w.-]*$/.test(host.hostname);
  const alone = namesOf(hosts).get(host.hostname) === 1;
  // A name that another node has as well, or that an address cannot hold, is not used.
  return `${home()}host/${encodeURIComponent(plain && alone ? host.hostname : host.guid)}/`;
}

/**
 * Where a new child finds this node, as far as the address of a page tells.
 *
 * @param {URL} page where all pages of the node are
 * @returns {{at: string, doubt: string}} as `destination` takes it, and why it may be another
 */
export function destination({ hostname, port, protocol, pathname }) {
  const secure = protocol === "https:";
  const at = `${hostname}:${port || (secure ? 443 : 80)}${secure ? ":SSL" : ""}`;
  if (/^(localhost$|127\.|\[::1\]$)/.test(hostname)) {
    return { at, doubt: `Only this machine calls it ${hostname}: on another, write the name or address of the node.` };
  }
  // A web server in front of it hands pages on, but no samples.
  if (!port || pathname !== "/") return { at, doubt: "If a web server stands before the node, write the node's own address and port, such as 19999." };
  return { at, doubt: "" };
}
