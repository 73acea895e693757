// Nodes in the order and the choice that are wanted.

/** What nodes can be chosen by: key, name, and which they are. */
export const FILTERS = [
  ["all", "All", () => true],
  ["live", "Live", ({ state }) => state === "live"],
  ["replicating", "Replicating", ({ state }) => state === "replicating"],
  ["away", "Away", ({ state }) => state !== "live" && state !== "replicating"],
  ["alerts", "With alerts", (node) => raisedOf(node) > 0],
];

const STATES = ["offline", "stale", "unseen", "replicating", "live"];

function raisedOf({ alarms = {} }) {
  return (alarms?.warning ?? 0) + 1000 * (alarms?.critical ?? 0);
}

const KEYS = {
  state: (node) => STATES.indexOf(node.state),
  hostname: () => 0,
  cpu: (node) => -(node.cpu ?? -1),
  alerts: (node) => -raisedOf(node),
  newest: (node) => node.newest,
  hops: (node) => node.hops,
  metrics: (node) => -(node.metrics ?? 0),
};

/** @returns {Record<string, number>} how many nodes each filter leaves */
export function counts(nodes) {
  return Object.fromEntries(FILTERS.map(([key, , fits]) => [key, nodes.filter(fits).length]));
}

function fits(node, words) {
  if (!words.length) return true;
  const labels = Object.entries(node.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  const text = [node.hostname, node.guid, node.version, node.os, ...labels].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

/**
 * @param {object[]} nodes
 * @param {{filter: string, find: string, by: string, down: boolean}} wanted
 * @returns {object[]} worst, busiest, or nearest first, as the key has it; then by name
 */
export function arrangeNodes(nodes, { filter = "all", find = "", by = "state", down = false }) {
  const chosen = FILTERS.find(([key]) => key === filter)?.[2] ?? (() => true);
  const words = find.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const key = KEYS[by] ?? KEYS.state;
  const byName = new Intl.Collator(undefined, { numeric: true }).compare;
  const sorted = nodes
    .filter((node) => chosen(node) && fits(node, words))
    .sort((a, b) => key(a) - key(b) || byName(a.hostname, b.hostname) || byName(a.guid, b.guid));
  return down ? sorted.reverse() : sorted;
}
