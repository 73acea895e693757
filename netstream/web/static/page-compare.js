// One context over many nodes.

import { get, Refused } from "./api.js";
import { Card } from "./card.js";
import { byId, element, say } from "./dom.js";
import { fromTo } from "./format.js";
import { frame } from "./frame.js";
import { byLabel, GroupedFeed, GROUPS, groupWords, meaning, REMAINING, WAYS } from "./grouped.js";
import { Live } from "./live.js";
import { Picker } from "./picker.js";
import { hidden, hiding, home, span as spanOf } from "./place.js";
import { notice } from "./shell.js";
import { sparing } from "./turns.js";

const menu = frame("compare.html", "Compare");
const moving = sparing(() => remember());
const said = new URLSearchParams(location.hash.slice(1));
const choice = {
  context: said.get("context") || "system.cpu",
  nodes: said.get("nodes") ?? "",
  by: said.get("by") || "node",
  way: said.get("way") in WAYS ? said.get("way") : "sum",
  kind: ["line", "area", "stacked"].includes(said.get("kind")) ? said.get("kind") : "line",
};
// What is hidden is so for this choice alone; null is what nobody has chosen yet.
let hides = said.has("hide") ? (hidden(said).get(choice.context) ?? []) : null;

const field = (id, name, input) => {
  input.id = id;
  return element("label", {}, element("span", { textContent: name }), input);
};
const option = (value, textContent, chosen) => element("option", { value, textContent, selected: value === chosen });
const list = element("datalist", { id: "contexts" });
const context = element("input", { type: "text", value: choice.context, autocomplete: "off", spellcheck: false });
context.setAttribute("list", "contexts");
const nodesInput = element("input", { type: "search", value: choice.nodes, placeholder: "all, or e.g. web*" });
const by = element("select");
const way = element("select", {}, ...Object.entries(WAYS).map(([key, name]) => option(key, name, choice.way)));
const kind = element("select", {}, ...[["line", "Lines"], ["area", "Areas"], ["stacked", "Stacked"]].map(([key, name]) => option(key, name, choice.kind)));
const place = element("div", { className: "big" });
const found = element("p", { className: "found", role: "status" });
byId("charts").replaceChildren(
  element("div", { className: "questions" }, field("context", "Context", context), field("by", "Group by", by), field("way", "Put together by", way), field("which", "Nodes", nodesInput), field("kind", "Drawn as", kind)),
  list,
  element("h2", { className: "unseen", textContent: "Chart" }),
  place,
  found,
);

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
const tools = document.querySelector(".tools");
const picker = new Picker(tools, readSpan(), { onSpan: show, view: () => live.view });
tools.append(liveButton);
liveButton.addEventListener("click", () => {
  if (live.paused) show({ last: live.span.last });
  else picker.choose(live.view.from, live.view.to, false);
});

/** Show another time; as on the page of a node, one can go back from a whole step, and from leaving the present. */
function show(span, kept = true, whole = false) {
  const turned = Boolean(span.after) !== Boolean(live.span.after);
  if (whole) remember();
  live.span = span;
  picker.show(span);
  if (turned || whole) remember(kept);
  else moving.want();
}

function remember(kept = false) {
  moving.forget();
  const { span } = live;
  const words = new URLSearchParams({ context: choice.context });
  if (choice.nodes) words.set("nodes", choice.nodes);
  if (choice.by !== "node") words.set("by", choice.by);
  if (choice.way !== "sum") words.set("way", choice.way);
  if (choice.kind !== "line") words.set("kind", choice.kind);
  if (hides) words.set("hide", hiding(new Map([[choice.context, hides]]))[0] ?? "");
  if (span.last !== 300) words.set("last", `${span.last}s`);
  if (span.after) {
    words.set("after", span.after);
    words.set("before", span.before);
  }
  if (`#${words}` !== location.hash) history[kept ? "pushState" : "replaceState"](null, "", `#${words}`);
}

function build() {
  const known = about.get(choice.context) ?? { title: choice.context, units: "" };
  const wanted = JSON.stringify([choice, known.title, known.units]);
  if (wanted === built) return;
  built = wanted;
  if (card) {
    live.views.delete(card);
    card.remove();
  }
  const chart = { id: choice.context, name: choice.context, title: known.title, units: known.units, chart_type: choice.kind, context: choice.context, update_every: 1, dimensions: {} };
  // As elsewhere in agents, patterns of a parameter are divided by commas.
  const patterns = choice.nodes.split(/[\s,|]+/).filter(Boolean).join(",");
  let chosen = 0;
  const feed = new GroupedFeed(chart, `${home()}api/v3/data`, { ...choice, nodes: patterns }, ({ nodes: counted = {} }) => {
    chosen = counted.sl ?? 0;
    say(found, chosen ? `${chosen} of ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}. ${meaning(choice.by, choice.way)}` : "No node has this context, or none fits the names.");
  });
  card = new Card(feed, live.view, {
    onSpan: (from, to, whole) => picker.choose(from, to, true, whole),
    onNow: () => show({ last: live.span.last }),
    origin: () => `${chosen} ${chosen === 1 ? "node" : "nodes"}`,
    onHide: (_chart, ids) => {
      hides = ids;
      remember();
    },
  });
  live.views.add(card);
  card.place(choice.context, place);
  // The sum of hundreds would leave no height to the lines of the others.
  card.hide(hides ?? (choice.kind !== "stacked" && choice.way === "sum" ? [REMAINING] : []));
  card.setNear(true);
  live.wake();
}

function offerGroups() {
  const labels = [...new Set(nodes.flatMap((node) => Object.keys(node.labels ?? {})))].sort();
  const offered = JSON.stringify(labels);
  if (offered === by.dataset.offered) return;
  by.dataset.offered = offered;
  const put = (key) => option(key, groupWords(key), choice.by);
  const set = (label, each) => element("optgroup", { label }, ...labels.map((name) => option(byLabel(name, each), groupWords(byLabel(name, each)), choice.by)));
  by.replaceChildren(...Object.keys(GROUPS).map(put), ...(labels.length ? [set("Label", false), set("Label and dimension", true)] : []));
  if (![...by.options].some(({ value }) => value === choice.by)) by.append(put(choice.by));
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
    const { contexts = {} } = await get(`${home()}api/v3/contexts`);
    about = new Map(Object.entries(contexts));
    list.replaceChildren(...[...about].sort(([, a], [, b]) => a.priority - b.priority).map(([id, told]) => element("option", { value: id, label: `${id} · ${told.title}` })));
  }
  build();
}

function changed(what, value) {
  choice[what] = value;
  // Other groups have other ids.
  if (what !== "way" && what !== "kind") hides = null;
  remember();
  build();
}
context.addEventListener("change", () => changed("context", context.value.trim()));
nodesInput.addEventListener("change", () => changed("nodes", nodesInput.value.trim()));
by.addEventListener("change", () => changed("by", by.value));
way.addEventListener("change", () => changed("way", way.value));
kind.addEventListener("change", () => changed("kind", kind.value));
addEventListener("themechange", () => card?.recolour());
addEventListener("beforeprint", () => {
  const { from, to } = live.view;
  const chosen = (select) => select.selectedOptions[0]?.textContent ?? "";
  byId("printed").replaceChildren(
    `Compare, ${fromTo(from, to)}`,
    element("small", { textContent: `${choice.context} · ${found.textContent}${choice.nodes ? ` (${choice.nodes})` : ""} · Grouped by: ${chosen(by)} · Put together by: ${chosen(way)}` }),
  );
});

await live.run();
