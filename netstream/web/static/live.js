// Keeps what is on the screen up to date: one batch of questions a second, and only about
// charts that someone can see.

import { clock, get, Refused } from "./api.js";

const LANES = 4;
const SECOND = 1000;
const LONGEST_WAIT = 5 * SECOND;

/**
 * @typedef {object} View something that shows a feed: a card or a tile
 * @property {import("./feed.js").Feed} feed
 * @property {boolean} near whether it is on or near the screen
 * @property {() => void} draw
 */

export class Live {
  /** Seconds on show; the same object for all views. */
  view = { from: 0, to: 0 };
  /** @type {Set<View>} */
  views = new Set();
  /** UTC seconds where the shown time ends for a node that is away, 0 for now. */
  end = 0;

  #range;
  #paused = false;
  #lost = 0;
  #met = false;
  #hurry = false;
  #wake = () => {};
  #stop = new AbortController();

  /**
   * @param {number} range seconds
   * @param {object} listener
   * @param {(state: "live"|"paused"|"lost", problem: Error|null) => void} listener.onState
   * @param {() => Promise<void>} listener.onRound is awaited after each batch; its failure is a lost node
   */
  constructor(range, { onState, onRound }) {
    this.#range = range;
    this.onState = onState;
    this.onRound = onRound;
    document.addEventListener("visibilitychange", () => this.wake());
    addEventListener("online", () => this.wake());
    this.#look();
  }

  get paused() {
    return this.#paused;
  }

  set paused(paused) {
    this.#paused = paused;
    this.onState(paused ? "paused" : "live", null);
    this.wake();
  }

  set range(range) {
    this.#range = range;
    for (const view of this.views) view.feed.reset();
    this.#look();
    this.draw();
    this.#stop.abort();
    this.wake();
  }

  /** Do not wait for the next second. */
  wake() {
    this.#hurry = true;
    this.#wake();
  }

  /** Draw all that is near the screen. */
  draw() {
    for (const view of this.views) if (view.near) view.draw();
  }

  /** Never ends. */
  async run() {
    for (;;) {
      const began = performance.now();
      this.#hurry = false;
      if (document.visibilityState === "visible") {
        try {
          await this.#batch();
          await this.onRound();
          if (this.#lost || !this.#met) this.onState(this.#paused ? "paused" : "live", null);
          this.#lost = 0;
          this.#met = true;
        } catch (problem) {
          this.#lost += 1;
          if (this.#lost === 1) this.onState("lost", problem);
        }
      }
      await this.#sleep(began);
    }
  }

  #sleep(began) {
    const idle = document.visibilityState !== "visible" || (this.#paused && !this.#lost && !this.#unloaded().length);
    // The waits of many browsers should not fall together when a node comes back.
    const wait = this.#lost ? Math.min(LONGEST_WAIT, SECOND * 2 ** (this.#lost - 1)) * (0.75 + Math.random() / 2) : SECOND;
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#hurry) resolve();
      else if (!idle) setTimeout(resolve, Math.max(50, wait - (this.#lost ? 0 : performance.now() - began)));
    });
  }

  #feeds() {
    const feeds = new Set();
    for (const view of this.views) if (view.near) feeds.add(view.feed);
    return [...feeds];
  }

  #unloaded() {
    return this.#feeds().filter((feed) => !feed.loaded);
  }

  async #batch() {
    // While paused, charts that come on the screen are still filled, once, up to that time.
    const end = this.end || (this.#paused ? Math.floor(this.view.to) : 0);
    const queue = this.#paused ? this.#unloaded() : this.#feeds();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const lane = async () => {
      for (let feed = queue.shift(); feed && !signal.aborted; feed = queue.shift()) await this.#ask(feed, end, signal);
    };
    const done = await Promise.allSettled(Array.from({ length: LANES }, lane));
    const failed = done.find(({ status }) => status === "rejected");
    if (failed && !signal.aborted) throw failed.reason;
    if (!this.#paused) this.#look();
    this.draw();
  }

  async #ask(feed, end, signal) {
    const question = feed.question(this.#range, end, clock.now());
    if (!question) return;
    const first = feed.version === 0;
    let reply = {};
    try {
      reply = await get("api/v1/data", question, signal);
    } catch (problem) {
      // A chart that is gone is not a node that is gone.
      if (!(problem instanceof Refused) || problem.status >= 500) throw problem;
    }
    feed.absorb(question, reply, clock.now());
    if (!first) return;
    for (const view of this.views) if (view.near && view.feed === feed) view.draw();
  }

  /** Move the seconds on show to the newest points, or to now when there are none. */
  #look() {
    if (this.#paused && this.view.to) {
      this.view.from = this.view.to - this.#range;
      return;
    }
    const now = this.end || clock.now();
    const newest = this.#feeds().reduce((most, feed) => Math.max(most, feed.newest), 0);
    this.view.to = newest && newest <= now + 5 && now - newest < 5 ? newest : now;
    this.view.from = this.view.to - this.#range;
  }
}
