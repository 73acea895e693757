// The node's HTTP API, and what time it is there.

/** The node answered, but with an error. */
export class Refused extends Error {
  constructor(status, path) {
    super(`${path} was answered with status ${status}`);
    this.status = status;
  }
}

/**
 * The node's clock.  Each answer is dated to the second, which bounds how far that clock is
 * from ours; the bounds of all answers together pin it down well below a second.
 */
class Clock {
  #low = -Infinity;
  #high = Infinity;

  observe(date, sent, received) {
    const stamp = Date.parse(date);
    if (Number.isNaN(stamp)) return;
    const low = stamp - received;
    const high = stamp + 1000 - sent;
    this.#low = Math.max(this.#low, low);
    this.#high = Math.min(this.#high, high);
    // One of the clocks was set.
    if (this.#low > this.#high) [this.#low, this.#high] = [low, high];
  }

  /** Whether the node has told the time. */
  get known() {
    return Number.isFinite(this.#low);
  }

  /** @returns {number} UTC seconds on the node */
  now() {
    return (Date.now() + (this.known ? (this.#low + this.#high) / 2 : 0)) / 1000;
  }
}

export const clock = new Clock();

const TIMEOUT = 10_000;

/**
 * @param {string} path relative to the page: `/` and `/host/NAME/` have the same API below them
 * @param {Record<string, string|number>} [query]
 * @param {AbortSignal} [signal]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<object>}
 * @throws {Refused} the status was not 200
 * @throws {Error} the node cannot be reached, or what it says is not JSON
 */
export async function get(path, query = {}, signal = undefined, headers = {}) {
  // Agents decode a target once, before they split it: a blank must be %20, and a plus a plus.
  const words = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`);
  const address = words.length ? `${path}?${words.join("&")}` : path;
  const limit = AbortSignal.timeout(TIMEOUT);
  const sent = Date.now();
  const response = await fetch(address, { cache: "no-store", headers, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  clock.observe(response.headers.get("date"), sent, Date.now());
  if (!response.ok) {
    await response.body?.cancel();
    throw new Refused(response.status, path);
  }
  return response.json();
}
