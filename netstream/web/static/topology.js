// Who streams to whom: a graph from what the nodes tell, and a place for each of them.

const FEW = 8;
// What a box, the room beside and below it, and the margin measure; in a narrow window a child and its parent stand side by side.
// For what is said of a connection there is room beside the box that it comes from, which no other connection crosses.
const WIDE = { width: 176, height: 50, across: 160, below: 22, margin: 16, caption: 76 };
const NARROW = { width: 108, height: 50, across: 88, below: 22, margin: 3, caption: 67 };

/**
 * One agent, or several children that look alike.
 *
 * @typedef {object} Vertex
 * @property {string} id machine GUID; of several `group:` and that of their parent
 * @property {string} name
 * @property {object|null} instance as `api/v3/node_instances` describes it, if it is known here
 * @property {boolean} own whether it is the node that answers
 * @property {Vertex[]} members of a group
 * @property {string[]} cluster ids of those that stream to one another, itself included
 * @property {number} x
 * @property {number} y
 */

/**
 * What goes from one agent to another.
 *
 * @typedef {object} Hop
 * @property {string} from
 * @property {string} to
 * @property {boolean} known whether this node sees it, so that there are figures
 * @property {boolean} up
 * @property {number} hosts whose samples it carries
 * @property {number|null} lag seconds
 * @property {number} backlog bytes
 * @property {number} dropped samples
 * @property {number} bytes a second
 * @property {number} samples a second
 * @property {number|null} ratio of compression
 * @property {number|null} replication percent, null when there is nothing to do
 * @property {string} reason why it is down
 * @property {number} certificate second at which that of the other end expires, 0 if it has none
 */

const key = (from, to) => `${from}>${to}`;

function emptyHop(from, to) {
  return { from, to, known: false, up: true, hosts: 0, lag: null, backlog: 0, dropped: 0, bytes: 0, samples: 0, ratio: null, replication: null, reason: "", since: 0, remote: "", certificate: 0 };
}

/** Of several certificates the one that expires first counts. */
function expire(hop, { not_after: end } = {}) {
  if (end) hop.certificate = hop.certificate ? Math.min(hop.certificate, end) : end;
}

function add(hop, side, traffic, lag) {
  hop.known = true;
  hop.bytes += traffic?.bytes_per_second ?? 0;
  hop.samples += traffic?.samples_per_second ?? 0;
  if (lag !== null && lag !== undefined) hop.lag = Math.max(hop.lag ?? 0, lag);
  if (traffic?.compression && traffic.compression_ratio > 0) hop.ratio = Math.max(hop.ratio ?? 0, traffic.compression_ratio);
  if (side.replication?.in_progress) hop.replication = Math.min(hop.replication ?? 100, side.replication.completion);
  hop.since = hop.since && side.since ? Math.min(hop.since, side.since) : side.since || hop.since;
}

/**
 * @param {object} answer of `api/v3/node_instances`
 * @returns {{vertices: Map<string, Vertex>, hops: Hop[]}}
 */
export function graph(answer) {
  const own = answer.agents?.[0] ?? { mg: "", nm: "" };
  /** @type {Map<string, Vertex>} */
  const vertices = new Map();
  /** @type {Map<string, Hop>} */
  const hops = new Map();
  const vertex = (id, name) => {
    if (!vertices.has(id)) vertices.set(id, { id, name: name || id.slice(0, 8), instance: null, own: id === own.mg, members: [], cluster: [id], x: 0, y: 0 });
    return vertices.get(id);
  };
  const hop = (from, to) => {
    if (!hops.has(key(from, to))) hops.set(key(from, to), emptyHop(from, to));
    return hops.get(key(from, to));
  };
  if (own.mg) vertex(own.mg, own.nm);
  for (const node of answer.nodes ?? []) vertex(node.mg, node.nm).instance = { ...node, ...node.instances?.[0] };
  for (const node of answer.nodes ?? []) {
    const { ingest = {}, stream = {} } = node.instances?.[0] ?? {};
    const path = (stream.path ?? []).map(({ host_id: id, hostname }) => vertex(id, hostname).id);
    if (!path.length || path[0] !== node.mg) path.unshift(node.mg);
    if (!path.includes(own.mg) && node.mg !== own.mg && own.mg) path.push(own.mg);
    path.slice(1).forEach((to, at) => {
      hop(path[at], to).hosts += 1;
    });
    // What comes here...
    const here = path.indexOf(own.mg);
    if (here > 0) {
      const coming = hop(path[here - 1], own.mg);
      const up = ingest.status === "online" || ingest.status === "replicating";
      coming.up = coming.known ? coming.up || up : up;
      if (!up && ingest.reason) coming.reason = ingest.reason;
      if (up) add(coming, ingest, ingest.source?.traffic, ingest.lag);
      else coming.known = true;
      coming.remote ||= ingest.source?.remote ?? "";
      if (up) expire(coming, ingest.source?.certificate);
    }
    // ... and what goes on from here.
    const next = here >= 0 ? path[here + 1] : undefined;
    if (next && stream.status && stream.status !== "disabled") {
      const going = hop(own.mg, next);
      const up = stream.status === "online" || stream.status === "replicating";
      going.up = going.known ? going.up || up : up;
      add(going, stream, stream.destination?.traffic, stream.lag);
      going.backlog += stream.backlog ?? 0;
      going.dropped += stream.dropped ?? 0;
      going.reason ||= up ? "" : stream.reason ?? "";
      going.remote ||= stream.destination?.remote ?? "";
      if (up) expire(going, stream.destination?.certificate);
    } else if (!next && node.mg === own.mg && stream.status === "offline" && stream.destination?.remote) {
      // A parent that was never reached has no name yet.
      const id = `destination:${stream.destination.remote}`;
      vertex(id, stream.destination.remote);
      Object.assign(hop(own.mg, id), { known: true, up: false, hosts: 1, backlog: stream.backlog ?? 0, dropped: stream.dropped ?? 0, reason: stream.reason ?? "" });
    }
  }
  return { vertices, hops: [...hops.values()] };
}

/** Find those that can be reached from one another: clusters of parents. */
function clusters(vertices, next) {
  const reach = (from) => {
    const seen = new Set();
    const stack = [...(next.get(from) ?? [])];
    while (stack.length) {
      const id = stack.pop();
      if (seen.has(id)) continue;
      seen.add(id);
      stack.push(...(next.get(id) ?? []));
    }
    return seen;
  };
  // Children without anyone below are in no cluster, and they are the most.
  const inner = [...vertices.keys()].filter((id) => next.has(id) && [...next.values()].some((to) => to.includes(id)));
  const reached = new Map(inner.map((id) => [id, reach(id)]));
  for (const id of inner) {
    vertices.get(id).cluster = [id, ...inner.filter((other) => other !== id && reached.get(id).has(other) && reached.get(other).has(id))].sort();
  }
}

/** Put children of one parent together when there are many. */
function gather(vertices, hops) {
  const into = new Set(hops.map(({ to }) => to));
  const out = new Map();
  for (const { from, to } of hops) out.set(from, [...(out.get(from) ?? []), to]);
  const leaves = new Map();
  for (const vertex of vertices.values()) {
    const to = out.get(vertex.id) ?? [];
    if (into.has(vertex.id) || to.length !== 1 || vertex.own) continue;
    leaves.set(to[0], [...(leaves.get(to[0]) ?? []), vertex]);
  }
  let kept = hops;
  for (const [parent, members] of leaves) {
    if (members.length <= FEW) continue;
    const ids = new Set(members.map(({ id }) => id));
    const id = `group:${parent}`;
    const theirs = kept.filter(({ from }) => ids.has(from));
    const sum = (name) => theirs.reduce((total, hop) => total + hop[name], 0);
    const most = (name) => theirs.reduce((best, hop) => (hop[name] === null ? best : Math.max(best ?? 0, hop[name])), null);
    const running = theirs.filter(({ replication }) => replication !== null);
    kept = kept.filter(({ from }) => !ids.has(from));
    kept.push({
      ...emptyHop(id, parent),
      known: theirs.some(({ known }) => known),
      up: theirs.some(({ up }) => up),
      hosts: sum("hosts"),
      bytes: sum("bytes"),
      samples: sum("samples"),
      lag: most("lag"),
      ratio: most("ratio"),
      certificate: theirs.reduce((first, { certificate }) => (certificate && (!first || certificate < first) ? certificate : first), 0),
      replication: running.length ? Math.min(...running.map(({ replication }) => replication)) : null,
    });
    for (const one of ids) vertices.delete(one);
    vertices.set(id, { id, name: `${members.length} children`, instance: null, own: false, members, cluster: [id], x: 0, y: 0 });
  }
  return kept;
}

/**
 * Give each a place: children on the left, the last parents on the right.
 *
 * @param {object} answer of `api/v3/node_instances`
 * @param {boolean} [narrow] whether there is little room
 * @returns {{vertices: Vertex[], hops: Hop[], clusters: string[][], width: number, height: number, size: typeof WIDE}}
 */
export function topology(answer, narrow = false) {
  const size = narrow ? NARROW : WIDE;
  const { vertices, hops: all } = graph(answer);
  const hops = gather(vertices, all);
  const next = new Map();
  for (const { from, to } of hops) next.set(from, [...(next.get(from) ?? []), to]);
  clusters(vertices, next);

  // How far from the end, a cluster being one place.
  const depth = new Map();
  const measure = (id, busy = new Set()) => {
    if (depth.has(id)) return depth.get(id);
    if (busy.has(id)) return 0;
    busy.add(id);
    const { cluster } = vertices.get(id);
    const beyond = cluster.flatMap((member) => next.get(member) ?? []).filter((to) => !cluster.includes(to));
    const found = beyond.length ? 1 + Math.max(...beyond.map((to) => measure(to, busy))) : 0;
    busy.delete(id);
    for (const member of cluster) depth.set(member, found);
    return found;
  };
  for (const id of vertices.keys()) measure(id);

  const deepest = Math.max(0, ...depth.values());
  const columns = Array.from({ length: deepest + 1 }, () => []);
  for (const vertex of vertices.values()) columns[deepest - depth.get(vertex.id)].push(vertex);
  const byName = new Intl.Collator(undefined, { numeric: true }).compare;
  const tallest = Math.max(1, ...columns.map(({ length }) => length));
  const height = 2 * size.margin + tallest * size.height + (tallest - 1) * size.below;
  // From the end on, so that each stands beside what it streams to.
  for (let column = columns.length - 1; column >= 0; column -= 1) {
    const middle = (vertex) => {
      const to = (next.get(vertex.id) ?? []).map((id) => vertices.get(id)).filter(({ x }) => x > 0);
      return to.length ? to.reduce((sum, { y }) => sum + y, 0) / to.length : 0;
    };
    const members = columns[column];
    members.sort((a, b) => middle(a) - middle(b) || byName(a.cluster[0], b.cluster[0]) * Number(a.cluster.length > 1 && b.cluster.length > 1) || byName(a.name, b.name));
    const taken = members.length * size.height + (members.length - 1) * size.below;
    members.forEach((vertex, at) => {
      vertex.x = size.margin + column * (size.width + size.across) + 1;
      vertex.y = (height - taken) / 2 + at * (size.height + size.below);
    });
  }
  const found = new Map([...vertices.values()].filter(({ cluster }) => cluster.length > 1).map(({ cluster }) => [cluster.join(), cluster]));
  return {
    vertices: [...vertices.values()],
    hops,
    clusters: [...found.values()],
    width: 2 * size.margin + 2 + columns.length * size.width + (columns.length - 1) * size.across,
    height,
    size,
  };
}

/**
 * The line of a connection, and where words on it begin or end.
 *
 * @param {Vertex} from
 * @param {Vertex} to
 * @param {typeof WIDE} size
 * @returns {{path: string, x: number, y: number, anchor: string}}
 */
export function route(from, to, size) {
  if (from.x === to.x) {
    // Within a cluster: one goes down on the right, the other up on the left.
    const down = to.y > from.y;
    const x = from.x + size.width * (down ? 0.62 : 0.38);
    return { path: down ? `M${x} ${from.y + size.height}L${x} ${to.y}` : `M${x} ${from.y}L${x} ${to.y + size.height}`, x: x + (down ? 6 : -6), y: (from.y + to.y + size.height) / 2, anchor: down ? "start" : "end" };
  }
  const [x1, y1] = [from.x + size.width, from.y + size.height / 2];
  const [x2, y2] = [to.x, to.y + size.height / 2];
  const turn = x1 + Math.min(size.caption, x2 - x1);
  const middle = (turn + x2) / 2;
  return { path: `M${x1} ${y1}H${turn}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`, x: x1 + (from.cluster.length > 1 ? 14 : 7), y: y1 - 7, anchor: "start" };
}
