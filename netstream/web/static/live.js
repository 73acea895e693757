// Keeps what is on the screen up to date: one batch of questions a second, and only about
// charts that someone can see.

import { clock, get, Refused } from "./api.js";

const LANES = 4;
const SECOND = 1000;
const LONGEST_WAIT = 5 * SECOND;

/**
 * @typedef {object} View something that shows a feed: a card or a tile
 * @property {import("./feed.js").Feed} feed
 * @property {import("./feed.js").Recent} [recent] the newest samples, where these are shown besides
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
  /** @type {import("./stream.js").Stream|null} what brings new samples without being asked */
  stream = null;

  #span;
  #lost = 0;
  #met = false;
  #hurry = false;
  #wake = () => {};
  #stop = new AbortController();

  /**
   * @param {import("./place.js").Span} span
   * @param {object} listener
   * @param {(state: "live"|"paused"|"lost", problem: Error|null) => void} listener.onState
   * @param {() => Promise<void>} listener.onRound is awaited after each batch; its failure is a lost node
   */
  constructor(span, { onState, onRound }) {
    this.#span = span;
    this.onState = onState;
    this.onRound = onRound;
    document.addEventListener("visibilitychange", () => this.wake());
    addEventListener("online", () => this.wake());
    this.#look();
  }

  /** Whether the time on show stands still. */
  get paused() {
    return Boolean(this.#span.after);
  }

  get span() {
    return this.#span;
  }

  set span(span) {
    const was = this.#span;
    if (was.last === span.last && was.after === span.after && was.before === span.before) return;
    this.#span = span;
    this.#look();
    this.draw();
    if (!this.#lost) this.onState(this.paused ? "paused" : "live", undefined);
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

  /**
   * Samples have come by themselves.
   *
   * @param {Map<string, [number, Record<string, number>]>} samples second and values by dimension, by chart
   */
  take(samples) {
    if (this.paused || this.end) return;
    let some = false;
    for (const feed of this.#feeds()) {
      const found = samples.get(feed.chart.id);
      if (found && feed.append(...found, clock.now())) some = true;
    }
    if (!some) return;
    this.#look();
    this.draw();
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
          if (this.#lost || !this.#met) this.onState(this.paused ? "paused" : "live", null);
          this.#lost = 0;
          this.#met = true;
        } catch (problem) {
          this.#lost += 1;
          if (this.#lost === 1) this.onState("lost", problem);
        }
      }
      this.stream?.want(this.#wanted());
      await this.#sleep(began);
    }
  }

  /** The charts whose new samples are of use as they come. */
  #wanted() {
    if (document.visibilityState !== "visible" || this.#lost || this.paused || this.end) return [];
    const some = this.#feeds().filter((feed) => feed.loaded && !feed.grouped);
    return [...new Set(some.map((feed) => feed.chart.id))];
  }

  #sleep(began) {
    const idle = document.visibilityState !== "visible" || (this.paused && !this.#lost && !this.#unloaded().length);
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
    for (const view of this.views) {
      if (!view.near) continue;
      feeds.add(view.feed);
      if (view.recent) feeds.add(view.recent);
    }
    return [...feeds];
  }

  #unloaded() {
    return this.#feeds().filter((feed) => !feed.fits(this.#width, this.#end));
  }

  get #width() {
    return this.#span.after ? this.#span.before - this.#span.after : this.#span.last;
  }

  get #end() {
    return this.#span.before ?? this.end;
  }

  async #batch() {
    // What stands still is asked for once.
    const queue = this.paused ? this.#unloaded() : this.#feeds();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const lane = async () => {
      for (let feed = queue.shift(); feed && !signal.aborted; feed = queue.shift()) await this.#ask(feed, signal);
    };
    const done = await Promise.allSettled(Array.from({ length: LANES }, lane));
    const failed = done.find(({ status }) => status === "rejected");
    if (failed && !signal.aborted) throw failed.reason;
    this.#look();
    this.draw();
  }

  async #ask(feed, signal) {
    const question = feed.question(this.#width, this.#end, clock.now(), this.stream?.brings(feed.chart.id) ?? false);
    if (!question) return;
    const first = feed.version === 0;
    let reply = {};
    try {
      reply = await get(feed.path, question, signal);
    } catch (problem) {
      // A chart that is gone is not a node that is gone.
      if (!(problem instanceof Refused) || problem.status >= 500) throw problem;
    }
    feed.absorb(question, reply, clock.now());
    if (!first) return;
    for (const view of this.views) if (view.near && (view.feed === feed || view.recent === feed)) view.draw();
  }

  /** Move the seconds on show to the newest points, or to now when there are none. */
  #look() {
    if (this.#span.after) {
      this.view.from = this.#span.after;
      this.view.to = this.#span.before;
      return;
    }
    const now = this.end || clock.now();
    const newest = this.#feeds().reduce((most, feed) => Math.max(most, feed.newest), 0);
    this.view.to = newest && newest <= now + 5 && now - newest < 5 ? newest : now;
    this.view.from = this.view.to - this.#span.last;
  }
}
