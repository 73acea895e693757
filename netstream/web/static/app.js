// The dashboard of one node.

import { get, Refused } from "./api.js";
import { Card } from "./card.js";
import { Contents, visit } from "./contents.js";
import { byId, copy, element, say } from "./dom.js";
import { Feed } from "./feed.js";
import { dateAndTime } from "./format.js";
import { tiles } from "./glance.js";
import { Live } from "./live.js";
import { Marks } from "./marks.js";
import { Picker } from "./picker.js";
import { anchor, fragment, hidden, hide, home, settle, span, wide, widen } from "./place.js";
import { preparePrint } from "./print.js";
import { arrange, shortTitle } from "./sections.js";
import { notice, raised, shell, toast } from "./shell.js";
import { Stream } from "./stream.js";
import { Queue, sparing, turns } from "./turns.js";

const INFO_EVERY = 10_000;
const CHARTS_EVERY = 30_000;

const { nodes, tools } = shell("index.html", "…");
byId("side").append(element("nav", { className: "contents", id: "contents", "aria-label": "Contents" }));
byId("charts").replaceChildren(
  element("section", { className: "glance", id: "glance", "aria-label": "At a glance", hidden: true }),
  element("div", { id: "sections" }),
  element("p", { className: "empty", id: "empty", hidden: true }),
  element("p", { className: "empty", id: "lost-way", hidden: true }, element("a", { id: "home", href: home(), textContent: "Go to the node that answers here" })),
);
document.body.append(
  element(
    "footer",
    {},
    element(
      "p",
      {},
      element("span", { id: "version", textContent: "netstream" }),
      " · Charts by ",
      element("a", { href: "static/vendor/uPlot.LICENSE.txt", textContent: "uPlot" }),
      " · ",
      element("button", { className: "link", id: "print", type: "button", textContent: "Print" }),
    ),
  ),
);
/** @type {Map<string, Feed>} */
const feeds = new Map();
/** @type {Map<string, Card>} */
const cards = new Map();
const contents = new Contents();
const marks = new Marks();
const moving = sparing(() => write());
let firstBuilt = () => {};
let glance = [];
let hostname = "";
let teller = "";
let layout = "";
let infoDue = 0;
let chartsDue = 0;
let lastEntry = 0;
let away = false;
let arrived = false;
let built = new Promise((resolve) => {
  firstBuilt = resolve;
});

// What the address says is what is shown, also where it said something else.
settle(anchor());
const live = new Live(span(), { onState: showState, onRound: refresh });
const picker = new Picker(tools, span(), { onSpan: choose, view: () => live.view });
live.stream = new Stream((samples) => live.take(samples));
const liveButton = element(
  "button",
  { className: "button live", id: "live", type: "button", "aria-pressed": true, title: "Pause or resume the live update" },
  element("i", { className: "dot", "aria-hidden": true }),
  element("span", { id: "live-text", textContent: "Live" }),
);
tools.append(liveButton);
const byNode = new WeakMap();
const coming = new Queue((view) => {
  view.setNear(true);
  live.wake();
});
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const view = byNode.get(target);
      if (isIntersecting) coming.add(view);
      else {
        coming.delete(view);
        view?.setNear(false);
      }
    }
  },
  { rootMargin: "150px 0px" },
);

/** Heed what is on or near the screen, or leave all as it is. */
function watch(wanted) {
  for (const { node } of live.views) {
    watcher.unobserve(node);
    if (wanted) watcher.observe(node);
  }
  watcher.takeRecords();
}

// ---- the state of the connection

let problem = null;

function showState(state, cause) {
  const back = problem !== null && state !== "lost";
  problem = state === "lost" ? cause : null;
  if (back) infoDue = chartsDue = 0;
  const unknown = problem instanceof Refused && problem.status === 404;
  const words = { live: "Live", paused: "Paused", lost: unknown ? "Unknown" : "No answer" };
  const button = byId("live");
  button.dataset.state = away && state === "live" ? "away" : state;
  button.setAttribute("aria-pressed", String(state === "live"));
  byId("lost-way").hidden = !unknown;
  say(byId("live-text"), away && state === "live" ? "Offline" : words[state]);
  showNotice();
}

function showNotice() {
  const name = hostname || "The node";
  // Of a child another node tells.
  const silent = teller && teller !== hostname ? `${teller}, which tells about ${hostname} here,` : name;
  let text = "";
  if (problem instanceof Refused && problem.status === 404) {
    text = "This node is not known here. It may have another name now, or was forgotten.";
  } else if (problem instanceof Refused && problem.status < 500) {
    text = `${silent} refuses to answer (status ${problem.status}). Trying again.`;
  } else if (problem) {
    text = `${silent} does not answer. What is shown is from before; trying again until it does.`;
  } else if (away) {
    text = `${name} is offline.${lastEntry ? ` These are its last metrics, up to ${dateAndTime(lastEntry)}.` : ""}`;
  }
  notice(text, !problem);
}

// ---- who the node is, and what it has

async function refresh() {
  const now = performance.now();
  if (now >= infoDue) {
    infoDue = now + INFO_EVERY;
    try {
      introduce(await get("api/v1/info"));
      agree();
      await marks.refresh();
    } catch (cause) {
      infoDue = 0;
      throw cause;
    }
  }
  if (now >= chartsDue) {
    chartsDue = now + CHARTS_EVERY;
    try {
      await lay(await get("api/v1/charts"));
    } catch (cause) {
      chartsDue = 0;
      throw cause;
    }
  }
}

function introduce(info) {
  const known = (value) => (typeof value === "string" && !["", "unknown", "none"].includes(value) ? value : "");
  const words = (...parts) => parts.map(known).filter(Boolean).join(" ");
  const cores = Number(info.cores_total);
  const ram = Number(info.ram_total);
  say(
    byId("system"),
    [
      words(info.os_name, info.os_version),
      words(info.kernel_name, info.kernel_version),
      known(info.architecture),
      cores > 0 ? `${cores} ${cores === 1 ? "core" : "cores"}` : "",
      ram > 0 ? `${(ram / 2 ** 30).toFixed(ram < 2 ** 33 ? 1 : 0)} GiB` : "",
    ]
      .filter(Boolean)
      .join(" · "),
  );
  say(byId("version"), words("netstream", info.version));
  const hosts = info.mirrored_hosts_status ?? [];
  raised(info.alarms);
  nodes.show(hosts, info.uid);
  const own = hosts.find(({ guid }) => guid === info.uid);
  teller = hosts.find(({ hops }) => hops === 0)?.hostname ?? "";
  const gone = own?.reachable === false;
  if (gone !== away) {
    away = gone;
    chartsDue = 0;
    live.end = 0;
    showState(live.paused ? "paused" : "live", undefined);
  }
}

async function lay(answer) {
  const charts = Object.values(answer.charts ?? {});
  hostname = answer.hostname ?? hostname;
  say(byId("hostname"), hostname);
  document.title = `${hostname} – netstream`;
  lastEntry = charts.reduce((most, chart) => Math.max(most, chart.last_entry || 0), 0);
  live.end = away ? lastEntry : 0;
  showNotice();

  const sections = arrange(charts).map((section) => ({
    ...section,
    id: `menu_${section.key}`,
    families: section.families.map((family) => ({ ...family, id: `chart_${family.charts[0].id}` })),
  }));
  const plan = JSON.stringify(
    sections.map(({ id, families }) => [
      id,
      families.map((family) => [
        family.id,
        family.charts.map((chart) => [chart.id, chart.title, chart.units, chart.chart_type, chart.update_every]),
      ]),
    ]),
  );
  for (const chart of charts) {
    feeds.get(chart.id)?.rename(chart);
    cards.get(chart.id)?.judge();
  }
  if (plan === layout) return;
  layout = plan;
  built = build(sections, new Map(charts.map((chart) => [chart.id, chart]))).finally(firstBuilt);
  await built;
}

async function build(sections, charts) {
  for (const [id, card] of cards) {
    const was = card.feed.chart;
    const is = charts.get(id);
    if (is && card.looks === look(is)) continue;
    watcher.unobserve(card.node);
    coming.delete(card);
    live.views.delete(card);
    card.remove();
    cards.delete(id);
    if (!is || is.update_every !== was.update_every) feeds.delete(id);
  }
  for (const [id, chart] of charts) if (!feeds.has(id)) feeds.set(id, new Feed(chart));
  showTiles();
  const empty = byId("empty");
  empty.hidden = charts.size > 0;
  say(empty, "Nothing has been collected yet. Charts appear here as soon as there is something to show.");

  const whole = byId("sections");
  const first = !whole.children.length;
  const turn = turns();
  const hides = hidden();
  const wides = new Set(wide());
  for (const section of sections) {
    for (const { id } of section.families.flatMap((family) => family.charts)) {
      if (cards.has(id)) continue;
      cards.set(id, makeCard(charts.get(id), hides.get(id), wides.has(id)));
      await turn();
    }
    // The first can be seen before the others are made.
    if (first) whole.append(drawSection(section));
  }
  if (!first) whole.replaceChildren(...sections.map(drawSection));
  contents.fill(sections);
  if (!arrived && charts.size) {
    arrived = true;
    if (anchor()) visit(anchor());
  }
}

function makeCard(chart, hides, isWide) {
  const card = new Card(feeds.get(chart.id), live.view, page);
  card.looks = look(chart);
  card.hide(hides);
  card.widen(isWide);
  live.views.add(card);
  byNode.set(card.node, card);
  watcher.observe(card.node);
  return card;
}

function showTiles() {
  for (const tile of glance) {
    watcher.unobserve(tile.node);
    coming.delete(tile);
    live.views.delete(tile);
  }
  glance = tiles(feeds, live.view);
  for (const tile of glance) {
    live.views.add(tile);
    byNode.set(tile.node, tile);
    watcher.observe(tile.node);
  }
}

let pointed = null;
let pointing = 0;

const page = {
  marks,
  onSpan: (from, to, whole) => picker.choose(from, to, true, whole),
  onNow: () => choose({ last: live.span.last }),
  origin: () => hostname,
  onHide: (chart, ids) => {
    hide(chart, ids);
    contents.refresh();
  },
  onWide: (chart, wanted) => {
    widen(chart, wanted);
    contents.refresh();
  },
  // All charts point at one second, one after the other.
  onPoint: (time) => {
    if (time === pointed) return;
    pointed = time;
    pointing ||= requestAnimationFrame(() => {
      pointing = 0;
      for (const tile of glance) {
        tile.at = pointed;
        tile.draw();
      }
    });
  },
  more: (chart) => [
    ["Copy a link to this chart", () => share(new URL(fragment(`chart_${chart.id}`), location.href).href)],
    ["Compare over nodes", `${home()}compare.html#context=${encodeURIComponent(chart.context)}${feeds.get(chart.id)?.opposed ? "&by=both" : ""}`],
    ["Its alerts", `alerts.html#chart=${encodeURIComponent(chart.id)}`],
  ],
};

async function share(link) {
  toast((await copy(link)) ? "The link is copied." : `It cannot be copied here: ${link}`);
}

const look = (chart) => JSON.stringify([chart.title, chart.units, chart.chart_type, chart.update_every]);

// Families follow one another without a break, so that a small one leaves no empty row; a
// family's place is its first chart.
function drawSection({ id, title, families }) {
  const heading = element("h2", { id, textContent: title, tabIndex: -1 });
  const grid = element("div", { className: "grid" });
  const titles = new Map();
  for (const chart of families.flatMap((family) => family.charts)) {
    const short = shortTitle(chart);
    titles.set(short, (titles.get(short) ?? 0) + 1);
  }
  for (const family of families) {
    for (const chart of family.charts) {
      // Charts of the same title are told apart by their names.
      const name = titles.get(shortTitle(chart)) > 1 ? chart.name.slice(chart.name.indexOf(".") + 1) : "";
      const labels = [families.length > 1 ? family.key : "", name === family.key ? "" : name].filter(Boolean);
      cards.get(chart.id).place(labels.join(" · "), grid);
    }
  }
  const made = element("section", { className: "section", "aria-labelledby": id }, heading, grid);
  // Where there is room, small ones stand beside one another.
  made.dataset.charts = grid.children.length;
  made.classList.toggle("wide", grid.querySelector(".wide") !== null);
  return made;
}

// ---- what the reader can do

let agreed = false;
/** As the node has told the time, what the address says of the future is no longer shown. */
function agree() {
  if (agreed) return;
  agreed = true;
  settle(anchor());
  useSpan();
}

/** Show another time; `kept` leaves a way back to this one, where it is a `whole` step or the present is left or come back to. */
function choose(wanted, kept = true, whole = false) {
  const turned = Boolean(wanted.after) !== Boolean(live.span.after);
  if (whole) write();
  show(wanted);
  if (turned || whole) write(kept);
  else moving.want();
}

/** Have the address say what is shown. */
function write(kept = false) {
  moving.forget();
  settle(anchor(), live.span, kept);
  contents.refresh();
}

function show(wanted) {
  live.span = wanted;
  picker.show(wanted);
}

/** Show what the address says. */
function useSpan() {
  moving.forget();
  show(span());
  contents.refresh();
}

liveButton.addEventListener("click", () => {
  const { last } = live.span;
  if (live.paused) choose({ last });
  else picker.choose(live.view.from, live.view.to, false);
});
addEventListener("themechange", () => {
  for (const card of cards.values()) card.recolour();
});
for (const name of ["hashchange", "popstate"]) {
  addEventListener(name, () => {
    settle(anchor());
    useSpan();
    const [hides, wides] = [hidden(), wide()];
    for (const [id, card] of cards) {
      card.hide(hides.get(id));
      card.widen(wides.includes(id));
    }
    if (name === "hashchange") visit(anchor());
  });
}
preparePrint(byId("print"), cards, live, { origin: () => hostname, watch, built: () => built });

await live.run();
