// What the address says behind its `#`: the time range and where on the page to be.

/** Seconds by the name in the address. */
export const RANGES = new Map([
  ["1m", 60],
  ["5m", 300],
  ["15m", 900],
  ["60m", 3600],
]);

const USUAL = "5m";

const read = () => new URLSearchParams(location.hash.slice(1));

/** @returns {string} the name of the time range */
export function rangeName() {
  const name = read().get("last") ?? "";
  return RANGES.has(name) ? name : USUAL;
}

/** @returns {string} the id of the element to be at, or "" */
export const anchor = () => read().get("at") ?? "";

/**
 * @param {string} at id of an element
 * @param {string} [range]
 * @returns {string} the part of an address behind its `#`
 */
export function fragment(at, range = rangeName()) {
  const said = new URLSearchParams();
  if (range !== USUAL) said.set("last", range);
  if (at) said.set("at", at);
  return `#${said}`;
}

/** Be somewhere else, without a new entry in the history. */
export function settle(at, range = rangeName()) {
  const wanted = fragment(at, range);
  const bare = location.pathname + location.search;
  if (wanted !== (location.hash || "#")) history.replaceState(null, "", wanted === "#" ? bare : wanted);
}

/**
 * The address under which the node's own dashboard is, seen from here.
 *
 * @returns {string} ends with a slash
 */
export function home() {
  const host = /^(.*\/)host\/[^/]+\/$/.exec(location.pathname);
  return host ? host[1] : "./";
}
