// The logic of the dashboard, without a browser: node --test tests/browser/logic.test.mjs

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.location = { hash: "", pathname: "/", search: "", href: "http://node/" };

const at = (file) => import(new URL(`../../netstream/web/static/${file}`, import.meta.url));
const { asChart, groupName, groupWords, grouping, meaning } = await at("grouped.js");
const { Feed, Recent } = await at("feed.js");
const { arrangeNodes, counts } = await at("fleet.js");
const { lines } = await at("explain.js");
const { about } = await at("about.js");
const { grip } = await at("plot.js");
const { Queue, sparing, turns } = await at("turns.js");
const { age, between, breadth, bytes, clockOrDate, fromTo, inWords, perSecond, reading } = await at("format.js");
const { address, destination, fragment, hidden, wide, home, seconds, short, span } = await at("place.js");
const { typed } = await at("nodes.js");
const { shortTitle } = await at("sections.js");
const { csv, fileName, fitted } = await at("save.js");
const { graph, route, topology } = await at("topology.js");

/** @returns {() => number} milliseconds of processor time since */
const processor = () => {
  const begun = process.cpuUsage();
  return () => process.cpuUsage(begun).user / 1000;
};

/** @returns {(milliseconds: number) => void} lets time pass, which stands still otherwise */
const clock = (t) => {
  let now = 1000;
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  return (milliseconds) => {
    now += milliseconds;
    t.mock.timers.tick(milliseconds);
  };
};

test("lengths of time are written and read as people do", () => {
  for (const [text, value] of [["90s", 90], ["5m", 300], ["1h", 3600], ["36h", 129600], ["2d", 172800], ["7d", 604800]]) {
    assert.equal(seconds(text), value);
    assert.equal(short(value), text);
  }
  for (const [text, value] of [["45 minutes", 2700], ["1 Hour", 3600], ["2 hrs", 7200], ["90 sec", 90], ["3 days", 259200], ["10 min", 600]]) assert.equal(seconds(text), value, text);
  for (const text of ["", "5", "m", "5 mi", "5 dogs", "-5m", "1s", "5 weeks", "99999999d", "5m;x"]) assert.equal(seconds(text), null, text);
  assert.equal(inWords(3600), "1 hour");
  assert.equal(inWords(300), "5 minutes");
  assert.equal(inWords(90), "90 seconds");
});

test("the address keeps the time, and what makes no sense in it is left out", () => {
  const of = (hash) => span(new URLSearchParams(hash));
  assert.deepEqual(of(""), { last: 300 });
  assert.deepEqual(of("last=1h"), { last: 3600 });
  assert.deepEqual(of("after=1000&before=2000"), { last: 300, after: 1000, before: 2000 });
  assert.deepEqual(of("after=2000&before=1000&last=x"), { last: 300 });
  assert.equal(fragment("chart_a.b", { last: 300 }), "#at=chart_a.b");
  assert.equal(fragment("", { last: 3600, after: 1000, before: 2000 }), "#last=1h&after=1000&before=2000");
});

test("a node is named by its name only where that names it alone", () => {
  const hosts = [{ hostname: "web", guid: "g1" }, { hostname: "twin", guid: "g2" }, { hostname: "twin", guid: "g3" }, { hostname: "a/b", guid: "g4" }];
  location.pathname = "/mon/host/web/alerts.html";
  assert.equal(home(), "/mon/");
  assert.deepEqual(hosts.map((host) => address(host, hosts)), ["/mon/host/web/", "/mon/host/g2/", "/mon/host/g3/", "/mon/host/g4/"]);
  location.pathname = "/";
  assert.equal(home(), "./");
});

test("sizes and times read well", () => {
  assert.equal(bytes(512, "/s"), "512 B/s");
  assert.equal(bytes(1536), "1.50 KiB");
  assert.equal(age(59), "59 s");
  assert.equal(age(600), "10 min");
  assert.match(between(1600000000, 1700000000), /^\d+ Sept? 2020 – \d+ Nov 2023$/);
  assert.match(between(1700000000, 1700003600, 1700009999), /^\d+ Nov, \d\d:\d\d – \d\d:\d\d$/);
  assert.match(between(1700000000, 1700003600, 1800000000), /^\d+ Nov 2023, \d\d:\d\d – \d\d:\d\d$/, "another year is named");
  assert.match(fromTo(1700000000, 1700000300), /^1\d Nov 2023, \d\d:\d\d:20 – \d\d:\d\d:20 UTC([+−-][\d:]+)?$/);
});

const node = (hostname, more = {}) => ({ hostname, guid: `guid-${hostname}`, state: "live", hops: 1, newest: 100, metrics: 10, cpu: 1, alarms: { warning: 0, critical: 0 }, labels: {}, ...more });

test("nodes are sorted, chosen and found", () => {
  const nodes = [
    node("web10", { labels: { site: "berlin" } }),
    node("web9", { state: "offline", newest: 5 }),
    node("db", { alarms: { warning: 2, critical: 1 }, cpu: 90 }),
    node("cache", { alarms: { warning: 5, critical: 0 }, state: "replicating" }),
  ];
  const names = (wanted) => arrangeNodes(nodes, wanted).map(({ hostname }) => hostname);
  assert.deepEqual(names({ by: "hostname" }), ["cache", "db", "web9", "web10"]);
  assert.deepEqual(names({ by: "hostname", down: true }), ["web10", "web9", "db", "cache"]);
  assert.deepEqual(names({ by: "state" }), ["web9", "cache", "db", "web10"]);
  assert.deepEqual(names({ by: "alerts" }).slice(0, 2), ["db", "cache"]);
  assert.deepEqual(names({ by: "cpu" })[0], "db");
  assert.deepEqual(names({ filter: "away" }), ["web9"]);
  assert.deepEqual(names({ filter: "alerts", by: "hostname" }), ["cache", "db"]);
  assert.deepEqual(names({ find: "SITE=berlin web" }), ["web10"]);
  assert.deepEqual(counts(nodes), { all: 4, live: 2, replicating: 1, away: 1, alerts: 2 });
});

test("a thousand nodes are sorted at once", () => {
  const nodes = Array.from({ length: 1000 }, (_, number) => node(`n${number}`, { cpu: number % 97 }));
  const cost = processor();
  assert.equal(arrangeNodes(nodes, { by: "cpu", find: "n" }).length, 1000);
  assert.ok(cost() < 300);
});

test("what a node puts together is drawn by name, and its newest rows only when nobody is missing", () => {
  const reply = {
    view: { update_every: 1, dimensions: { ids: ["in,g10", "in,g9"], names: ["in,web10", "in,web9"] } },
    result: { data: [[98, [1, 0, 4], [2, 0, 0]], [99, [3, 0, 0], [4, 0, 0]], [100, [5, 0, 4], [null, 0, 1]]] },
  };
  const chart = asChart(reply, "both", 101);
  assert.deepEqual(chart.dimension_names, ["web9: in", "web10: in"]);
  assert.deepEqual(chart.dimension_ids, ["in,g9", "in,g10"]);
  assert.deepEqual(chart.result.data, [[98, 2, 1], [99, 4, 3]]);
  // What is still missing after a while is missing.
  assert.deepEqual(asChart(reply, "both", 120).result.data.at(-1), [100, null, 5]);
  assert.deepEqual(asChart({}, "node", 100).result.data, []);
});

test("groups are asked for and named as people choose them", () => {
  assert.deepEqual(grouping("label:site", "sum"), { group_by: "label", group_by_label: "site", aggregation: "sum" });
  assert.deepEqual(["node", "dimension", "both", "all"].map((by) => grouping(by, "sum").group_by), ["node", "dimension", "dimension,node", "selected"]);
  assert.equal(groupName("label:site", "[unset]", "[unset]"), "without this label");
  assert.equal(groupName("dimension,label:site", "user,a, b", "user,a, b"), "a, b: user");
  assert.equal(groupName("dimension,label:site", "user,[unset]", "user,[unset]"), "without this label: user");
  assert.equal(groupName("all", "selected", "selected"), "all");
  assert.equal(groupName("node", "__remaining_dimensions__", "remaining 7 dimensions"), "remaining 7 smaller ones");
  assert.deepEqual(["node", "label:site", "dimension,label:site"].map(groupWords), ["Node", "site", "site and dimension"]);
});

test("averages and extremes are of whole charts, unless dimensions stay apart", () => {
  const whole = { group_by: "instance", aggregation: "sum" };
  assert.deepEqual(grouping("label:site", "avg"), { ...whole, "group_by[1]": "label", "group_by_label[1]": "site", "aggregation[1]": "avg" });
  assert.deepEqual(grouping("all", "max"), { ...whole, "group_by[1]": "selected", "aggregation[1]": "max" });
  assert.deepEqual(grouping("dimension", "avg"), { group_by: "dimension", aggregation: "avg" });
  assert.deepEqual(grouping("dimension,label:site", "min"), { group_by: "dimension,label", group_by_label: "site", aggregation: "min" });
  assert.match(meaning("label:site", "avg"), /average of the charts/);
  assert.match(meaning("both", "max"), /highest of that dimension/);
});

const agent = (name) => ({ mg: `g-${name}`, nm: name });
const step = (name, hops) => ({ host_id: `g-${name}`, hostname: name, hops });
const instance = (path, more = {}) => ({
  ...agent(path[0]),
  instances: [
    {
      ingest: { status: "online", hops: path.length - 1, lag: 1, source: { remote: "10.0.0.1", traffic: { bytes_per_second: 100, samples_per_second: 10, compression: true, compression_ratio: 4 } }, ...more.ingest },
      stream: { status: "disabled", path: path.map(step), ...more.stream },
    },
  ],
});

test("who streams to whom follows from the paths", () => {
  const sent = { stream: { status: "online", backlog: 5, lag: 2, destination: { remote: "top:19999", traffic: { bytes_per_second: 7, samples_per_second: 1 } } } };
  const withPath = (path) => {
    const made = instance(path);
    made.instances[0].stream = { ...sent.stream, path: path.map(step) };
    return made;
  };
  const answer = { agents: [agent("me")], nodes: [withPath(["me", "top"]), withPath(["child", "relay", "me", "top"]), withPath(["relay", "me", "top"]), instance(["gone"], { ingest: { status: "offline", reason: "timeout", source: undefined }, stream: { path: [] } })] };
  const { vertices, hops } = graph(answer);
  const of = (from, to) => hops.find((hop) => hop.from === `g-${from}` && hop.to === `g-${to}`);
  assert.equal(vertices.size, 5);
  assert.deepEqual([of("child", "relay").known, of("relay", "me").known, of("me", "top").known], [false, true, true]);
  assert.deepEqual([of("relay", "me").bytes, of("relay", "me").hosts, of("relay", "me").ratio, of("relay", "me").lag], [200, 2, 4, 1]);
  assert.deepEqual([of("me", "top").bytes, of("me", "top").backlog, of("me", "top").lag], [21, 15, 2]);
  assert.deepEqual([of("gone", "me").up, of("gone", "me").reason], [false, "timeout"]);
  const { vertices: placed } = topology(answer);
  const x = (name) => placed.find(({ id }) => id === `g-${name}`).x;
  assert.ok(x("child") < x("relay") && x("relay") < x("me") && x("me") < x("top"));
});

test("parents that stream to each other are a cluster and stand together", () => {
  const answer = { agents: [agent("p1")], nodes: [instance(["p1", "p2"]), instance(["p2", "p1"]), instance(["c1", "p1", "p2"]), instance(["c2", "p2", "p1"])] };
  const { clusters, vertices } = topology(answer);
  assert.deepEqual(clusters, [["g-p1", "g-p2"]]);
  const of = (name) => vertices.find(({ id }) => id === `g-${name}`);
  assert.equal(of("p1").x, of("p2").x);
  assert.notEqual(of("p1").y, of("p2").y);
  assert.ok(of("c1").x < of("p1").x);
});

test("many children are one in the picture", () => {
  const nodes = [{ ...agent("me"), instances: [{ ingest: {}, stream: { status: "disabled", path: [step("me")] } }] }, ...Array.from({ length: 1000 }, (_, number) => instance([`c${number}`, "me"]))];
  const cost = processor();
  const { vertices, hops } = topology({ agents: [agent("me")], nodes });
  assert.ok(cost() < 500);
  assert.equal(vertices.length, 2);
  assert.equal(vertices.find(({ members }) => members.length).members.length, 1000);
  assert.deepEqual([hops.length, hops[0].bytes, hops[0].hosts], [1, 100_000, 1000]);
});

test("nonsense in a path does no harm", () => {
  const loop = { agents: [agent("a")], nodes: [instance(["a", "b", "a", "b"]), instance(["b", "a"]), { mg: "g-x", nm: "__proto__" }] };
  assert.equal(topology(loop).vertices.length, 3);
  assert.equal(topology({}).vertices.length, 0);
});

test("values are saved so that spreadsheets take no text for a formula", () => {
  const text = csv(["=cmd()", 'a "b", c', "plain"], [0, 1, 2], [[1, null, 3], [4, 5, 6], [7, 8, 9]], { from: 1, to: 2 });
  assert.equal(text, `time,'=cmd(),"a ""b"", c",plain\r\n1970-01-01T00:00:01Z,,5,8\r\n1970-01-01T00:00:02Z,3,6,9\r\n`);
});

test("a file is named after its node, chart and time, as any file system takes it", () => {
  const view = { from: 1795871000.7, to: 1795871300 };
  assert.match(fileName(["web 1/x", "disk.a:b"], view, "png"), /^web_1_x-disk\.a_b-2026112\dT\d{6}Z?-2026112\dT\d{6}Z?\.png$/);
  const long = fileName(["n".repeat(300), "a.b"], view, "csv");
  assert.ok(long.length <= 120 && /-2026112\dT\d{6}Z?\.csv$/.test(long), long);
  assert.match(fileName(["..", "a.b"], view, "csv"), /^_-a\.b-/, "and none is hidden");
});

const reply = (ids, data, step = 1) => ({ view_update_every: step, dimension_ids: ids, dimension_names: ids, result: { data } });

test("samples that come by themselves go on where the answer ended", () => {
  const feed = new Feed({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" } } });
  feed.absorb(feed.question(60, 0, 100), reply(["x"], [[98, 1], [99, 2]]), 100);
  assert.equal(feed.append(100, { x: 3 }, 100), true);
  assert.equal(feed.append(100, { x: 3 }, 100), false, "it is there already");
  assert.equal(feed.append(103, { x: 3 }, 103), false, "what lies between has to be asked for");
  assert.equal(feed.append(101, { x: 3, y: 4 }, 103), false, "a dimension is new");
  assert.deepEqual([feed.times, feed.values], [[98, 99, 100], [[1, 2, 3]]]);
  assert.notEqual(feed.question(60, 0, 103, true), null, "and it is asked for at once");
});

test("what is anomalous is kept with the points, and asked for now and then", () => {
  const feed = new Feed({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" } } });
  const odd = (data) => ({ anomaly_rates: { data } });
  feed.absorb(feed.question(60, 0, 100), { ...reply(["x"], [[98, 1], [99, 2]]), ...odd([[98, 100], [99, 0]]) }, 100);
  assert.deepEqual([...feed.anomalies], [[98, ["x"]]]);
  for (let second = 100; second <= 130; second += 1) assert.equal(feed.append(second, { x: 3 }, second), true);
  assert.equal(feed.question(60, 0, 130, true), null, "samples come by themselves");
  const asked = feed.question(60, 0, 131, true);
  assert.equal(asked.after, 99);
  feed.absorb(asked, { ...reply(["x"], [[100, 3], [130, 3]]), ...odd([[100, 100]]) }, 131);
  assert.deepEqual([...feed.anomalies.keys()], [98, 100]);
});

test("what comes by itself is not asked for, unless it stays away", () => {
  const feed = new Feed({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" } } });
  feed.absorb(feed.question(60, 0, 100), reply(["x"], [[99, 2], [100, 1]]), 100);
  assert.equal(feed.question(60, 0, 101.5, true), null);
  assert.notEqual(feed.question(60, 0, 101.5), null);
  assert.notEqual(feed.question(60, 0, 107, true), null);
});

test("a new child is told where the node is, and when that may be wrong", () => {
  const of = (text) => destination(new URL(text));
  assert.deepEqual(of("http://parent:19999/"), { at: "parent:19999", doubt: "" });
  assert.equal(of("https://parent:19999/").at, "parent:19999:SSL");
  assert.match(of("http://127.0.0.1:19999/").doubt, /^Only this machine calls it 127/);
  assert.match(of("http://localhost:19999/").doubt, /localhost/);
  assert.match(of("https://example.org/monitoring/").doubt, /web server/);
  assert.equal(of("https://example.org/").at, "example.org:443:SSL");
});

test("the longest time that an axis names has room", () => {
  assert.deepEqual([breadth(null), breadth([]), breadth(["0", "−10"])], [48, 48, 48]);
  assert.ok(breadth(["368d 21:06:40"]) > 90);
});

test("what is newest is on show however long the time is", () => {
  const feed = new Feed({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" } } });
  const month = 30 * 86400;
  const question = feed.question(month, 0, 1795871000.5);
  assert.deepEqual([question.before, question.before - question.after, question.points], [1795871000, month, 360]);
  feed.absorb(question, reply(["x"], [[1795867200, null], [1795874400, 5]], 7200), 1795871000.5);
  assert.deepEqual([feed.times.at(-1), feed.newest, feed.values[0].at(-1)], [1795871000, 1795871000, 5], "it ends now");
  assert.equal(feed.question(month, 0, 1795871030), null);
  assert.equal(feed.question(month, 0, 1795871061).before, 1795871061, "and is asked for again each minute");
  assert.deepEqual([feed.question(3600, 0, 1795871061).before, feed.question(3600, 0, 1795871061).after], [0, -3600]);
});

test("the newest samples are asked for besides where points stand for several", () => {
  const recent = new Recent({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" } } });
  assert.equal(recent.question(300, 0, 5000), null);
  assert.ok(recent.fits(300, 4000), "nothing is missing");
  const question = recent.question(86400, 0, 5000);
  assert.deepEqual([question.after, question.points], [-60, 60]);
  recent.absorb(question, reply(["x"], [[4999, 1], [5000, 2]]), 5000);
  assert.equal(recent.append(5001, { x: 3 }, 5001), true, "and come by themselves");
  assert.deepEqual([recent.grouped, recent.newest, recent.fits(86400, 4000)], [false, 5001, false]);
  assert.equal(recent.question(86400, 4000, 5002).after, 3940, "also of a time that stands still");
});

test("what comes and what goes are told from what can be added up", () => {
  const of = (...rows) => {
    const feed = new Feed({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" }, y: { name: "y" } } });
    feed.absorb(feed.question(60, 0, 100), reply(["x", "y"], rows), 100);
    return feed.opposed;
  };
  assert.equal(of([99, 5, -3], [100, null, 0]), true);
  for (const rows of [[[99, 5, 0]], [[99, -5, -3]], [[99, null, null]], []]) assert.equal(of(...rows), false);
});

test("a time that stands still is asked for once", () => {
  const feed = new Feed({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" } } });
  const question = feed.question(60, 1000, 5000);
  assert.deepEqual([question.after, question.before], [940, 1000]);
  feed.absorb(question, reply(["x"], [[999, 1], [1000, 2]]), 5000);
  assert.equal(feed.question(60, 1000, 6000), null);
  assert.ok(feed.fits(60, 1000));
  assert.equal(feed.append(1001, { x: 1 }, 6000), false);
});

test("an alert explains itself", () => {
  const said = lines(
    {
      status: "WARNING",
      since: 900,
      value_string: "42%",
      lookup: { method: "average", dimensions: ["user"], after: 800, before: 900, found: 42.123456789 },
      calc: { expression: "$this + $load1", filled_in: "42.1 + 0.9", result: 43.0 },
      warn: { expression: "$this > 10", filled_in: "42.1 > 10", result: 1 },
      roles: ["sysadmin"],
      would_tell: [],
      not_told_because: "nothing has changed",
      definition: { file: "cpu.conf", line: 3, stock: true },
    },
    1000,
  );
  const of = Object.fromEntries(said.map(([name, words, literal]) => [name, literal ?? words]));
  assert.match(of["Looked up"], /^average of user, .*: 42.1235$/);
  assert.equal(of["Calculated now"], "$this + $load1\n42.1 + 0.9");
  assert.equal(of["Warning if"], "$this > 10\n42.1 > 10");
  assert.equal(of.Told, "nobody: nothing has changed");
  assert.equal(of["Defined in"], "cpu.conf, line 3 (comes with netstream)");
});

test("an alert names a delay only where somebody is told at its end", () => {
  const of = (more) => Object.fromEntries(lines({ value_string: "1", roles: ["silent"], delay: { up: 60, running_until: 2000 }, ...more }, 1000));
  const silent = of({ would_tell: [], not_told_because: "its recipient is 'silent'" });
  assert.equal(silent.Told, "nobody: its recipient is 'silent'");
  assert.equal(silent.Delay, undefined);
  assert.equal(silent["Not told now"], undefined);
  assert.equal(of({ would_tell: [], roles: ["dba"] }).Told, "nobody: dba has no recipient here");
  assert.match(of({ would_tell: ["role dba"] }).Delay, /^people are told at /);
  const before = of({ would_tell: ["role dba"], not_told_because: "that was told before" });
  assert.deepEqual([before.Delay, before.Told, before["Not told now"]], ["60 s up, 0 s down", "role dba", "that was told before"]);
});

test("what is said of a connection stands beside its child, where no other connection passes", () => {
  const children = Array.from({ length: 5 }, (_, number) => instance([`c${number}`, "me"]));
  for (const narrow of [false, true]) {
    const { vertices, hops, size } = topology({ agents: [agent("me")], nodes: children }, narrow);
    const of = new Map(vertices.map((vertex) => [vertex.id, vertex]));
    const routes = hops.map(({ from, to }) => ({ ...route(of.get(from), of.get(to), size), y1: of.get(from).y + size.height / 2 }));
    const edge = of.get("g-c0").x + size.width;
    for (const { path, x, y, y1 } of routes) {
      assert.ok(x > edge && y < y1, "the words stand over its own line");
      const [, start, level, turn] = /^M([\d.]+) ([\d.]+)H([\d.]+)C/.exec(path).map(Number);
      assert.deepEqual([start, level], [edge, y1]);
      assert.ok(turn - x >= 50, "and until they end no line leaves its height");
    }
    assert.equal(new Set(routes.map(({ y }) => y)).size, 5);
  }
});

test("rates and times of connections are as short as they can be", () => {
  assert.deepEqual([36, 36.4, 2, 2.5, 0.25, 0, 1234.5].map(perSecond), ["36", "36", "2", "2.50", "0.25", "0", "1,235"]);
  const now = 1795871000;
  assert.match(clockOrDate(now - 60, now), /^\d\d:\d\d:\d\d$/);
  assert.match(clockOrDate(now - 86400, now), /2026/);
});

test("an address without sense, or of the future, is of what can be shown", () => {
  const of = (hash) => span(new URLSearchParams(hash), 10_000);
  assert.deepEqual(of("last=1y"), { last: 300 });
  assert.deepEqual(of("after=-600&before=0"), { last: 600 }, "as the API takes it");
  assert.deepEqual(of("after=-600"), { last: 600 });
  assert.deepEqual(of("after=-1&last=1h"), { last: 3600 });
  assert.deepEqual(of("after=-600&before=-300"), { last: 300 });
  assert.deepEqual(of("after=9000&before=99999"), { last: 300, after: 9000, before: 10_060 });
  assert.deepEqual(of("after=20000&before=30000"), { last: 300 });
  assert.equal(fragment("", of("last=1y"), new Map()), "#");
});

test("the address keeps which dimensions are hidden, and does not grow without end", () => {
  const back = (hides) => hidden(new URLSearchParams(fragment("", { last: 300 }, new Map(Object.entries(hides))).slice(1)));
  const odd = { "disk.a,b": ["re ads", "100%", "a&b=c"], "system.cpu": ["user"] };
  assert.deepEqual(Object.fromEntries(back(odd)), odd);
  assert.deepEqual(back({ "system.cpu": [] }).size, 0);
  assert.deepEqual(hidden(new URLSearchParams("hide=%25E0%25A4,x&hide=alone&hide=")).size, 0);
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, number) => [`chart.${number}`, ["user", "system"]]));
  const kept = back(many);
  assert.ok(kept.size > 20 && kept.has("chart.499") && !kept.has("chart.0"), "the newest are kept");
  assert.ok(fragment("", { last: 300 }, new Map(Object.entries(many))).length < 2000);
});

test("a node is found by the letters that its name begins with", () => {
  const names = ["atlas", "borealis", "Vega", "vulcan"];
  assert.equal(typed(names, 0, "v"), 2);
  assert.equal(typed(names, 2, "ve"), 2);
  assert.equal(typed(names, 2, "v"), 3, "the next one");
  assert.equal(typed(names, 2, "vv"), 3);
  assert.equal(typed(names, 2, "vul"), 3);
  assert.equal(typed(names, 0, "real"), 1, "or holds");
  assert.equal(typed(names, 0, "x"), -1);
  assert.equal(typed([], -1, "x"), -1);
});

test("what takes long gives others their turn", async (t) => {
  const pass = clock(t);
  const turn = turns(5);
  pass(4);
  assert.equal(turn(), null, "not at once");
  let others = false;
  setTimeout(() => {
    others = true;
  });
  pass(0.9);
  assert.equal(turn(), null);
  pass(0.1);
  const its = turn();
  assert.ok(its);
  pass(1);
  await its;
  assert.ok(others);
  pass(4);
  assert.equal(turn(), null, "and has time again");
});

test("what must not be done all the time is done at once, then now and then, and at last", (t) => {
  const pass = clock(t);
  let [wanted, done] = [0, []];
  const { want, forget } = sparing(() => done.push(wanted));
  for (wanted = 1; wanted <= 300; wanted += 1) want();
  wanted = 300;
  assert.deepEqual(done, [1, 2, 3, 4, 5, 6, 7, 8]);
  pass(374);
  assert.equal(done.length, 8);
  pass(1);
  assert.deepEqual(done, [1, 2, 3, 4, 5, 6, 7, 8, 300]);
  want();
  forget();
  pass(5000);
  assert.equal(done.length, 9);
  want();
  assert.equal(done.length, 10, "at once again");
});

test("before a picture no more is done than leaves it smooth", async () => {
  const pictures = [];
  globalThis.requestAnimationFrame = (draw) => pictures.push(draw);
  const done = [];
  const queue = new Queue((thing) => {
    done.push(thing);
    const ends = performance.now() + 4;
    while (performance.now() < ends);
  }, 3);
  for (const thing of ["a", "b", "c", "a"]) queue.add(thing);
  queue.delete("b");
  assert.deepEqual([done, pictures.length], [[], 1]);
  pictures.shift()();
  assert.deepEqual([done, pictures.length], [["a"], 1]);
  pictures.shift()();
  assert.deepEqual([done, pictures.length], [["a", "c"], 0]);
  queue.add("d");
  assert.equal(pictures.length, 1);
});

test("fingers hold the seconds that they are on", () => {
  const before = { width: 300, from: 1000, to: 1300 };
  const finger = (at, x) => ({ ...before, at, time: 1000 + x });
  assert.deepEqual(grip([finger(150, 100)]), [950, 1250], "one moves the time");
  assert.deepEqual(grip([finger(100, 100), finger(200, 200)]), [1000, 1300], "two that stand still change nothing");
  assert.deepEqual(grip([finger(0, 100), finger(300, 200)]), [1100, 1200], "apart, they show less");
  assert.deepEqual(grip([finger(140, 100), finger(160, 200)]), [400, 1900], "together, they show more");
  assert.deepEqual(grip([finger(200, 100), finger(100, 200)]), [900, 1200], "past one another, the first counts");
});

test("a second belongs to the point that ends with it or after it", () => {
  const feed = new Feed({ id: "a.b", update_every: 10, dimensions: { x: { name: "x" } } });
  feed.absorb(feed.question(100, 0, 200), reply(["x"], [[110, 1], [120, 2], [150, 3]], 10), 200);
  assert.deepEqual([101, 110, 111, 120].map((second) => feed.pointAt(second)), [0, 0, 1, 1]);
  assert.deepEqual([feed.pointAt(100), feed.pointAt(135), feed.pointAt(151)], [-1, -1, -1], "none is in a gap");
});

test("the address keeps which charts are wide", () => {
  const of = (wides) => wide(new URLSearchParams(fragment("", { last: 300 }, new Map(), wides).slice(1)));
  assert.deepEqual(of([]), []);
  assert.deepEqual(of(["a&b.c", "d e"]), ["a&b.c", "d e"]);
  assert.equal(of(Array.from({ length: 50 }, (_, number) => `n${number}`)).length, 20);
});

test("what a chart shows is said in sentences, and nothing of a chart that nobody knows", () => {
  assert.match(about("system.cpu_some_pressure"), /^Share of the time .* at least one task waited for a processor, over/);
  assert.match(about("system.memory_full_pressure_stall_time"), /^How long all tasks .* waited for memory in each second\.$/);
  for (const context of ["system.cpu", "disk.util", "ipv4.tcperrors"]) assert.match(about(context), /^[A-Z].+\.$/);
  for (const context of ["", "no.such", "constructor", "__proto__"]) assert.equal(about(context), "");
});

test("what has no room in a picture is cut off, not squeezed", () => {
  const pen = { measureText: (text) => ({ width: 10 * text.length }) };
  assert.equal(fitted(pen, "a title", 70), "a title");
  assert.equal(fitted(pen, "a longer title", 100), "a longer…");
  assert.equal(fitted(pen, "name", 0), "n…");
  assert.equal(fitted(pen, "", 0), "");
});

test("small numbers say something", () => {
  assert.equal(reading(0.00015, 0.00015), "0.00015");
  assert.equal(reading(0.00001, 0.00015), "0.00001");
  assert.equal(reading(0.05, 0.05), "0.050");
  assert.equal(reading(0.5, 0.5), "0.500");
  assert.equal(reading(0, 0), "0.00");
  assert.equal(reading(5, 50), "5.00");
});

test("a title does not name its chart, however often it does", () => {
  const of = (title) => shortTitle({ id: "a.b", name: "a.name", title });
  assert.equal(of("States (a.b)"), "States");
  assert.equal(of("States (a.b) (a.name)"), "States");
  assert.equal(of("States (x)"), "States (x)");
  assert.equal(of(""), "a.b");
});
