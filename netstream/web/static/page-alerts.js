// Alerts: raised now, what happened, and why.

import { get, Refused } from "./api.js";
import { byId, element, freshId, say } from "./dom.js";
import { explanation } from "./explain.js";
import { age, dateAndTime } from "./format.js";
import { frame } from "./frame.js";
import { address, home } from "./place.js";
import { poll } from "./poll.js";
import { raised } from "./shell.js";

const EVERY = 5000;
const MORE = 200;
// So many are shown at first, that what happened is not far below.
const FEW_RAISED = 20;
const STATES = ["CLEAR", "WARNING", "CRITICAL"];

// Below a node's address it is about that node alone.
const scope = /\/host\/([^/]+)\/[^/]*$/.exec(location.pathname)?.[1] ?? "";
const menu = frame("alerts.html", "Alerts");
const said = new URLSearchParams(location.hash.slice(1));
const wanted = { alert: said.get("alert") ?? "", chart: said.get("chart") ?? "", node: said.get("node") ?? "" };
let raisedNow = [];
let past = [];
let hosts = [];
let now = 0;
let most = MORE;
let mostRaised = FEW_RAISED;
let all = 0;
let open = "";
/** The one that is explained. */
let opened = null;
/** What was said of the one that is open, until it is asked again. */
const explained = new Map();
let drawnRaised = "";
let drawnPast = "";

const search = element("input", { type: "search", id: "search", placeholder: "Find by alert, chart or node", "aria-label": "Find an alert", value: said.get("find") ?? (wanted.alert || wanted.chart) });
const every = element("input", { type: "checkbox", id: "every" });
const raisedHeading = element("h2", { textContent: "Raised now" });
const raisedList = element("ul", { className: "alert-list", id: "raised-list" });
const calm = element("p", { className: "empty", id: "calm", hidden: true });
const moreRaised = element("button", { className: "button", type: "button", hidden: true });
const pastBody = element("tbody");
const pastEmpty = element("p", { className: "empty", hidden: true });
const more = element("button", { className: "button", type: "button", textContent: "Show more", hidden: true });
let pastSheet;
byId("charts").replaceChildren(
  element(
    "div",
    { className: "controls" },
    element("label", { className: "switch" }, every, element("span", { textContent: "Also those that are clear" })),
    search,
  ),
  element("section", { className: "section" }, raisedHeading, raisedList, calm, moreRaised),
  element(
    "section",
    { className: "section" },
    element("h2", { textContent: "What happened" }),
    pastSheet = element(
      "div",
      { className: "sheet" },
      element(
        "table",
        { className: "past-table" },
        element("caption", { className: "unseen", textContent: "Transitions of alerts, the newest first" }),
        element("thead", {}, element("tr", {}, ...["When", "Node", "Alert", "Change", "Value", "After"].map((textContent) => element("th", { scope: "col", textContent })))),
        pastBody,
      ),
    ),
    pastEmpty,
    more,
  ),
);
search.addEventListener("input", () => {
  draw();
  remember();
});
every.addEventListener("change", () => {
  again.wake();
  remember();
});
moreRaised.addEventListener("click", () => {
  const at = mostRaised;
  mostRaised += MORE;
  draw();
  raisedList.children[at]?.querySelector("a")?.focus();
});
more.addEventListener("click", () => {
  most += MORE;
  again.wake();
});

/** Keep in the address what is looked for, and which alert is explained. */
function remember() {
  const words = new URLSearchParams();
  if (every.checked) words.set("all", "1");
  if (opened) {
    words.set("alert", opened.name);
    words.set("chart", opened.chart);
    words.set("node", opened.guid);
  }
  if (search.value || opened) words.set("find", search.value);
  history.replaceState(null, "", words.size ? `#${words}` : location.pathname + location.search);
}

const pill = (status) => element("span", { className: "pill", textContent: status.toLowerCase(), "data-status": status });
const place = (guid, hostname, hops) => (scope ? "./" : address({ guid, hostname, hops }, hosts));

function fits(...texts) {
  const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const text = texts.join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

const keyOf = (alarm) => `${alarm.guid} ${alarm.chart} ${alarm.name}`;
const isRaised = ({ status }) => status === "WARNING" || status === "CRITICAL";

/** @returns {Promise<object|undefined>} what the node says of an alert and why */
async function ask({ guid, name, chart }) {
  const base = scope ? "" : `${home()}host/${guid}/`;
  const { alerts = {} } = await get(`${base}api/v1/explain`, { alert: name, chart });
  return Object.values(alerts)[0];
}

/** @returns {Promise<object[]>} the alert that is being explained, if it is not among those that are raised */
async function keptOpen(alerts) {
  const read = opened;
  if (!read || alerts.some((alarm) => keyOf(alarm) === open)) return [];
  try {
    const one = await ask(read);
    return one && opened ? [{ ...read, status: one.status, value_string: one.value_string, last_status_change: one.since ?? null }] : [];
  } catch (problem) {
    if (!(problem instanceof Refused) || problem.status >= 500) throw problem;
    return [];
  }
}

function card(alarm) {
  const key = keyOf(alarm);
  const id = freshId();
  const why = element("div", { className: "why", id, hidden: true });
  const button = element("button", { className: "button", type: "button", textContent: "Why?", "aria-expanded": false, "aria-controls": id, "aria-label": `Why is ${alarm.name} ${alarm.status.toLowerCase()}?` });
  const show = async (shown) => {
    button.setAttribute("aria-expanded", String(shown));
    why.hidden = !shown;
    open = shown ? key : "";
    opened = shown ? alarm : null;
    if (!shown) return;
    if (explained.has(key)) why.replaceChildren(...explained.get(key));
    try {
      const one = await ask(alarm);
      const said = one ? explanation(one, now) : [element("p", { textContent: "It is no more." })];
      explained.clear();
      explained.set(key, said);
      why.replaceChildren(...said);
    } catch (problem) {
      why.replaceChildren(element("p", { textContent: problem instanceof Refused ? "The node does not say." : "The node does not answer." }));
    }
  };
  button.addEventListener("click", () => {
    show(why.hidden);
    remember();
    draw();
  });
  const since = alarm.last_status_change ? now - alarm.last_status_change : null;
  const item = element(
    "li",
    { className: "alert-card" },
    element(
      "div",
      { className: "alert-head" },
      pill(alarm.status),
      element(
        "div",
        { className: "alert-name" },
        element("h3", { textContent: alarm.summary || alarm.name.replaceAll("_", " ") }),
        element(
          "p",
          {},
          element("a", { href: place(alarm.guid, alarm.hostname, alarm.hops), textContent: alarm.hostname }),
          " · ",
          element("a", { href: `${place(alarm.guid, alarm.hostname, alarm.hops)}#at=${encodeURIComponent(`chart_${alarm.chart}`)}`, textContent: alarm.chart }),
          since === null ? "" : ` · for ${age(since)}`,
          alarm.silenced ? " · silenced" : "",
        ),
      ),
      element("b", { className: "alert-value", textContent: alarm.value_string }),
      button,
    ),
    alarm.info ? element("p", { className: "alert-info", textContent: alarm.info }) : null,
    why,
  );
  item.dataset.status = alarm.status;
  item.dataset.alert = alarm.name;
  item.dataset.key = key;
  if (open === key || (wanted.alert === alarm.name && (!wanted.chart || wanted.chart === alarm.chart) && (!wanted.node || wanted.node === alarm.guid))) {
    wanted.alert = "";
    show(true);
  }
  return item;
}

function line(one) {
  const where = place(one.guid, one.hostname, one.hops);
  // The time around it, with a way to see it on the chart.
  const from = `after=${one.when - 600}&before=${one.when + 300}`;
  const cell = (label, ...inside) => {
    const made = element("td", {}, ...inside.filter(Boolean));
    made.dataset.label = label;
    return made;
  };
  return element(
    "tr",
    {},
    cell("When", element("time", { dateTime: new Date(one.when * 1000).toISOString(), textContent: dateAndTime(one.when) })),
    cell("Node", element("a", { href: where, textContent: one.hostname })),
    cell("Alert", element("a", { href: `${where}#${from}&at=${encodeURIComponent(`chart_${one.chart}`)}`, textContent: one.name, title: `Show ${one.chart} at that time` })),
    cell("Change", pill(one.old_status), element("span", { className: "arrow", textContent: "→", "aria-label": "to" }), pill(one.status)),
    cell("Value", element("span", { className: "value", textContent: one.value_string })),
    cell("After", one.duration > 0 ? age(one.duration) : ""),
  );
}

function draw() {
  // One that is being explained stays when it is clear.
  const listed = raisedNow.filter((alarm) => every.checked || isRaised(alarm) || keyOf(alarm) === open);
  const found = listed.filter((alarm) => fits(alarm.name, alarm.summary ?? "", alarm.chart, alarm.hostname, alarm.info ?? "", alarm.status));
  const shown = found.slice(0, mostRaised);
  const rest = found.length - shown.length;
  moreRaised.hidden = !rest;
  say(moreRaised, `Show ${Math.min(rest, MORE)} more of ${rest}`);
  const key = JSON.stringify(shown.map((alarm) => [alarm.guid, alarm.chart, alarm.name, alarm.status, alarm.value_string, alarm.silenced]));
  const urgent = listed.filter(isRaised).length;
  const of = found.length < listed.length && (every.checked || urgent) ? `${found.length} of ` : "";
  say(raisedHeading, of + (every.checked ? `${listed.length} ${listed.length === 1 ? "alert" : "alerts"}, ${urgent} raised` : urgent ? `${urgent} raised now` : "Raised now"));
  if (key !== drawnRaised) {
    drawnRaised = key;
    const usable = (item) => [...(item?.querySelectorAll("a, button") ?? [])];
    const chosen = document.activeElement?.closest("[data-key]");
    const focused = usable(chosen).indexOf(document.activeElement);
    raisedList.replaceChildren(...shown.map(card));
    const same = [...raisedList.children].find((item) => item.dataset.key === chosen?.dataset.key);
    usable(same)[focused]?.focus({ preventScroll: true });
  }
  calm.hidden = shown.length > 0;
  say(calm, listed.length ? "No alert is like that." : "No alert is raised.");

  const lines = past.filter((one) => fits(one.name, one.chart, one.hostname, one.status));
  const pastKey = JSON.stringify([lines.length, lines[0]?.unique_id, lines.at(-1)?.unique_id, hosts.length]);
  if (pastKey !== drawnPast) {
    drawnPast = pastKey;
    pastBody.replaceChildren(...lines.map(line));
  }
  pastEmpty.hidden = lines.length > 0;
  pastSheet.hidden = !lines.length;
  say(pastEmpty, past.length ? "No change is like that." : "Nothing has happened that is still remembered.");
  more.hidden = all < most;
}

async function ofOne(info) {
  const whole = every.checked || wanted.alert ? { all: "true" } : {};
  const answer = await get("api/v1/alarms", whole);
  const own = { guid: info.uid, hostname: answer.hostname, hops: 1 };
  const log = await get("api/v1/alarm_log", { last: most });
  say(byId("hostname"), `Alerts of ${answer.hostname}`);
  return {
    now: answer.now,
    alerts: Object.values(answer.alarms ?? {}).map((alarm) => ({ ...alarm, ...own })),
    transitions: log.slice(0, most).map((one) => ({ ...one, ...own })),
  };
}

async function ofAll() {
  const whole = every.checked || wanted.alert ? { all: "true" } : {};
  const { now: when, alerts } = await get(`${home()}api/v3/raised`, whole);
  const { transitions } = await get(`${home()}api/v3/transitions`, { last: most });
  const count = (wanted) => alerts.filter(({ status }) => status === wanted).length;
  raised({ warning: count("WARNING"), critical: count("CRITICAL") }, "all nodes");
  return { now: when, alerts, transitions };
}

// A link of a chart leads to an alert that may be clear by now.
every.checked = said.get("all") === "1" || (Boolean(wanted.alert) && !said.has("find"));
const again = poll(EVERY, async () => {
  const info = await menu();
  hosts = info.mirrored_hosts_status ?? [];
  const answer = scope ? await ofOne(await get("api/v1/info")) : await ofAll();
  now = answer.now;
  raisedNow = [...answer.alerts, ...(await keptOpen(answer.alerts))];
  // That an alert began or ended to be watched is no news.
  past = answer.transitions.filter((one) => STATES.includes(one.status) && (one.status !== "CLEAR" || STATES.includes(one.old_status)));
  all = answer.transitions.length;
  draw();
});
