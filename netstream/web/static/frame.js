// The pages about all nodes.

import { get } from "./api.js";
import { home } from "./place.js";
import { raised, shell } from "./shell.js";

const MENU_EVERY = 10_000;

/** Say beside the menu how many alerts are raised on these nodes, as `api/v3/overview` tells of them. */
export function countRaised(nodes) {
  const sum = (status) => nodes.reduce((total, { alarms }) => total + (alarms?.[status] ?? 0), 0);
  raised({ warning: sum("warning"), critical: sum("critical") }, "all nodes");
}

/**
 * @param {string} file
 * @param {string} title
 * @returns {() => Promise<object>} brings menu and counts up to date, now and then; gives what the node said of itself
 */
export function frame(file, title) {
  const { nodes } = shell(file, title);
  // Somebody follows a link to another view of this page; what the page says of itself there makes no such event.
  addEventListener("hashchange", () => location.reload());
  let due = 0;
  let info = {};
  return async () => {
    if (performance.now() < due) return info;
    info = await get(`${home()}api/v1/info`);
    due = performance.now() + MENU_EVERY;
    nodes.show(info.mirrored_hosts_status ?? [], "");
    const { nodes: all = [] } = await get(`${home()}api/v3/overview`);
    countRaised(all);
    return info;
  };
}
