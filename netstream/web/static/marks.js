// When the alerts of a node changed, to be marked on its charts.

import { get, Refused } from "./api.js";

const SHADES = { CRITICAL: "--bad", WARNING: "--warn", CLEAR: "--good" };
const MOST = 2000;

/** @returns {string} the colour of a status as of now */
export function shade(status) {
  const name = SHADES[status];
  return getComputedStyle(document.documentElement).getPropertyValue(name ?? "--faint").trim();
}

export class Marks {
  /** @type {Map<string, object[]>} transitions by chart, the oldest first */
  #byChart = new Map();
  #newest = 0;
  /** Grows with each change. */
  version = 0;

  /** Ask for what happened since. */
  async refresh() {
    let found = [];
    try {
      found = await get("api/v1/alarm_log", { last: MOST, ...(this.#newest ? { after: this.#newest } : {}) });
    } catch (problem) {
      if (!(problem instanceof Refused) || problem.status >= 500) throw problem;
    }
    if (!Array.isArray(found) || !found.length) return;
    this.version += 1;
    for (const said of found.slice(0, MOST).reverse()) {
      this.#newest = Math.max(this.#newest, said.unique_id);
      // That an alert began to be watched is no news.
      if (!(said.status in SHADES) || (said.status === "CLEAR" && !(said.old_status in SHADES))) continue;
      const all = this.#byChart.get(said.chart) ?? [];
      all.push(said);
      this.#byChart.set(said.chart, all.slice(-MOST));
    }
  }

  /** @returns {object[]} what happened to the alerts of a chart */
  of(chart) {
    return this.#byChart.get(chart) ?? [];
  }
}
