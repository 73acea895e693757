// One chart on the page: title, units, plot, legend with live values.

import { about } from "./about.js";
import { element, freshId, icon, say } from "./dom.js";
import { dateAndTime, reading, scaleFor, timeOfDay, duration } from "./format.js";
import { shade } from "./marks.js";
import { colour } from "./palette.js";
import { Plot } from "./plot.js";
import { popover } from "./popover.js";
import { csv, fileName, picture, save } from "./save.js";
import { shortTitle } from "./sections.js";
import * as tooltip from "./tooltip.js";

const ORDER = ["CRITICAL", "WARNING"];
// As the style of paper has it.
const MOST_PRINTED = 30;
// Fewer dimensions that are zero are no burden.
const FEW_STILL = 2;

const KINDS = { line: "Line chart", area: "Area chart", stacked: "Stacked area chart" };

const MOST_SPOKEN = 8;
// For whoever hears the page: the values where the keys are on a chart.
const spoken = element("p", { className: "unseen", id: "spoken", role: "status" });

export class Card {
  #hidden = new Set();
  #hover = null;
  #drawn = "";
  #items = [];
  #shownIds = null;
  #scale = { units: "", factor: 1, duration: false };
  #largest = 0;
  #widths = [];
  #whole = false;
  #pointer = null;
  #marked = -1;
  /** Ids of the dimensions that are zero in all of the time on show, and whether the reader wants to see them. */
  #still = new Set();
  #unfolded = false;
  #width = 0;

  /**
   * @param {import("./feed.js").Feed} feed
   * @param {{from: number, to: number}} view the seconds on show, shared by all charts
   * @param {object} page what it is on
   * @param {(from: number, to: number, whole?: boolean) => void} page.onSpan is told the time that was chosen on it, and whether at once
   * @param {() => void} page.onNow is told that the present is wanted again
   * @param {() => string} page.origin names whose chart it is
   * @param {(time: number|null) => void} [page.onPoint] is told which second the pointer is on
   * @param {(chart: string, wide: boolean) => void} [page.onWide] is told which has the whole width
   * @param {(chart: string, ids: string[]) => void} [page.onHide] is told which of its dimensions are hidden
   * @param {import("./marks.js").Marks} [page.marks]
   * @param {(name: string, address: string) => [string, string|(() => void)][]} [page.more] more for its menu: what it says and where
   *     it leads or what it does
   */
  constructor(feed, view, page) {
    const { chart } = feed;
    this.feed = feed;
    this.view = view;
    this.page = page;
    /** Whether it is on or near the screen. */
    this.near = false;

    const title = freshId();
    this.label = element("p", { className: "label" });
    this.units = element("span", { className: "units", textContent: chart.units });
    this.time = element("time", { className: "at" });
    this.alerts = element("a", { className: "badge", hidden: true });
    this.menuButton = element(
      "button",
      { className: "more", type: "button", "aria-expanded": false, "aria-label": `Save or share ${shortTitle(chart)}`, title: "Save or share" },
      icon(16, "M3 8h.01M8 8h.01M13 8h.01"),
    );
    const meaning = about(chart.context);
    this.meaning = element("p", { className: "meaning", textContent: meaning, hidden: true });
    this.legend = element("ul", { className: "legend", "aria-label": "Dimensions" });
    this.box = element("div", { className: "plot", role: "img", tabIndex: 0 });
    this.blank = element("p", { className: "blank", textContent: "Loading…" });
    this.box.setAttribute(
      "aria-label",
      `${KINDS[chart.chart_type] ?? KINDS.line} of ${shortTitle(chart)} in ${chart.units}. Left and right move along it, plus and minus zoom, less and greater move the time, 0 shows the present, w makes it wider.`,
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
          element("h3", { id: title, textContent: shortTitle(chart), title: [`${shortTitle(chart)} (${chart.id})`, meaning].filter(Boolean).join("\n\n") }),
        ),
        this.alerts,
        this.time,
        this.units,
        this.menuButton,
      ),
      this.meaning,
      element("div", { className: "frame" }, this.box, this.blank),
      this.legend,
    );
    this.node.dataset.chart = chart.id;
    const type = chart.chart_type in KINDS ? chart.chart_type : "line";
    this.plot = new Plot(this.box, type, (index) => this.#point(index), view, page.onSpan);
    this.box.addEventListener("keydown", (event) => this.#steer(event));
    this.box.addEventListener("blur", () => {
      this.plot.point(null);
      say(spoken, "");
    });
    this.box.addEventListener("dblclick", () => page.onNow());
    this.box.addEventListener("pointermove", ({ clientX, clientY, pointerType }) => {
      this.#pointer = pointerType === "mouse" ? { x: clientX, y: clientY } : null;
      this.#tip();
    });
    this.box.addEventListener("pointerleave", () => {
      this.#pointer = null;
      tooltip.hide(this);
    });
    this.menuButton.addEventListener("click", () => this.#openMenu(), { once: true });
    this.resizes = new ResizeObserver(() => this.plot.resize());
    this.judge();
  }

  /** Say which of its alerts are raised. */
  judge() {
    const states = Object.entries(this.feed.chart.alarms ?? {}).filter(([, { status }]) => ORDER.includes(status));
    this.alerts.hidden = !states.length;
    if (!states.length) return;
    states.sort(([, a], [, b]) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
    const [first, { status }] = states[0];
    this.alerts.dataset.status = status;
    this.alerts.href = `alerts.html#alert=${encodeURIComponent(first)}&chart=${encodeURIComponent(this.feed.chart.id)}`;
    const words = states.map(([name, of]) => `${name} is ${of.status.toLowerCase()}`).join(", ");
    this.alerts.title = words;
    say(this.alerts, states.length === 1 ? first : `${states.length} alerts`);
    this.alerts.setAttribute("aria-label", words);
  }

  #openMenu() {
    const { chart } = this.feed;
    const panel = element("ul", { className: "menu small", hidden: true, id: freshId() });
    const name = (ending) => fileName([this.page.origin(), chart.id], this.view, ending);
    const close = popover(this.menuButton, panel);
    const line = (text, action) => {
      const made =
        typeof action === "string"
          ? element("a", { href: action, textContent: text })
          : element("button", { type: "button", textContent: text });
      made.addEventListener("click", () => {
        close.open(false);
        if (typeof action === "function") action();
      });
      return element("li", {}, made);
    };
    if (this.page.onWide) {
      this.wider = line("", () => this.#turn());
      panel.append(this.wider);
      this.widen(this.wide);
    }
    if (this.meaning.textContent) {
      const explain = line("What it shows", () => {
        this.meaning.hidden = !this.meaning.hidden;
        say(explain.firstChild, this.meaning.hidden ? "What it shows" : "Hide what it shows");
      });
      panel.append(explain);
    }
    panel.append(
      line("Save picture (PNG)", async () => save(name("png"), await this.picture())),
      line("Save values (CSV)", () => save(name("csv"), new Blob([this.csv()], { type: "text/csv" }))),
      ...(this.page.more?.(chart) ?? []).map(([text, action]) => line(text, action)),
    );
    this.menuButton.setAttribute("aria-controls", panel.id);
    this.menuButton.after(panel);
    close.open(true);
  }

  /** Whether it has the whole width of the page. */
  get wide() {
    return this.node.classList.contains("wide");
  }

  /** Give it the whole width of the page, or that of the others. */
  widen(wanted) {
    this.node.classList.toggle("wide", wanted);
    const section = this.node.closest(".section");
    section?.classList.toggle("wide", section.querySelector(".card.wide") !== null);
    if (this.wider) say(this.wider.firstChild, wanted ? "Narrower" : "Wider");
  }

  #turn() {
    this.widen(!this.wide);
    this.page.onWide(this.feed.chart.id, this.wide);
    this.node.scrollIntoView({ block: "nearest" });
  }

  /** @returns {string} the values on show, as comma-separated values */
  csv() {
    const { ids, names, times, values } = this.feed;
    const isShown = (_, index) => !this.#hidden.has(ids[index]);
    return csv(names.filter(isShown), times, values.filter(isShown), this.view);
  }

  /** @returns {Promise<Blob|null>} what it looks like; null while it is not drawn */
  async picture() {
    const drawing = await this.plot.sharp();
    if (!drawing) return null;
    const { ids, names, chart } = this.feed;
    const legend = ids.map((id, index) => ({ name: names[index], colour: colour(index), id })).filter(({ id }) => !this.#hidden.has(id) && !this.#still.has(id));
    const under = [this.page.origin(), this.label.textContent].filter(Boolean).join(" · ");
    return picture(drawing, { title: shortTitle(chart), under, units: this.units.textContent, view: { ...this.view }, legend, blank: this.blank.hidden ? "" : this.blank.textContent });
  }

  /**
   * Put it on the page.
   *
   * @param {string} label to name on it: its family, or what tells it from others
   * @param {HTMLElement} grid
   */
  place(label, grid) {
    say(this.label, label);
    // Styles do not look into what changes each second.
    this.node.classList.toggle("named", Boolean(label));
    grid.append(this.node);
  }

  /** Draw what the feed has, if that, the view or its alerts changed since. */
  draw() {
    if (!this.near) return;
    const { feed, view } = this;
    // Until something is known of it, its legend would only be taken for longer than it is.
    if (!this.#items.length && !feed.loaded && !feed.times.length) return;
    this.#list();
    const { marks } = this.page;
    if (marks && marks.version !== this.#marked) {
      this.#marked = marks.version;
      this.#drawn = "";
    }
    const state = [feed.version, view.from, view.to, ...this.#hidden].join();
    if (state === this.#drawn) return;
    this.#drawn = state;
    this.#measure();
    this.plot.marks = (marks?.of(feed.chart.id) ?? [])
      .filter(({ when }) => when >= view.from && when <= view.to)
      .map(({ when, status }) => ({ when, colour: shade(status) }));
    this.plot.anomalies = [...(feed.anomalies ?? [])].map(([time, ids]) => ({ when: time, part: ids.filter((id) => !this.#hidden.has(id)).length / Math.max(1, feed.ids.length) }));
    this.plot.step = feed.step;
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
      tooltip.hide(this);
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
    this.#widths = [];
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
    this.rest = element("button", { className: "rest", type: "button", "aria-expanded": false });
    this.rest.addEventListener("click", () => {
      this.#unfolded = !this.#unfolded;
      this.#fold();
    });
    this.legend.replaceChildren(...this.#items.map(({ button }) => element("li", {}, button)));
    this.#width = 0;
    this.#still.clear();
    this.#fold();
  }

  /**
   * Find out which dimensions are zero.  What is in the legend stays there as long as the same length of time is on show.
   *
   * @param {(number|null)[][]} ends the least and the greatest value of each; null where there is none
   */
  #settle(ends) {
    const { ids } = this.feed;
    const width = this.view.to - this.view.from;
    const is = ids.filter((id, at) => (ends[at] ?? []).every((value) => !value) && (this.#still.has(id) || width !== this.#width));
    this.#width = this.feed.loaded ? width : 0;
    const some = ends.some(([least, greatest]) => least || greatest);
    this.#still = new Set(some && is.length >= FEW_STILL ? is : []);
    this.#fold();
  }

  /** Where nothing is to be seen, say why. */
  #explainBlank(ends) {
    const { ids, times, loaded } = this.feed;
    const shown = ends.filter((_, at) => !this.#hidden.has(ids[at]));
    let text = "";
    if (!loaded) text = times.length ? "" : "Loading…";
    else if (ends.length && !shown.length) text = "All dimensions are hidden";
    else if (shown.every(([least]) => least === null)) text = this.#newest >= 0 && times.at(-1) < this.view.from ? `The newest sample is of ${timeOfDay(times.at(-1))}` : "No data in this time";
    else if (shown.every((values) => values.every((value) => !value))) text = "All zero in this time";
    this.blank.hidden = !text;
    say(this.blank, text);
  }

  /** Leave out of the legend what is zero, unless it is wanted. */
  #fold() {
    for (const { id, button } of this.#items) button.parentElement.hidden = this.#still.has(id) && !this.#unfolded;
    if (!this.#still.size) this.rest.parentElement?.remove();
    else if (!this.rest.isConnected) this.legend.append(element("li", { className: "others" }, this.rest));
    const more = this.#items.length - (this.#unfolded ? 0 : this.#still.size) - MOST_PRINTED;
    if (more > 0) this.legend.dataset.more = more;
    else delete this.legend.dataset.more;
    this.rest.setAttribute("aria-expanded", String(this.#unfolded));
    say(this.rest, this.#unfolded ? "Hide those at zero" : `${this.#still.size} at zero`);
  }

  #toggle(id, alone) {
    const { ids } = this.feed;
    if (alone) {
      const isAlone = !this.#hidden.has(id) && this.#hidden.size === ids.length - 1;
      this.#hidden = new Set(isAlone ? [] : ids.filter((other) => other !== id));
    } else if (!this.#hidden.delete(id)) this.#hidden.add(id);
    this.#press();
    this.page.onHide?.(this.feed.chart.id, [...this.#hidden]);
  }

  #press() {
    for (const item of this.#items) item.button.setAttribute("aria-pressed", String(!this.#hidden.has(item.id)));
    this.draw();
  }

  /** Hide these dimensions and no others. */
  hide(ids = []) {
    if (ids.length === this.#hidden.size && ids.every((id) => this.#hidden.has(id))) return;
    this.#hidden = new Set(ids);
    this.#press();
  }

  /** Find the scale that suits what is on show. */
  #measure() {
    const { times, values, ids, chart } = this.feed;
    let largest = 0;
    let whole = true;
    const from = times.findIndex((time) => time >= this.view.from);
    const ends = values.map((column, index) => {
      const found = [null, null];
      if (from < 0) return found;
      const hidden = this.#hidden.has(ids[index]);
      for (let at = from; at < column.length; at += 1) {
        const value = column[at];
        if (value === null) continue;
        if (found[0] === null || value < found[0]) found[0] = value;
        if (found[1] === null || value > found[1]) found[1] = value;
        if (hidden) continue;
        if (Math.abs(value) > largest) largest = Math.abs(value);
        whole &&= Number.isInteger(value);
      }
      return found;
    });
    this.#scale = scaleFor(chart.units, largest);
    this.#settle(ends);
    this.#explainBlank(ends);
    this.#largest = largest * this.#scale.factor;
    this.#whole = whole && this.#scale.factor === 1;
    say(this.units, this.#scale.units);
    // Each has room for all that is on show, so that the legend stands still.
    ends.forEach((found, index) => {
      const width = Math.max(4, ...found.map((value) => this.#read(value).length));
      if (!this.#items[index] || width === this.#widths[index]) return;
      this.#widths[index] = width;
      this.#items[index].value.style.minWidth = `${width}ch`;
    });
  }

  #read(raw) {
    const scaled = raw === null ? null : raw * this.#scale.factor;
    return scaled !== null && this.#scale.duration ? duration(scaled) : reading(scaled, this.#largest, this.#whole);
  }

  /** The place of the newest point; -1 if that is too old to be heeded. */
  get #newest() {
    const { times, step } = this.feed;
    return times.length && this.view.to - times.at(-1) <= 5 * step + 5 ? times.length - 1 : -1;
  }

  #point(index) {
    const { times } = this.feed;
    this.page.onPoint?.(index === null || index >= times.length ? null : times[index]);
    if (index === this.#hover) return;
    this.#hover = index;
    this.#tell();
  }

  /** Write the values under the cursor, else the newest. */
  #tell() {
    const { times, values } = this.feed;
    const hover = this.#hover !== null && this.#hover < times.length ? this.#hover : null;
    const newest = this.#newest;
    const at = hover ?? (newest < 0 ? null : newest);
    say(this.time, hover === null ? "" : timeOfDay(times[hover]));
    this.#items.forEach(({ value }, index) => {
      say(value, this.#read(at === null ? null : values[index]?.[at] ?? null));
    });
    this.#tip();
  }

  /** Show the values beside the pointer as well. */
  #tip() {
    const { times, values, ids, names, chart, step } = this.feed;
    const at = this.#hover;
    if (!this.#pointer || at === null || at >= times.length) return tooltip.hide(this);
    const lines = [];
    ids.forEach((id, index) => {
      const raw = values[index]?.[at] ?? null;
      if (this.#hidden.has(id) || raw === null || (!raw && this.#still.has(id))) return;
      const { text } = this.#items[index] ? { text: this.#items[index].value.textContent } : { text: "" };
      lines.push({ name: names[index], text, size: Math.abs(raw), colour: colour(index) });
    });
    const reach = Math.max(step, (this.view.to - this.view.from) / 150);
    const notes = (this.page.marks?.of(chart.id) ?? [])
      .filter(({ when }) => Math.abs(when - times[at]) <= reach)
      .slice(-3)
      .map(({ name, status, old_status, value_string }) => `${name}: ${old_status} → ${status} (${value_string})`);
    const odd = (this.feed.anomalies?.get(times[at]) ?? []).filter((id) => !this.#hidden.has(id)).map((id) => names[ids.indexOf(id)]);
    if (odd.length) notes.push(`Anomalous: ${odd.slice(0, 5).join(", ")}${odd.length > 5 ? ` and ${odd.length - 5} more` : ""}`);
    return tooltip.show(this, this.#pointer, { when: dateAndTime(times[at]), units: this.#scale.units }, lines, notes, [...this.#still].filter((id) => !this.#hidden.has(id)).length);
  }

  #steer(event) {
    const { view, page } = this;
    const width = view.to - view.from;
    const moves = {
      "+": [view.from + width / 4, view.to - width / 4],
      "=": [view.from + width / 4, view.to - width / 4],
      "-": [view.from - width / 2, view.to + width / 2],
      "<": [view.from - width / 2, view.to - width / 2],
      ",": [view.from - width / 2, view.to - width / 2],
      ">": [view.from + width / 2, view.to + width / 2],
      ".": [view.from + width / 2, view.to + width / 2],
    };
    if (!event.ctrlKey && !event.metaKey && !event.altKey) {
      if (event.key === "0") return page.onNow();
      if (event.key === "w" && page.onWide) return this.#turn();
      if (event.key in moves) {
        event.preventDefault();
        return page.onSpan(...moves[event.key]);
      }
    }
    return this.#walk(event);
  }

  #walk(event) {
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
    this.#speak();
  }

  #speak() {
    if (!spoken.isConnected) document.body.append(spoken);
    const { times, names } = this.feed;
    if (this.#hover === null || this.#hover >= times.length) return say(spoken, "");
    const values = this.#items.flatMap(({ id, value }, at) => (this.#hidden.has(id) || this.#still.has(id) ? [] : [`${names[at]} ${value.textContent}`]));
    const left = values.length - MOST_SPOKEN;
    const words = values.length ? `${values.slice(0, MOST_SPOKEN).join(", ")} ${this.#scale.units}`.trim() : this.blank.textContent;
    return say(spoken, `${timeOfDay(times[this.#hover])}: ${words}${left > 0 ? ` and ${left} more` : ""}`);
  }
}
