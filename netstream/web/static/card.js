// One chart on the page: title, units, plot, legend with live values.

import { element, freshId, say } from "./dom.js";
import { reading, scaleFor, timeOfDay, duration } from "./format.js";
import { colour } from "./palette.js";
import { Plot } from "./plot.js";
import { shortTitle } from "./sections.js";

const KINDS = { line: "Line chart", area: "Area chart", stacked: "Stacked area chart" };

export class Card {
  #hidden = new Set();
  #hover = null;
  #drawn = "";
  #items = [];
  #shownIds = null;
  #scale = { units: "", factor: 1, duration: false };
  #largest = 0;
  #whole = false;

  /**
   * @param {import("./feed.js").Feed} feed
   * @param {{from: number, to: number}} view the seconds on show, shared by all charts
   */
  constructor(feed, view) {
    const { chart } = feed;
    this.feed = feed;
    this.view = view;
    /** Whether it is on or near the screen. */
    this.near = false;

    const title = freshId();
    this.label = element("p", { className: "label" });
    this.units = element("span", { className: "units", textContent: chart.units });
    this.time = element("time", { className: "at" });
    this.legend = element("ul", { className: "legend", "aria-label": "Dimensions" });
    this.box = element("div", { className: "plot", role: "img", tabIndex: 0 });
    this.blank = element("p", { className: "blank", textContent: "Loading…" });
    this.box.setAttribute(
      "aria-label",
      `${KINDS[chart.chart_type] ?? KINDS.line} of ${shortTitle(chart)} in ${chart.units}. Left and right move along it.`,
    );
    this.node = element(
      "article",
      { className: "card", id: `chart_${chart.id}`, tabIndex: -1, "aria-labelledby": title },
      element(
        "header",
        {},
        element(
          "hgroup",
          {},
          this.label,
          element("h3", { id: title, textContent: shortTitle(chart), title: `${shortTitle(chart)} (${chart.id})` }),
        ),
        this.time,
        this.units,
      ),
      element("div", { className: "frame" }, this.box, this.blank),
      this.legend,
    );
    this.node.dataset.chart = chart.id;
    const type = chart.chart_type in KINDS ? chart.chart_type : "line";
    this.plot = new Plot(this.box, type, (index) => this.#point(index), view);
    this.box.addEventListener("keydown", (event) => this.#steer(event));
    this.box.addEventListener("blur", () => this.plot.point(null));
    this.resizes = new ResizeObserver(() => this.plot.resize());
    this.#list();
  }

  /**
   * Put it on the page.
   *
   * @param {string} label to name on it: its family, or what tells it from others
   * @param {HTMLElement} grid
   */
  place(label, grid) {
    say(this.label, label);
    grid.append(this.node);
  }

  /** Draw what the feed has, if that or the view changed since. */
  draw() {
    if (!this.near) return;
    this.#list();
    const { feed, view } = this;
    const state = [feed.version, view.from, view.to, ...this.#hidden].join();
    if (state === this.#drawn) return;
    this.#drawn = state;
    this.#measure();
    const some = feed.times.length > 0;
    this.blank.hidden = some;
    say(this.blank, feed.loaded ? "No data in this time" : "Loading…");
    const { factor } = this.#scale;
    const scaled = factor === 1 ? feed.values : feed.values.map((column) => column.map((v) => (v === null ? null : v * factor)));
    this.plot.draw(feed.times, scaled, feed.ids.map((id) => !this.#hidden.has(id)), this.#scale.duration);
    this.#tell();
  }

  /** It came near the screen or went away: a plot costs memory, a card does not. */
  setNear(near) {
    this.near = near;
    if (near) {
      this.resizes.observe(this.box);
      this.draw();
    } else {
      this.resizes.disconnect();
      this.plot.destroy();
      this.#drawn = "";
    }
  }

  /** Draw anew in the colours of now. */
  recolour() {
    this.#shownIds = null;
    this.plot.destroy();
    this.#drawn = "";
    this.draw();
  }

  remove() {
    this.setNear(false);
    this.node.remove();
  }

  #list() {
    const { ids, names } = this.feed;
    const key = JSON.stringify([ids, names]);
    if (key === this.#shownIds) return;
    this.#shownIds = key;
    this.#items = ids.map((id, index) => {
      const value = element("span", { className: "value", textContent: "–" });
      const button = element(
        "button",
        { type: "button", "aria-pressed": !this.#hidden.has(id), title: `${names[index]}: click to hide or show, shift-click to see it alone` },
        element("i", { className: "swatch", "aria-hidden": true }),
        element("span", { className: "name", textContent: names[index] }),
        value,
      );
      button.dataset.dimension = id;
      button.style.setProperty("--swatch", colour(index));
      button.addEventListener("click", (event) => this.#toggle(id, event.shiftKey));
      return { id, value, button };
    });
    this.legend.replaceChildren(...this.#items.map(({ button }) => element("li", {}, button)));
  }

  #toggle(id, alone) {
    const { ids } = this.feed;
    if (alone) {
      const isAlone = !this.#hidden.has(id) && this.#hidden.size === ids.length - 1;
      this.#hidden = new Set(isAlone ? [] : ids.filter((other) => other !== id));
    } else if (!this.#hidden.delete(id)) this.#hidden.add(id);
    for (const item of this.#items) item.button.setAttribute("aria-pressed", String(!this.#hidden.has(item.id)));
    this.draw();
  }

  /** Find the scale that suits what is on show. */
  #measure() {
    const { times, values, ids, chart } = this.feed;
    let largest = 0;
    let whole = true;
    const from = times.findIndex((time) => time >= this.view.from);
    values.forEach((column, index) => {
      if (this.#hidden.has(ids[index]) || from < 0) return;
      for (let at = from; at < column.length; at += 1) {
        const value = column[at];
        if (value === null) continue;
        if (Math.abs(value) > largest) largest = Math.abs(value);
        whole &&= Number.isInteger(value);
      }
    });
    this.#scale = scaleFor(chart.units, largest);
    this.#largest = largest * this.#scale.factor;
    this.#whole = whole && this.#scale.factor === 1;
    say(this.units, this.#scale.units);
  }

  #point(index) {
    if (index === this.#hover) return;
    this.#hover = index;
    this.#tell();
  }

  /** Write the values under the cursor, else the newest. */
  #tell() {
    const { times, values, step } = this.feed;
    const hover = this.#hover !== null && this.#hover < times.length ? this.#hover : null;
    const newest = times.length - 1;
    const stale = newest < 0 || this.view.to - times[newest] > 5 * step + 5;
    const at = hover ?? (stale ? null : newest);
    say(this.time, hover === null ? "" : timeOfDay(times[hover]));
    this.#items.forEach(({ value }, index) => {
      const raw = at === null ? null : values[index]?.[at] ?? null;
      const scaled = raw === null ? null : raw * this.#scale.factor;
      say(value, scaled !== null && this.#scale.duration ? duration(scaled) : reading(scaled, this.#largest, this.#whole));
    });
  }

  #steer(event) {
    const { times } = this.feed;
    if (!times.length) return;
    const first = times.findIndex((time) => time >= this.view.from);
    const here = this.#hover ?? times.length;
    const stride = event.shiftKey ? 10 : 1;
    const targets = { ArrowLeft: here - stride, ArrowRight: here + stride, Home: first, End: times.length - 1, Escape: null };
    if (!(event.key in targets)) return;
    event.preventDefault();
    const target = targets[event.key];
    this.plot.point(target === null ? null : Math.min(times.length - 1, Math.max(first, target)));
  }
}
