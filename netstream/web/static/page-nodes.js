// All nodes, and how they stand.

import { get, Refused } from "./api.js";
import { byId, element, say } from "./dom.js";
import { age, dateAndTime, reading } from "./format.js";
import { arrangeNodes, counts, FILTERS } from "./fleet.js";
import { countRaised, frame } from "./frame.js";
import { address, home } from "./place.js";
import { arrived, poll } from "./poll.js";
import { Spark } from "./spark.js";
import { turns } from "./turns.js";

const EVERY = 3000;
const SPARK_EVERY = 15_000;
const SPARK_SECONDS = 900;
const LANES = 4;

const COLUMNS = [
  ["state", "State"],
  ["hostname", "Node"],
  ["cpu", "CPU"],
  ["alerts", "Alerts"],
  ["newest", "Newest sample"],
  ["hops", "Path"],
  ["metrics", "Metrics"],
];

const menu = frame("nodes.html", "Nodes");
const said = new URLSearchParams(location.hash.slice(1));
let order = { by: COLUMNS.some(([key]) => key === said.get("sort")) ? said.get("sort") : "state", down: said.get("down") === "1" };
let filter = FILTERS.some(([key]) => key === said.get("show")) ? said.get("show") : "all";
let answer = { now: 0, nodes: [] };
let paths = new Map();
/** @type {Map<string, Row>} */
const rows = new Map();
let shownOrder = "";

const search = element("input", { type: "search", id: "search", placeholder: "Find by name, label or version", "aria-label": "Find a node", value: said.get("find") ?? "" });
const chips = element("fieldset", { className: "chips" }, element("legend", { className: "unseen", textContent: "Which nodes" }));
const chipCounts = new Map();
for (const [key, name] of FILTERS) {
  const input = element("input", { type: "radio", name: "show", value: key, checked: key === filter });
  const count = element("span", { className: "number", textContent: "" });
  chipCounts.set(key, count);
  input.addEventListener("change", () => {
    filter = key;
    draw();
  });
  chips.append(element("label", {}, input, element("span", { className: "chip" }, name, " ", count)));
}
const heads = new Map();
const head = element(
  "tr",
  {},
  ...COLUMNS.map(([key, name]) => {
    const button = element("button", { type: "button", textContent: name });
    button.addEventListener("click", () => {
      order = { by: key, down: order.by === key && !order.down };
      draw();
    });
    const cell = element("th", { scope: "col", className: key }, button);
    heads.set(key, cell);
    return cell;
  }),
);
const body = element("tbody");
const found = element("p", { className: "found", role: "status" });
// The page stands for that of a node that there is not.
const unknown = "unknown" in document.documentElement.dataset ? named() : "";
function named() {
  const name = /\/host\/([^/]*)\//.exec(location.pathname)?.[1] ?? "";
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
byId("charts").replaceChildren(
  unknown ? element("p", { className: "unknown", id: "unknown" }, "No node is called ", element("b", { textContent: unknown }), " here. It may have another name now, or was forgotten. These are known:") : "",
  element("div", { className: "controls" }, chips, search),
  element("div", { className: "sheet" }, element("table", { className: "nodes-table" }, element("caption", { className: "unseen", textContent: "Nodes" }), element("thead", {}, head), body)),
  found,
);
search.addEventListener("input", () => draw());
addEventListener("beforeprint", () => {
  for (const row of rows.values()) row.show();
});

class Row {
  near = false;
  #asked = -Infinity;
  #told = null;

  constructor(node) {
    this.guid = node.guid;
    this.dot = element("i", { className: "dot", "aria-hidden": true });
    this.state = element("span");
    this.link = element("a", { className: "name" });
    this.about = element("span", { className: "about" });
    this.spark = new Spark();
    this.cpu = element("span", { className: "value" });
    this.alerts = element("span", { className: "pills" });
    this.newest = element("span");
    this.path = element("span");
    this.metrics = element("span");
    this.cells = new Map([
      ["state", [this.dot, this.state]],
      ["hostname", [this.link, this.about]],
      ["cpu", [this.spark.node, this.cpu]],
      ["alerts", [this.alerts]],
      ["newest", [this.newest]],
      ["hops", [this.path]],
      ["metrics", [this.metrics]],
    ]);
    this.node = element("tr", {}, ...COLUMNS.map(([key, name]) => {
      const cell = element(key === "hostname" ? "th" : "td", { className: key }, ...this.cells.get(key));
      if (key === "hostname") cell.scope = "row";
      cell.dataset.label = name;
      return cell;
    }));
    this.node.dataset.guid = node.guid;
    watcher.observe(this.node);
    owners.set(this.node, this);
  }

  /** What is to be shown; it is, once it can be seen. */
  tell(node, hosts, now) {
    this.data = node;
    this.#told = [node, hosts, now];
    if (this.near || !this.link.href) this.show();
  }

  show() {
    if (!this.#told) return;
    const [node, hosts, now] = this.#told;
    this.#told = null;
    this.dot.dataset.state = node.state;
    say(this.state, node.state[0].toUpperCase() + node.state.slice(1));
    this.link.href = address(node, hosts);
    say(this.link, node.hostname || node.guid);
    this.link.title = node.guid;
    const labels = Object.entries(node.labels ?? {}).slice(0, 4).map(([name, value]) => `${name}=${value}`);
    say(this.about, [node.hops === 0 ? "this node" : "", node.version, ...labels].filter(Boolean).join(" · "));
    say(this.cpu, node.cpu === null ? "–" : `${reading(node.cpu, 100)} %`);
    const { warning = 0, critical = 0 } = node.alarms ?? {};
    const key = `${warning} ${critical}`;
    if (this.alerts.dataset.key !== key) {
      this.alerts.dataset.key = key;
      const pill = (count, status, word) =>
        count ? [element("a", { className: "pill", href: `${address(node, hosts)}alerts.html`, textContent: `${count} ${word(count)}`, "data-status": status })] : [];
      this.alerts.replaceChildren(...pill(critical, "CRITICAL", () => "critical"), ...pill(warning, "WARNING", (count) => (count === 1 ? "warning" : "warnings")));
      if (!warning && !critical) this.alerts.append(element("span", { className: "quiet", textContent: "none" }));
    }
    const old = node.newest ? now - node.newest : null;
    say(this.newest, old === null ? "never" : old < 3 ? "now" : `${age(old)} ago`);
    this.newest.title = node.newest ? dateAndTime(node.newest) : "";
    const via = (paths.get(node.guid) ?? []).slice(1, -1).map(({ hostname }) => hostname);
    say(this.path, node.hops === 0 ? "here" : via.length ? `via ${via.join(", ")}` : node.hops === 1 ? "direct" : `${node.hops} hops`);
    say(this.metrics, Number(node.metrics ?? 0).toLocaleString("en-GB"));
  }

  get due() {
    // Of a node that does not tell how busy it is, there is nothing to be asked.
    return this.near && !this.node.hidden && this.data.state !== "offline" && this.data.cpu !== null && performance.now() >= this.#asked + SPARK_EVERY;
  }

  async draw() {
    this.#asked = performance.now();
    const query = { chart: "system.cpu", after: -SPARK_SECONDS, points: 60, format: "json", options: "seconds,flip,jsonwrap" };
    let reply = {};
    try {
      reply = await get(`${home()}host/${this.guid}/api/v1/data`, query);
    } catch (problem) {
      if (!(problem instanceof Refused) || problem.status >= 500) throw problem;
    }
    const points = reply.result?.data ?? [];
    const times = points.map(([time]) => time);
    const sums = points.map(([, ...values]) => (values.every((value) => value === null) ? null : values.reduce((sum, value) => sum + (value ?? 0), 0)));
    const to = times.at(-1) ?? 0;
    this.spark.draw(times, sums, to - SPARK_SECONDS, to, 100);
  }
}

const owners = new WeakMap();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const row = owners.get(target);
    row.near = isIntersecting;
    if (isIntersecting) row.show();
  }
  sparks();
}, { rootMargin: "200px 0px" });

let drawing = false;
async function sparks() {
  if (drawing) return;
  drawing = true;
  const queue = [...rows.values()].filter((row) => row.due);
  const lane = async () => {
    for (let row = queue.shift(); row; row = queue.shift()) await row.draw();
  };
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
  } catch {
    // That a node does not answer is said by what asks for all of them.
  } finally {
    drawing = false;
  }
}

function remember() {
  const words = new URLSearchParams();
  if (order.by !== "state") words.set("sort", order.by);
  if (order.down) words.set("down", "1");
  if (filter !== "all") words.set("show", filter);
  if (search.value) words.set("find", search.value);
  const wanted = words.size ? `#${words}` : location.pathname + location.search;
  if (wanted !== location.hash) history.replaceState(null, "", wanted);
}

let latest = 0;
/** Show those that are wanted; what is on top can be seen before rows are made for all others. */
async function draw() {
  latest += 1;
  const mine = latest;
  const { nodes, now } = answer;
  const numbers = counts(nodes);
  for (const [key, count] of chipCounts) say(count, String(numbers[key]));
  for (const [key, cell] of heads) cell.setAttribute("aria-sort", order.by !== key ? "none" : order.down ? "descending" : "ascending");
  const shown = arrangeNodes(nodes, { filter, find: search.value, ...order });
  const known = new Set(nodes.map(({ guid }) => guid));
  for (const [guid, row] of rows) {
    if (known.has(guid)) continue;
    watcher.unobserve(row.node);
    row.node.remove();
    rows.delete(guid);
  }
  const none = nodes.length ? "No node is like that." : "";
  say(found, shown.length ? `${shown.length === nodes.length ? "" : `${shown.length} of `}${nodes.length} ${nodes.length === 1 ? "node. Those that stream to this one appear here by themselves." : "nodes"}` : none);
  remember();
  const turn = turns();
  for (const node of shown) {
    if (!rows.has(node.guid)) rows.set(node.guid, new Row(node));
    rows.get(node.guid).tell(node, nodes, now);
    const others = turn();
    if (!others) continue;
    place(shown);
    await others;
    if (mine !== latest) return;
  }
  place(shown);
}

function place(nodes) {
  const there = nodes.filter(({ guid }) => rows.has(guid));
  const key = there.map(({ guid }) => guid).join();
  const more = shownOrder && key.startsWith(`${shownOrder},`) ? there.slice(body.children.length) : null;
  if (more) body.append(...more.map(({ guid }) => rows.get(guid).node));
  else if (key !== shownOrder) body.replaceChildren(...there.map(({ guid }) => rows.get(guid).node));
  shownOrder = key;
  arrived();
}

let pathsDue = 0;
/** @returns {Promise<boolean>} whether they were asked for */
async function findPaths() {
  if (performance.now() < pathsDue) return false;
  pathsDue = performance.now() + 30_000;
  try {
    const { nodes = [] } = await get(`${home()}api/v3/stream_path`);
    paths = new Map(nodes.map(({ mg, streaming_path: path }) => [mg, path ?? []]));
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
  }
  return true;
}

poll(EVERY, async () => {
  answer = await get(`${home()}api/v3/overview`);
  await menu();
  countRaised(answer.nodes);
  await draw();
  if (await findPaths()) await draw();
  sparks();
});
