// The points of one chart, kept up to date with as few bytes as possible.

// A chart is read at its own resolution up to this many points; a longer stretch of time is
// grouped by the node.
const MOST_POINTS = 900;
const GROUPED_POINTS = 360;
// Grouped points that stand for as many seconds as this are shown, and asked for again, before they are complete:
// the newest hour of a month would be missing otherwise, and all of a node that has just begun.
export const LONG_STEP = 60;
// Of the newest samples alone there are so many.
const RECENT_POINTS = 60;
// Seconds after which samples that should have come by themselves are asked for.
const PATIENCE = 3;
// Samples come by themselves without saying whether they are anomalous: that is asked for now and then.
const LOOK_BACK = 30;

export class Feed {
  /** UTC seconds, ascending. */
  times = [];
  /** One array of values for each dimension, null where there is none. */
  values = [];
  /** Dimension ids and names, in the node's order. */
  ids = [];
  names = [];
  /** Grows with each change, so that views know when to draw. */
  version = 0;
  /** @type {Map<number, string[]>} ids of the dimensions that were anomalous, by time */
  anomalies = new Map();
  /** Whether the node has answered for this chart since the range changed. */
  loaded = false;

  #range = 0;
  #end = 0;
  #step = 1;
  #due = 0;
  #asked = 0;
  #newest = 0;
  #behind = false;

  /**
   * @param {object} chart as `api/v1/charts` describes it
   * @param {string} [path] where to ask for its points
   */
  constructor(chart, path = "api/v1/data") {
    this.chart = chart;
    this.path = path;
    this.rename(chart);
  }

  /** Take over a changed description. */
  rename(chart) {
    this.chart = chart;
    this.#step = Math.max(1, chart.update_every || 1);
    if (!this.loaded) {
      this.ids = Object.keys(chart.dimensions);
      this.names = this.ids.map((id) => chart.dimensions[id].name || id);
      this.values = this.ids.map(() => []);
    }
  }

  /** UTC seconds of the newest point with a value; 0 when there is none. */
  get newest() {
    return this.#newest;
  }

  /** Whether the node folds several samples into a point, as there are more than can be told apart. */
  get grouped() {
    return this.#range / Math.max(1, this.chart.update_every || 1) > MOST_POINTS;
  }

  /** Whether it goes up to now in points of which the newest is worth showing before it is complete. */
  get #long() {
    return !this.#end && this.grouped && this.#range / GROUPED_POINTS >= LONG_STEP;
  }

  /** @returns {boolean} whether it has been filled for that time */
  fits(range, end) {
    return this.loaded && range === this.#range && end === this.#end;
  }

  /** @returns {number} the place of the point that a second belongs to; -1 in a gap */
  pointAt(second) {
    const found = this.times.findIndex((time) => time >= second);
    return found < 0 || this.times[found] - second >= this.#step ? -1 : found;
  }

  /** Whether some values are below zero and others above, as those of what goes and comes: added up they say little. */
  get opposed() {
    const some = (fits) => this.values.some((column) => column.some((value) => value !== null && fits(value)));
    return some((value) => value < 0) && some((value) => value > 0);
  }

  /** Seconds between points. */
  get step() {
    return this.#step;
  }

  /**
   * What to ask the node for.
   *
   * @param {number} range seconds
   * @param {number} end UTC seconds where it ends, 0 for now
   * @param {number} now UTC seconds
   * @param {boolean} [brought] new samples come by themselves, so there is less to ask
   * @returns {object|null} the query; null when nothing new can be there yet
   */
  question(range, end, now, brought = false) {
    const native = Math.max(1, this.chart.update_every || 1);
    const grouped = range / native > MOST_POINTS;
    const query = { chart: this.chart.id, format: "json", options: "seconds,flip,jsonwrap,jw-anomaly-rates", before: end };
    if (range !== this.#range || end !== this.#end || !this.loaded) {
      this.loaded = false;
      this.#due = 0;
    } else if (end) return null;
    const back = brought && !grouped && now - this.#asked > LOOK_BACK ? LOOK_BACK : 0;
    if (!back && now < this.#due + (brought && !grouped && !this.#behind ? PATIENCE + native : 0)) return null;
    const fresh = !this.loaded || grouped || now - this.#newest > range;
    this.#asked = now;
    this.#range = range;
    this.#end = end;
    if (!fresh) return { ...query, after: this.#newest - native - back, points: 0 };
    if (this.#long) query.before = Math.floor(now);
    return {
      ...query,
      after: query.before ? query.before - range : -range,
      points: grouped ? GROUPED_POINTS : Math.ceil(range / native),
    };
  }

  /**
   * Take in the answer to a question.
   *
   * @param {object} query the question
   * @param {object} reply `jsonwrap` with the format `json`
   * @param {number} now UTC seconds
   */
  absorb(query, reply, now) {
    const rows = reply.result?.data ?? [];
    // A point that is not complete ends here, not where it will end.
    if (this.#long && rows.length && rows.at(-1)[0] > now) rows.at(-1)[0] = Math.floor(now);
    const ids = reply.dimension_ids ?? [];
    const names = reply.dimension_names ?? ids;
    const same = ids.length === this.ids.length && ids.every((id, index) => id === this.ids[index]);
    const part = query.points === 0;
    if (rows.length && !same && part) {
      // A dimension came or went: start over.
      this.loaded = false;
      return;
    }
    if (!part) {
      this.times = [];
      this.values = (rows.length ? ids : this.ids).map(() => []);
      this.anomalies.clear();
      this.#newest = 0;
    }
    this.#suspect(rows, ids, reply.anomaly_rates?.data ?? []);
    if (rows.length) {
      this.ids = ids;
      this.names = names;
      this.#step = Math.max(1, reply.view_update_every || 1);
    }
    this.#append(rows);
    this.#forget(now);
    this.loaded = true;
    this.#behind = false;
    // What is late is asked for again soon, what has nothing at all a little later.
    const late = now - this.#newest > 5 * this.#step;
    const soon = now + (this.times.length ? Math.min(this.#step, 5) : 3) - 0.5;
    this.#due = late ? soon : Math.max(this.#newest + (this.#long ? LONG_STEP : this.#step), soon);
    this.version += 1;
  }

  /**
   * Take in one sample that came by itself, if it is the next one.
   *
   * @param {number} second
   * @param {Record<string, number>} values by dimension id
   * @param {number} now UTC seconds
   * @returns {boolean} whether it was of use
   */
  append(second, values, now) {
    if (!this.loaded || this.grouped || this.#end || !this.times.length) return false;
    if (second <= this.#newest) return false;
    // What lies between is asked for, and so is a dimension that is new.
    this.#behind = true;
    if (second - this.#newest > this.#step) return false;
    if (Object.keys(values).length !== this.ids.length || !this.ids.every((id) => Object.hasOwn(values, id))) return false;
    this.#behind = false;
    this.#append([[second, ...this.ids.map((id) => values[id])]]);
    this.#forget(now);
    this.#due = Math.max(this.#newest + this.#step, now);
    this.version += 1;
    return true;
  }

  /** Ask again from the start. */
  reset() {
    this.loaded = false;
  }

  #append(rows) {
    if (rows.length) {
      let keep = this.times.length;
      while (keep && this.times[keep - 1] >= rows[0][0]) keep -= 1;
      this.#cut(keep);
    }
    for (const row of rows) {
      const before = this.times.at(-1);
      if (before !== undefined && row[0] - before > this.#step * 1.5) {
        this.times.push(before + this.#step);
        for (const column of this.values) column.push(null);
      }
      this.times.push(row[0]);
      let some = false;
      this.values.forEach((column, index) => {
        const value = row[index + 1];
        const usable = typeof value === "number" && Number.isFinite(value);
        column.push(usable ? value : null);
        some ||= usable;
      });
      if (some) this.#newest = Math.max(this.#newest, row[0]);
    }
    // Seconds that are not there yet are no gap.
    let end = this.times.length;
    while (end && this.times[end - 1] > this.#newest) end -= 1;
    this.#cut(end);
  }

  #suspect(rows, ids, rates) {
    for (const [time] of rows) this.anomalies.delete(time);
    for (const [time, ...cells] of rates) {
      const found = ids.filter((_id, index) => cells[index] > 0);
      if (found.length) this.anomalies.set(time, found);
    }
  }

  #cut(length) {
    this.times.length = length;
    for (const column of this.values) column.length = length;
  }

  #forget(now) {
    const oldest = (this.#end || now) - this.#range - 2 * this.#step;
    const old = this.times.findIndex((time) => time >= oldest);
    // In strides, so that an array is not moved every second.
    if (old < 32) return;
    for (const time of this.anomalies.keys()) if (time < oldest) this.anomalies.delete(time);
    this.times.splice(0, old);
    for (const column of this.values) column.splice(0, old);
  }
}

/** The newest samples of a chart, for as long as the time on show is so long that each point of it stands for several. */
export class Recent extends Feed {
  get #native() {
    return Math.max(1, this.chart.update_every || 1);
  }

  #wanted(range) {
    return range / this.#native > MOST_POINTS;
  }

  fits(range, end) {
    return !this.#wanted(range) || super.fits(RECENT_POINTS * this.#native, end);
  }

  question(range, ...when) {
    return this.#wanted(range) ? super.question(RECENT_POINTS * this.#native, ...when) : null;
  }
}
