// The points of many nodes as one chart: grouped and put together.

/** How several values at one time become one: name, words, start, step and end. */
export const WAYS = {
  sum: ["Sum", (values) => values.reduce((sum, value) => sum + value, 0)],
  avg: ["Average", (values) => values.reduce((sum, value) => sum + value, 0) / values.length],
  min: ["Lowest", (values) => Math.min(...values)],
  max: ["Highest", (values) => Math.max(...values)],
};

/** How series are grouped: name and words. */
export const GROUPS = { node: "Node", dimension: "Dimension", both: "Node and dimension", all: "All together" };

/**
 * @param {string} by a key of GROUPS, or `label:NAME`
 * @returns {string} the group of a series
 */
export function groupOf(by, node, dimension) {
  if (by === "dimension") return dimension;
  if (by === "both") return `${node.hostname}: ${dimension}`;
  if (by === "all") return "all";
  if (by.startsWith("label:")) return node.labels?.[by.slice(6)] ?? "without this label";
  return node.hostname;
}

/**
 * @param {{node: object, times: number[], names: string[], values: (number|null)[][], step: number}[]} parts one for each node
 * @param {string} by
 * @param {string} way a key of WAYS
 * @returns {{names: string[], times: number[], values: (number|null)[][], step: number}}
 */
export function combine(parts, by, way) {
  const join = (WAYS[way] ?? WAYS.sum)[1];
  // What has different steps meets at the coarsest.
  const step = Math.max(1, ...parts.map((part) => part.step));
  const groups = new Map();
  const all = new Set();
  for (const part of parts) {
    part.names.forEach((name, index) => {
      const group = groupOf(by, part.node, name);
      if (!groups.has(group)) groups.set(group, new Map());
      const cells = groups.get(group);
      // Several samples of one series within a step count once.
      const own = new Map();
      part.times.forEach((time, at) => {
        const value = part.values[index]?.[at] ?? null;
        const slot = Math.ceil(time / step) * step;
        all.add(slot);
        if (value === null) return;
        const [sum, count] = own.get(slot) ?? [0, 0];
        own.set(slot, [sum + value, count + 1]);
      });
      for (const [slot, [sum, count]] of own) {
        if (!cells.has(slot)) cells.set(slot, []);
        cells.get(slot).push(sum / count);
      }
    });
  }
  const times = [...all].sort((a, b) => a - b);
  const byName = new Intl.Collator(undefined, { numeric: true }).compare;
  const names = [...groups.keys()].sort(byName);
  // A stretch without any sample is a gap.
  const whole = [];
  for (const time of times) {
    const before = whole.at(-1);
    if (before !== undefined && time - before > step * 1.5) whole.push(before + step);
    whole.push(time);
  }
  const values = names.map((name) => {
    const cells = groups.get(name);
    return whole.map((time) => (cells.has(time) ? join(cells.get(time)) : null));
  });
  return { names, times: whole, values, step };
}
