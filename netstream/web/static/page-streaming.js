// How samples travel between the nodes.

import { get, Refused } from "./api.js";
import { byId, copy as put, drawn, element, say } from "./dom.js";
import { age, bytes, clockOrDate, dateAndTime, perSecond, reading } from "./format.js";
import { frame } from "./frame.js";
import { address, destination, home } from "./place.js";
import { poll } from "./poll.js";
import { route, topology } from "./topology.js";

const EVERY = 3000;
// Seconds before a certificate expires from which on that matters.
const SOON = 14 * 86400;
// Seconds after which a node has measured what a connection carries.
const FIRST_STRETCH = 25;
// Pixels of the type that the picture is made for.
const USUAL_TYPE = 14;

const menu = frame("streaming.html", "Streaming");
let shown = new URLSearchParams(location.hash.slice(1)).get("of") ?? "";
let now = 0;
let hosts = [];
let layout = topology({});
const narrow = matchMedia("(max-width: 44.9375em)");
const vast = matchMedia("(min-width: 162.5em)");
let drawnShape = "";
/** @type {Map<string, SVGElement>} */
const boxes = new Map();
/** @type {Map<string, {line: SVGElement, flow: SVGElement, label: SVGElement, under: SVGElement}>} */
const lines = new Map();

const picture = drawn("svg", { class: "topology", role: "group", "aria-label": "Nodes and the connections between them" });
const details = element("aside", { className: "details", id: "details", "aria-label": "Details", hidden: true });
const body = element("tbody");
const ownCertificate = element("p", { className: "found", id: "own-certificate", hidden: true });
const none = element("p", { className: "empty", hidden: true });
const COLUMNS = ["From", "To", "State", "Lag", "Backlog", "Traffic", "Samples", "Compression", "Replication", "Certificate", "Since"];
const [STATE, CERTIFICATE, SINCE] = ["State", "Certificate", "Since"].map((name) => COLUMNS.indexOf(name));
const heads = COLUMNS.map((textContent) => element("th", { scope: "col", textContent }));
const certificateHead = heads[CERTIFICATE];
const keyLine = element("code", { id: "child-lines" });
const copied = element("span", { className: "quiet", role: "status" });
const copy = element("button", { className: "button", type: "button", textContent: "Copy" });
const keyNote = element("p", { className: "quiet" });
const token = element("input", { type: "password", id: "token", autocomplete: "off", spellcheck: false });
const fill = element("button", { className: "button", type: "submit", textContent: "Fill in the key" });
const refused = element("p", { className: "refused", role: "status" });
const keyForm = element("form", { className: "questions", id: "key-form" }, element("label", {}, element("span", { textContent: "Token of this node" }), token), fill, refused);
let wholeKey = "";
let keysShown = [];
const canvas = element("div", { className: "sheet canvas", tabIndex: 0, role: "region", "aria-label": "Topology" }, picture);
const connections = element(
  "div",
  { className: "sheet", tabIndex: 0, role: "region", "aria-label": "Connections" },
  element(
    "table",
    { className: "hops-table" },
    element("caption", { className: "unseen", textContent: "Connections between nodes" }),
    element("thead", {}, element("tr", {}, ...heads)),
    body,
  ),
);
byId("charts").replaceChildren(
  element("div", { className: "stage" }, canvas, details),
  element("section", { className: "section" }, element("h2", { textContent: "Connections" }), connections, none, ownCertificate),
  element(
    "section",
    { className: "section connect" },
    element("h2", { textContent: "Connect another node" }),
    element("p", {}, "Write this into ", element("b", { textContent: "stream.conf" }), " of the new child, netstream or Netdata, and restart it:"),
    keyLine,
    element("p", { className: "after-code" }, copy, copied),
    keyNote,
    keyForm,
  ),
);
for (const part of [canvas, details]) {
  part.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && shown) leave();
  });
}
copy.addEventListener("click", async () => {
  if (await put(keyLine.textContent)) return say(copied, "Copied.");
  getSelection().selectAllChildren(keyLine);
  return say(copied, "Selected; press Ctrl+C.");
});

keyForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await get(`${home()}api/v3/keys`, {}, undefined, { "X-Auth-Token": token.value.trim() });
    wholeKey = (answer.keys ?? []).find(({ key }) => key)?.key ?? "";
    say(refused, wholeKey ? "" : "No key is enabled.");
  } catch (problem) {
    say(refused, problem instanceof Refused && problem.status === 403 ? "That is not the token, or it may not be used from here." : "This node does not answer.");
  }
  token.value = "";
  if (wholeKey) {
    keyForm.hidden = true;
    tellHow(keysShown);
    copy.focus();
  }
});

/** The lines that a new child needs.  An API key is told to whoever has the token; a fingerprint names it otherwise. */
function tellHow(keys) {
  const { at, doubt } = destination(new URL(home(), location.href));
  say(keyLine, `[stream]\n    enabled = yes\n    destination = ${at}\n    api key = ${wholeKey || "API-KEY"}`);
  keysShown = keys;
  keyForm.hidden = Boolean(wholeKey) || !keys.length;
  const about =
    wholeKey
      ? "The key opens this node for samples: hand it on with care."
      : keys.length
      ? `For API-KEY stands a key from stream.conf of this node, which is only told to whoever gives the token from management.key in its data directory. There is ${keys.length === 1 ? "one" : String(keys.length)}, which the log calls ${keys.join(", ")}.`
      : "This node has no API key yet: netstream genkey makes one, and stream.conf gets it as a section with enabled = yes.";
  say(keyNote, doubt ? `${doubt} ${about}` : about);
}

function stateOf(vertex) {
  if (vertex.members.length) {
    const live = vertex.members.filter((member) => stateOf(member) === "live").length;
    return live === vertex.members.length ? "live" : live ? "mixed" : "offline";
  }
  if (vertex.own) return "live";
  if (!vertex.instance) return "unseen";
  const { status } = vertex.instance.ingest ?? {};
  if (status === "replicating") return "replicating";
  return status === "online" ? "live" : "offline";
}

const WORDS = { live: "live", mixed: "some away", offline: "offline", replicating: "replicating", unseen: "beyond" };

function about(vertex) {
  const state = stateOf(vertex);
  if (vertex.members.length) {
    const live = vertex.members.filter((member) => stateOf(member) === "live").length;
    return `${live} live, ${vertex.members.length - live} away`;
  }
  const into = layout.hops.some(({ to }) => to === vertex.id);
  const out = layout.hops.some(({ from }) => from === vertex.id);
  const role = vertex.cluster.length > 1 ? "parent of a cluster" : into && out ? "proxy" : into ? "parent" : out ? "child" : "alone";
  return `${!vertex.own ? "" : narrow.matches ? "here, " : "this node, "}${role}${state === "live" || vertex.own ? "" : `, ${WORDS[state]}`}`;
}

/** Before the first stretch of time is over, what a connection carries is not known. */
const isNew = ({ bytes: moved, since }) => !moved && since > now - FIRST_STRETCH;

const hopKey = ({ from, to }) => `${from}>${to}`;

/** Only what is behind is worth a word. */
function lagWords({ lag }) {
  return lag === null || lag < 3 ? "" : `${age(lag)} behind`;
}

function build() {
  const { vertices, hops, clusters, width, height, size } = layout;
  const room = Math.min(10, size.margin);
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  // What the type of the page is larger than usual.
  const pixel = (parseFloat(getComputedStyle(document.body).fontSize) / USUAL_TYPE || 1) * (vast.matches ? 1.4 : 1);
  picture.setAttribute("width", width * pixel);
  picture.setAttribute("height", height * pixel);
  boxes.clear();
  lines.clear();
  const byGuid = new Map(vertices.map((vertex) => [vertex.id, vertex]));
  const rings = clusters.map((ids) => {
    const members = ids.map((id) => byGuid.get(id)).filter(Boolean);
    const top = Math.min(...members.map(({ y }) => y)) - room;
    const bottom = Math.max(...members.map(({ y }) => y)) + size.height + room;
    return drawn("rect", { class: "cluster", x: members[0].x - room, y: top, width: size.width + 2 * room, height: bottom - top, rx: 14 });
  });
  const paths = hops.map((hop) => {
    const { path, x, y, anchor } = route(byGuid.get(hop.from), byGuid.get(hop.to), size);
    const line = drawn("path", { class: "hop", d: path });
    const flow = drawn("path", { class: "flow", d: path });
    const label = drawn("text", { class: "hop-label", x, y, "text-anchor": anchor });
    const under = drawn("text", { class: "hop-label under", x, y: y + 23, "text-anchor": anchor });
    lines.set(hopKey(hop), { line, flow, label, under });
    return drawn("g", {}, line, flow);
  });
  // Words stand over all lines, also those of others.
  const words = [...lines.values()].flatMap(({ label, under }) => [label, under]);
  const nodes = vertices.map((vertex) => {
    const box = drawn(
      "g",
      { class: "vertex", tabindex: 0, role: "button", "aria-controls": "details", transform: `translate(${vertex.x} ${vertex.y})` },
      vertex.members.length ? drawn("rect", { class: "behind", x: 5, y: 5, width: size.width, height: size.height, rx: 10 }) : null,
      drawn("rect", { class: "box", width: size.width, height: size.height, rx: 10 }),
      drawn("circle", { cx: 16, cy: 20, r: 4.5 }),
      drawn("text", { class: "vertex-name", x: 28, y: 24 }),
      drawn("text", { class: "vertex-about", x: 28, y: 41 }),
    );
    box.dataset.guid = vertex.id;
    const choose = () => {
      shown = shown === vertex.id ? "" : vertex.id;
      history.replaceState(null, "", shown ? `#of=${encodeURIComponent(shown)}` : location.pathname + location.search);
      tell();
    };
    box.addEventListener("click", choose);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose();
    });
    boxes.set(vertex.id, box);
    return box;
  });
  picture.replaceChildren(...rings, ...paths, ...words, ...nodes);
  // Where not all of it can be seen, one begins where samples do, as high as this node.
  const own = vertices.find((vertex) => vertex.own);
  if (own) canvas.scrollTo(0, (own.y + size.height / 2) * pixel - canvas.clientHeight / 2);
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function tell() {
  for (const vertex of layout.vertices) {
    const box = boxes.get(vertex.id);
    box.dataset.state = stateOf(vertex);
    box.classList.toggle("own", vertex.own);
    box.classList.toggle("chosen", vertex.id === shown);
    box.setAttribute("aria-expanded", String(vertex.id === shown));
    box.setAttribute("aria-label", `${vertex.name}, ${about(vertex)}`);
    const [name, words] = box.querySelectorAll("text");
    say(name, cut(vertex.name, narrow.matches ? 11 : 19));
    say(words, cut(about(vertex), narrow.matches ? 14 : 25));
  }
  for (const hop of layout.hops) {
    const { line, flow, label, under } = lines.get(hopKey(hop));
    const state = !hop.known ? "unknown" : !hop.up ? "down" : hop.replication !== null || (hop.lag ?? 0) > 10 ? "late" : "up";
    line.dataset.state = flow.dataset.state = state;
    say(label, !hop.known ? "" : !hop.up ? "down" : isNew(hop) ? "connected" : bytes(hop.bytes, "/s"));
    const notes = [hop.replication !== null ? `${Math.floor(hop.replication)} % replicated` : lagWords(hop), hop.backlog > 0 ? `${bytes(hop.backlog)} wait` : ""];
    say(under, hop.known && hop.up ? notes.filter(Boolean).join(", ") : "");
  }
  list();
  const { certificate: { not_after: end = 0 } = {} } = layout.vertices.find(({ own }) => own)?.instance ?? {};
  ownCertificate.hidden = !end;
  ownCertificate.classList.toggle("soon", end - now < SOON);
  say(ownCertificate, `The certificate that this node shows to its children and to browsers: ${certificateWords({ certificate: end })}`);
  explain();
}

/** How long the certificate of the other end lasts. */
function certificateWords({ certificate }) {
  if (!certificate) return "";
  const left = certificate - now;
  return left < 0 ? `expired ${age(-left)} ago` : left < SOON ? `${age(left)} left` : `until ${dateAndTime(certificate)}`;
}

/** In the order of the picture, from the left and from above. */
function inOrder() {
  const places = new Map(layout.vertices.map((vertex) => [vertex.id, vertex]));
  const before = ({ from: a, to: c }, { from: b, to: d }) => places.get(a).x - places.get(b).x || places.get(a).y - places.get(b).y || places.get(c).y - places.get(d).y;
  return [...layout.hops].sort(before);
}

function list() {
  const names = new Map(layout.vertices.map(({ id, name }) => [id, name]));
  const certified = layout.hops.some(({ certificate }) => certificate);
  certificateHead.hidden = !certified;
  body.replaceChildren(
    ...inOrder().map((hop) => {
      const values = [
        names.get(hop.from),
        names.get(hop.to),
        !hop.known ? "not seen from here" : hop.up ? "up" : `down${hop.reason ? `: ${hop.reason}` : ""}`,
        hop.lag === null ? "" : hop.lag < 3 ? "none" : age(hop.lag),
        hop.known ? bytes(hop.backlog) : "",
        hop.known && !isNew(hop) ? bytes(hop.bytes, "/s") : "",
        hop.known && !isNew(hop) ? `${perSecond(hop.samples)}/s` : "",
        !hop.known || !hop.up ? "" : hop.ratio === null ? "none" : `${reading(hop.ratio, hop.ratio)} : 1`,
        !hop.known ? "" : hop.replication === null ? "complete" : `${reading(hop.replication, 100)} %`,
        certificateWords(hop),
        hop.since ? clockOrDate(hop.since, now) : "",
      ];
      const row = element("tr", {}, ...values.map((textContent, at) => {
        const cell = element("td", { textContent });
        cell.dataset.label = COLUMNS[at];
        return cell;
      }));
      row.dataset.hop = hopKey(hop);
      row.cells[CERTIFICATE].hidden = !certified;
      const dot = element("span", { className: "dot" });
      dot.dataset.state = !hop.known ? "unseen" : hop.up ? "live" : "down";
      row.cells[STATE].prepend(dot);
      if (hop.since) row.cells[SINCE].title = dateAndTime(hop.since);
      if (hop.certificate && hop.certificate - now < SOON) row.cells[CERTIFICATE].dataset.status = hop.certificate < now ? "CRITICAL" : "WARNING";
      return row;
    }),
  );
}

function facts(vertex) {
  const { instance } = vertex;
  const found = [];
  const put = (name, value) => {
    if (value !== null && value !== undefined && value !== "") found.push([name, String(value)]);
  };
  put("Machine GUID", vertex.id);
  if (!instance) return found;
  const { db = {}, ingest = {}, stream = {}, os = {}, hw = {}, capabilities = [] } = instance;
  put("Version", instance.v);
  put("System", [os.nm, os.v, os.kernel?.v].filter((word) => word && word !== "unknown").join(" "));
  put("Processors", hw.cpus && hw.cpus !== "unknown" ? hw.cpus : "");
  put("Samples come", `${ingest.type === "localhost" ? "from this node itself" : ingest.status ?? ""}${ingest.reason ? `: ${ingest.reason}` : ""}`);
  put("Hops", ingest.hops);
  put("Since", ingest.since ? dateAndTime(ingest.since) : "");
  put("Lag", ingest.lag === null || ingest.lag === undefined ? "" : age(ingest.lag));
  put("From", ingest.source?.remote);
  const traffic = (name, moved) => {
    if (!moved) return;
    put(name, `${bytes(moved.bytes_per_second ?? 0, "/s")}, ${perSecond(moved.samples_per_second ?? 0)} samples/s${moved.compression ? `, compressed ${reading(moved.compression_ratio, 10)} : 1` : ", not compressed"}`);
  };
  traffic("Received", ingest.source?.traffic);
  const progress = ({ in_progress: busy, completion, instances, seconds_left: left } = {}) => (busy ? `${completion} %, ${instances} charts left${left === null ? "" : `, ${age(left)} to go`}` : "");
  put("Replication", progress(ingest.replication));
  if (stream.status && stream.status !== "disabled") {
    put("Sent on", `${stream.status}${stream.destination?.remote ? ` to ${stream.destination.remote}` : ""}${stream.reason && stream.status === "offline" ? `: ${stream.reason}` : ""}`);
    traffic("Sent", stream.destination?.traffic);
    put("Backlog", bytes(stream.backlog ?? 0));
    put("Dropped", stream.dropped ? `${stream.dropped} samples` : "");
    put("Replicated on", progress(stream.replication));
  }
  put("Database", [db.mode, db.first_time ? `${dateAndTime(db.first_time)} – ${dateAndTime(db.last_time)}` : ""].filter(Boolean).join(", "));
  put("Metrics", db.metrics === undefined ? "" : `${db.metrics} in ${db.instances} charts`);
  put("Path", (stream.path ?? []).map(({ hostname }) => hostname).join(" → "));
  const until = ({ not_after: end } = {}) => (end ? `until ${dateAndTime(end)}${end < now ? ", expired" : end - now < SOON ? `, ${age(end - now)} left` : ""}` : "");
  put("Its certificate", until(instance.certificate ?? ingest.source?.certificate));
  put("Certificate of its parent", until(stream.destination?.certificate));
  put("Capabilities", capabilities.join(" "));
  return found;
}

/** Close the details. */
function leave() {
  const box = boxes.get(shown);
  shown = "";
  history.replaceState(null, "", location.pathname + location.search);
  tell();
  box?.focus();
}

function explain() {
  const vertex = layout.vertices.find(({ id }) => id === shown);
  details.hidden = !vertex;
  if (!vertex) return;
  const close = element("button", { className: "icon-button", type: "button", "aria-label": "Close", textContent: "×" });
  close.addEventListener("click", leave);
  const link = (each) => element("a", { href: address({ guid: each.id, hostname: each.name }, hosts), textContent: each.name });
  const parts = [element("header", {}, element("h2", { textContent: vertex.name }), close), element("p", { className: "quiet", textContent: about(vertex) })];
  if (vertex.members.length) {
    parts.push(
      element("ul", { className: "members" }, ...vertex.members.map((each) => element("li", {}, element("i", { className: "dot", "data-state": stateOf(each), "aria-hidden": true }), link(each), element("span", { className: "quiet", textContent: WORDS[stateOf(each)] })))),
    );
  } else {
    if (vertex.instance) parts.push(element("p", {}, element("a", { className: "button", href: link(vertex).href, textContent: "Open its dashboard" })));
    parts.push(element("dl", {}, ...facts(vertex).flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })])));
  }
  const usable = () => [...details.querySelectorAll("a, button")];
  const focused = usable().indexOf(document.activeElement);
  details.replaceChildren(...parts);
  usable()[focused]?.focus({ preventScroll: true });
}

poll(EVERY, async () => {
  const info = await menu();
  hosts = info.mirrored_hosts_status ?? [];
  let answer;
  try {
    answer = await get(`${home()}api/v3/node_instances`);
  } catch (problem) {
    if (!(problem instanceof Refused) || problem.status >= 500) throw problem;
    answer = { nodes: [], agents: [] };
  }
  now = answer.agents?.[0]?.now ?? now;
  layout = topology(answer, narrow.matches);
  const shape = JSON.stringify([layout.size, layout.vertices.map(({ id, x, y }) => [id, x, y]), layout.hops.map(hopKey), layout.clusters]);
  if (shape !== drawnShape) {
    drawnShape = shape;
    const focus = picture.contains(document.activeElement) ? document.activeElement.dataset.guid : "";
    build();
    if (focus) boxes.get(focus)?.focus();
  }
  connections.hidden = !layout.hops.length;
  none.hidden = !connections.hidden;
  say(none, "No other node streams to this one, and it streams to none.");
  tell();
  const { keys = [] } = await get(`${home()}api/v3/overview`);
  tellHow(keys);
});
