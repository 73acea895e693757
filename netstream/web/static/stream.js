// New samples as they come, by Server-Sent Events.  Whoever cannot have them asks for them:
// the page works without this, it only asks more often.

const SETTLE = 400;
const FIRST_WAIT = 5_000;
const LONGEST_WAIT = 60_000;
const MOST_CHARTS = 100;

export class Stream {
  #source = null;
  #charts = "";
  #open = new Set();
  #timer = 0;
  #wait = FIRST_WAIT;
  #notBefore = 0;

  /**
   * @param {(samples: Map<string, [number, Record<string, number>]>) => void} onSamples
   */
  constructor(onSamples) {
    this.onSamples = onSamples;
    addEventListener("pagehide", () => this.#close());
  }

  /** @returns {boolean} whether samples of the chart come by themselves just now */
  brings(chart) {
    return this.#open.has(chart);
  }

  /**
   * Say of which charts samples are wanted.
   *
   * @param {string[]} charts ids
   */
  want(charts) {
    const wanted = JSON.stringify(charts.slice(0, MOST_CHARTS).sort());
    if (wanted === this.#charts || this.#timer) return;
    // What one scrolls by is not asked for.
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (performance.now() < this.#notBefore) return;
      this.#charts = wanted;
      this.#connect(JSON.parse(wanted));
    }, SETTLE);
  }

  #connect(charts) {
    this.#source?.close();
    this.#source = null;
    this.#open = new Set();
    if (!charts.length || !globalThis.EventSource) return;
    const source = new EventSource(`api/v1/live?charts=${charts.map((id) => encodeURIComponent(id)).join("%0A")}`);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#open = new Set(charts);
      this.#wait = FIRST_WAIT;
    });
    source.addEventListener("samples", ({ data }) => this.onSamples(new Map(Object.entries(JSON.parse(data)))));
    source.addEventListener("error", () => {
      if (source === this.#source) this.#fail();
    });
  }

  // The browser would try again at once and for ever; asking goes on meanwhile.
  #fail() {
    this.#close();
    this.#notBefore = performance.now() + this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(LONGEST_WAIT, this.#wait * 2);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#open = new Set();
    this.#charts = "";
  }
}
