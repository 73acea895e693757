// One context over many nodes, put together by the node that is asked.

import { Feed, LONG_STEP } from "./feed.js";

/** How several values at one time become one: name and words. */
export const WAYS = { sum: "Sum", avg: "Average", min: "Lowest", max: "Highest" };

/** How series are grouped: name and words. */
export const GROUPS = { node: "Node", dimension: "Dimension", both: "Node and dimension", all: "All together" };

const BY = { both: "dimension,node", all: "selected" };
const LABEL = "label:";
const EACH_LABEL = "dimension,label:";
const MOST_GROUPS = 60;
// Seconds after which what is still missing is missing.
const LATE = 10;
const PARTIAL = 4;

/** The id of the group of all that are too many to be shown each. */
export const REMAINING = "__remaining_dimensions__";

/** @returns {string} the group of all nodes with the same label, and with `each` of each of their dimensions */
export const byLabel = (name, each = false) => (each ? EACH_LABEL : LABEL) + name;

/** @returns {string} the name of the label that a group is about; "" if it is about none */
const labelOf = (by) => [LABEL, EACH_LABEL].filter((kind) => by.startsWith(kind)).map((kind) => by.slice(kind.length))[0] ?? "";

/** @returns {string} what a group is by, in words */
export function groupWords(by) {
  const label = labelOf(by);
  return GROUPS[by] ?? (by.startsWith(EACH_LABEL) ? `${label} and dimension` : label || by);
}

const isEach = (by) => by === "dimension" || by === "both" || by.startsWith(EACH_LABEL);

/**
 * What to ask the node for.  Where dimensions stay apart, those of the same name are put together.  Where they do not, an
 * average or an extreme of them says nothing, as that of idle and busy: those of a chart are added first.
 *
 * @param {string} by a key of GROUPS, or what `byLabel` gives
 * @param {string} way a key of WAYS
 * @returns {object} groups as the node takes them
 */
export function grouping(by, way) {
  const label = labelOf(by);
  const group = label ? (isEach(by) ? "dimension,label" : "label") : (BY[by] ?? by);
  const asked = (place) => ({ [`group_by${place}`]: group, ...(label ? { [`group_by_label${place}`]: label } : {}), [`aggregation${place}`]: way });
  if (way === "sum" || isEach(by)) return asked("");
  return { group_by: "instance", aggregation: "sum", ...asked("[1]") };
}

/** @returns {string} a sentence about what stands in the chart */
export function meaning(by, way) {
  const how = { sum: "sum", avg: "average", min: "lowest", max: "highest" }[way];
  if (isEach(by)) return `Each line is the ${how} of that dimension over all charts of its group.`;
  if (way === "sum") return "Each line is the sum of all dimensions of all charts of its group.";
  return `Each line is the ${how} of the charts of its group; the dimensions of a chart are added up.`;
}

/** @returns {string} what a group is called here */
export function groupName(by, id, name) {
  if (id === REMAINING) return name.replace("dimensions", "smaller ones");
  if (by === "all") return "all";
  const label = (value) => (value === "[unset]" ? "without this label" : value);
  if (by.startsWith(LABEL)) return label(name);
  if (by !== "both" && !by.startsWith(EACH_LABEL)) return name;
  const at = by === "both" ? name.lastIndexOf(",") : name.indexOf(",");
  return `${label(name.slice(at + 1))}: ${name.slice(0, at)}`;
}

/**
 * @param {object} reply `json2`, oldest row first
 * @param {string} by
 * @param {number} now UTC seconds
 * @returns {object} the same as version 1 of the API answers for a chart: groups by name, and without the newest rows
 *     for as long as some nodes are missing in them
 */
export function asChart(reply, by, now) {
  const { ids = [], names = [] } = reply.view?.dimensions ?? {};
  const called = ids.map((id, at) => groupName(by, id, names[at]));
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const order = ids.map((_id, at) => at).sort((a, b) => compare(called[a], called[b]) || a - b);
  const data = reply.result?.data ?? [];
  let end = data.length;
  // Among many seconds, those that are late do not matter.
  const brief = (reply.view?.update_every ?? 1) < LONG_STEP;
  while (brief && end && data[end - 1][0] > now - LATE && data[end - 1].slice(1).some(([, , notes]) => notes & PARTIAL)) end -= 1;
  return {
    dimension_ids: order.map((at) => ids[at]),
    dimension_names: order.map((at) => called[at]),
    view_update_every: reply.view?.update_every,
    result: { data: data.slice(0, end).map(([time, ...cells]) => [time, ...order.map((at) => cells[at][0])]) },
  };
}

export class GroupedFeed extends Feed {
  /**
   * @param {object} chart what it is to look like
   * @param {string} path of `api/v3/data`
   * @param {{context: string, nodes: string, by: string, way: string}} choice
   * @param {(totals: object) => void} onTotals is told how many nodes there are in it
   */
  constructor(chart, path, choice, onTotals) {
    super(chart, path);
    this.choice = choice;
    this.onTotals = onTotals;
  }

  question(...when) {
    const query = super.question(...when);
    if (!query) return null;
    const { after, before, points } = query;
    const { context, nodes, by, way } = this.choice;
    return {
      scope_contexts: context,
      ...(nodes ? { nodes } : {}),
      ...grouping(by, way),
      // Whoever is late for some seconds is waited for.
      after: points === 0 ? after - LATE : after,
      before,
      points,
      cardinality_limit: MOST_GROUPS,
      options: "flip,minify",
    };
  }

  absorb(query, reply, now) {
    if (reply.totals) this.onTotals(reply.totals);
    super.absorb(query, asChart(reply, this.choice.by, now), now);
  }
}
