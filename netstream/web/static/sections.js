// Where a chart stands on the page.

// A chart type is the text before the first dot of a chart's id.  The first pattern that
// fits decides; `$1` is what the pattern caught.
const SECTIONS = [
  [/^system$/, "system", "System Overview"],
  [/^cpu(freq|idle)?$/, "cpu", "CPUs"],
  [/^(mem|numa)(_.*)?$/, "mem", "Memory"],
  [/^(disk_space|disk_inodes|mount)(_.*)?$/, "mount", "Mount Points"],
  [/^disk(_.*)?$/, "disk", "Disks"],
  [/^(md|mdstat)(_.*)?$/, "md", "RAID Arrays"],
  [/^bcache(_.*)?$/, "bcache", "Block Caches"],
  [/^(zfs|zfspool)(_.*)?$/, "zfs", "ZFS"],
  [/^btrfs(_.*)?$/, "btrfs", "Btrfs"],
  [/^nfsd?$/, "nfs", "NFS"],
  [/^ip$/, "ip", "Networking Stack"],
  [/^ipv4$/, "ipv4", "IPv4 Networking"],
  [/^ipv6$/, "ipv6", "IPv6 Networking"],
  [/^(sctp|ipvs)$/, "$1", "$1"],
  [/^net(_.*)?$/, "net", "Network Interfaces"],
  [/^(wireless|infiniband)(_.*)?$/, "$1", "$1"],
  [/^tc(_.*)?$/, "tc", "Quality of Service"],
  [/^netfilter$/, "netfilter", "Firewall"],
  [/^(apps?|app_.*)$/, "app", "Applications"],
  [/^(users?|user_.*)$/, "user", "Users"],
  [/^(groups?|usergroup|usergroup_.*)$/, "group", "User Groups"],
  [/^(services|systemd.*)(_.*)?$/, "services", "Services"],
  [/^cgroup_(.+)$/, "cgroup_$1", "Container $1"],
  [/^(sensors|hwmon|power_?supply)(_.*)?$/, "sensors", "Sensors and Power"],
  [/^timex$/, "timex", "Clock"],
  [/^statsd(_.*)?$/, "statsd", "StatsD"],
  [/^netdata(_.*)?$/, "netdata", "Netdata Monitoring"],
  [/^netstream(_.*)?$/, "netstream", "netstream Monitoring"],
];

function section(type) {
  for (const [pattern, key, title] of SECTIONS) {
    const found = pattern.exec(type);
    if (!found) continue;
    const fill = (text) => text.replace("$1", () => found[1]);
    return { key: fill(key), title: title === "$1" ? sentence(found[1]) : fill(title) };
  }
  return { key: type, title: sentence(type) };
}

function sentence(word) {
  const text = word.replaceAll("_", " ").trim();
  return text ? text[0].toUpperCase() + text.slice(1) : "Other";
}

const byPriority = (a, b) => a.priority - b.priority || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/**
 * Order charts as agents do: by priority, in sections by type, in groups by family.  A
 * section stands where its first chart does.
 *
 * @param {object[]} charts as `api/v1/charts` describes them
 * @returns {{key: string, title: string, families: {key: string, charts: object[]}[]}[]}
 */
export function arrange(charts) {
  const sections = new Map();
  for (const chart of charts) {
    const { key, title } = section(chart.type || chart.id.split(".", 1)[0]);
    if (!sections.has(key)) sections.set(key, { key, title, priority: Infinity, families: new Map() });
    const within = sections.get(key);
    within.priority = Math.min(within.priority, chart.priority);
    const name = chart.family || "all";
    if (!within.families.has(name)) within.families.set(name, { key: name, priority: Infinity, charts: [] });
    const family = within.families.get(name);
    family.priority = Math.min(family.priority, chart.priority);
    family.charts.push(chart);
  }
  for (const within of sections.values()) {
    within.families = [...within.families.values()].sort(byPriority);
    for (const family of within.families) {
      family.charts.sort((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
    }
  }
  return [...sections.values()].sort(byPriority);
}

/** @returns {string} the title without the chart's name that agents, and some collectors before them, append in brackets */
export function shortTitle(chart) {
  const endings = [chart.name, chart.id].map((name) => ` (${name})`);
  let title = chart.title;
  for (let found = true; found; ) {
    found = endings.find((ending) => title.endsWith(ending));
    if (found) title = title.slice(0, -found.length);
  }
  return title || chart.title || chart.id;
}
