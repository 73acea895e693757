// One context over many nodes.

import { get, Refused } from "./api.js";
import { Card } from "./card.js";
import { combine, GROUPS, WAYS } from "./combine.js";
import { byId, element, say } from "./dom.js";
import { Feed } from "./feed.js";
import { frame } from "./frame.js";
import { Live } from "./live.js";
import { Picker } from "./picker.js";
import { home, span as spanOf } from "./place.js";
import { notice } from "./shell.js";

const MOST_NODES = 60;
const CONTEXTS_OF = 12;

const menu = frame("compare.html", "Compare");
const said = new URLSearchParams(location.hash.slice(1));
const choice = {
  context: said.get("context") || "system.cpu",
  nodes: said.get("nodes") ?? "",
  by: said.get("by") || "node",
  way: said.get("way") in WAYS ? said.get("way") : "sum",
  kind: ["line", "area", "stacked"].includes(said.get("kind")) ? said.get("kind") : "line",
};

const field = (id, name, input) => {
  input.id = id;
  return element("label", {}, element("span", { textContent: name }), input);
};
const option = (value, textContent, chosen) => element("option", { value, textContent, selected: value === chosen });
const list = element("datalist", { id: "contexts" });
const context = element("input", { type: "text", value: choice.context, autocomplete: "off", spellcheck: false });
context.setAttribute("list", "contexts");
const nodesInput = element("input", { type: "search", value: choice.nodes, placeholder: "all, or names such as web*" });
const by = element("select");
const way = element("select", {}, ...Object.entries(WAYS).map(([key, [name]]) => option(key, name, choice.way)));
const kind = element("select", {}, ...[["line", "Lines"], ["area", "Areas"], ["stacked", "Stacked"]].map(([key, name]) => option(key, name, choice.kind)));
const place = element("div", { className: "big" });
const found = element("p", { className: "found", role: "status" });
byId("charts").replaceChildren(
  element("div", { className: "questions" }, field("context", "Context", context), field("which", "Nodes", nodesInput), field("by", "Group by", by), field("way", "Put together by", way), field("kind", "Drawn as", kind)),
  list,
  place,
  found,
);

/** One node's part of it. */
class Part extends Feed {
  near = true;

  constructor(node, about) {
    super({ id: `${node.guid} ${about.id}`, units: about.units, update_every: about.update_every ?? 1, dimensions: {} }, `${home()}host/${node.guid}/api/v1/data`);
    this.node = node;
    this.context = about.id;
    this.feed = this;
  }

  question(...when) {
    const query = super.question(...when);
    if (!query) return null;
    const { chart, ...rest } = query;
    return { context: this.context, ...rest, group: "average" };
  }

  draw() {}
}

/** All of them, as a chart has its points. */
class Whole {
  loaded = true;
  grouped = true;
  times = [];
  ids = [];
  names = [];
  values = [];
  step = 1;
  path = "";
  #seen = "";
  version = 0;

  constructor(chart, parts) {
    this.chart = chart;
    this.parts = parts;
  }

  get newest() {
    return Math.max(0, ...this.parts.map(({ newest }) => newest));
  }

  fits() {
    return true;
  }

  question() {
    return null;
  }

  /** Put together what the parts have now. */
  refresh() {
    const seen = [choice.by, choice.way, ...this.parts.map(({ version }) => version)].join();
    if (seen === this.#seen) return;
    this.#seen = seen;
    const { names, times, values, step } = combine(this.parts, choice.by, choice.way);
    Object.assign(this, { ids: names, names, times, values, step });
    this.loaded = this.parts.every(({ loaded }) => loaded) || times.length > 0;
    this.version += 1;
  }
}

class WholeCard extends Card {
  draw() {
    this.feed.refresh();
    super.draw();
  }
}

let nodes = [];
let card = null;
let about = new Map();
let built = "";

const readSpan = () => spanOf(new URLSearchParams(location.hash.slice(1)));
const live = new Live(readSpan(), {
  onState: (state, problem) => {
    if (state === "lost") notice(problem instanceof Refused && problem.status < 500 ? `This node refuses to answer (status ${problem.status}).` : "This node does not answer. What is shown is from before; trying again until it does.");
    else notice("");
    say(liveText, { live: "Live", paused: "Paused", lost: "No answer" }[state]);
    liveButton.dataset.state = state;
    liveButton.setAttribute("aria-pressed", String(state === "live"));
  },
  onRound: refresh,
});
const liveText = element("span", { textContent: "Live" });
const liveButton = element("button", { className: "button live", id: "live", type: "button", "aria-pressed": true }, element("i", { className: "dot", "aria-hidden": true }), liveText);
byId("bar").classList.add("with-tools");
const tools = document.querySelector(".tools");
const picker = new Picker(tools, readSpan(), { onSpan: show, view: () => live.view });
tools.append(liveButton);
liveButton.addEventListener("click", () => {
  if (live.paused) show({ last: live.span.last });
  else picker.choose(live.view.from, live.view.to);
});

function show(span) {
  live.span = span;
  picker.show(span);
  remember();
}

function remember() {
  const { span } = live;
  const words = new URLSearchParams({ context: choice.context });
  if (choice.nodes) words.set("nodes", choice.nodes);
  if (choice.by !== "node") words.set("by", choice.by);
  if (choice.way !== "sum") words.set("way", choice.way);
  if (choice.kind !== "line") words.set("kind", choice.kind);
  if (span.last !== 300) words.set("last", `${span.last}s`);
  if (span.after) {
    words.set("after", span.after);
    words.set("before", span.before);
  }
  if (`#${words}` !== location.hash) history.replaceState(null, "", `#${words}`);
}

/** @returns {boolean} whether a name fits patterns with stars, divided by blanks, as elsewhere in agents */
function fits(name, patterns) {
  for (const pattern of patterns) {
    const negative = pattern.startsWith("!");
    const parts = (negative ? pattern.slice(1) : pattern).toLowerCase().split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
    if (new RegExp(`^${parts.join(".*")}$`).test(name.toLowerCase())) return !negative;
  }
  return !patterns.length;
}

const chosen = () => {
  const patterns = choice.nodes.split(/[\s,|]+/).filter(Boolean);
  return nodes.filter((node) => fits(node.hostname, patterns) || (patterns.length > 0 && fits(node.guid, patterns)));
};

function build() {
  const these = chosen();
  const wanted = JSON.stringify([choice.context, choice.kind, these.map(({ guid }) => guid), about.size > 0]);
  if (wanted === built) return;
  built = wanted;
  if (card) {
    live.views.delete(card);
    for (const part of card.feed.parts) live.views.delete(part);
    card.remove();
  }
  const known = about.get(choice.context) ?? { title: choice.context, units: "" };
  const chart = { id: choice.context, name: choice.context, title: known.title, units: known.units, chart_type: choice.kind, context: choice.context, update_every: 1, dimensions: {} };
  const parts = these.slice(0, MOST_NODES).map((node) => new Part(node, { id: choice.context, units: known.units }));
  for (const part of parts) live.views.add(part);
  card = new WholeCard(new Whole(chart, parts), live.view, {
    onSpan: (from, to) => picker.choose(from, to),
    onNow: () => show({ last: live.span.last }),
    origin: () => `${parts.length} nodes`,
  });
  live.views.add(card);
  place.replaceChildren(card.node);
  card.setNear(true);
  say(card.label, choice.context);
  say(found, `${parts.length} of ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}${these.length > MOST_NODES ? `: at most ${MOST_NODES} at once, name those that matter` : ""}`);
  live.wake();
}

function offerGroups() {
  const labels = new Set(nodes.flatMap((node) => Object.keys(node.labels ?? {})));
  const options = [...Object.entries(GROUPS), ...[...labels].sort().map((name) => [`label:${name}`, `Label ${name}`])];
  if (!options.some(([key]) => key === choice.by)) options.push([choice.by, choice.by.replace("label:", "Label ")]);
  if (by.options.length === options.length) return;
  by.replaceChildren(...options.map(([key, name]) => option(key, name, choice.by)));
}

let due = 0;
let contextsDue = 0;
async function refresh() {
  const now = performance.now();
  if (now < due) return;
  due = now + 5000;
  await menu();
  ({ nodes } = await get(`${home()}api/v3/overview`));
  offerGroups();
  if (now >= contextsDue) {
    contextsDue = now + 60_000;
    for (const { guid } of nodes.slice(0, CONTEXTS_OF)) {
      try {
        const { contexts = {} } = await get(`${home()}host/${guid}/api/v1/contexts`);
        for (const [id, told] of Object.entries(contexts)) if (!about.has(id)) about.set(id, told);
      } catch (problem) {
        if (!(problem instanceof Refused) || problem.status >= 500) throw problem;
      }
    }
    list.replaceChildren(...[...about].sort(([, a], [, b]) => a.priority - b.priority).map(([id, told]) => element("option", { value: id, label: `${id} · ${told.title}` })));
  }
  build();
}

function changed(what, value, anew) {
  choice[what] = value;
  remember();
  if (anew) build();
  else card?.draw();
}
context.addEventListener("change", () => changed("context", context.value.trim(), true));
nodesInput.addEventListener("change", () => changed("nodes", nodesInput.value.trim(), true));
by.addEventListener("change", () => changed("by", by.value, false));
way.addEventListener("change", () => changed("way", way.value, false));
kind.addEventListener("change", () => changed("kind", kind.value, true));
addEventListener("themechange", () => card?.recolour());

await live.run();
