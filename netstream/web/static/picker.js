// The picker of the time on show.

import { clock } from "./api.js";
import { byId, element, say } from "./dom.js";
import { between, inUTC, inWords, offset, useUTC, ZONE } from "./format.js";
import { popover } from "./popover.js";
import { seconds, short } from "./place.js";

const USUAL = ["1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "30d"].map((text) =>
  text === "1d" ? 86400 : seconds(text),
);

/** UTC seconds as an input of the type `datetime-local` has them, and back. */
function toInput(utc) {
  const date = new Date(utc * 1000);
  const behind = inUTC ? 0 : date.getTimezoneOffset() * 60000;
  return new Date(date.getTime() - behind).toISOString().slice(0, 19);
}

const fromInput = (text) => Math.round(new Date(inUTC ? `${text}Z` : text).getTime() / 1000);

export class Picker {
  #span;

  /**
   * @param {HTMLElement} place is filled with it
   * @param {import("./place.js").Span} span
   * @param {object} listener
   * @param {(span: import("./place.js").Span) => void} listener.onSpan is told what was chosen
   * @param {() => {from: number, to: number}} listener.view the seconds on show now
   */
  constructor(place, span, { onSpan, view }) {
    this.onSpan = onSpan;
    this.view = view;
    this.text = element("span", { id: "picker-text" });
    this.button = element(
      "button",
      { className: "button picker-button", id: "picker", type: "button", "aria-expanded": false, "aria-controls": "picker-menu", title: "Choose the time on show" },
      this.text,
    );
    this.menu = element("div", { className: "menu picker-menu", id: "picker-menu", role: "dialog", "aria-label": "Time on show", hidden: true });
    const step = (id, label, sign, action) => {
      const button = element("button", { className: "icon-button step", id, type: "button", "aria-label": label, title: label, textContent: sign });
      button.addEventListener("click", action);
      return button;
    };
    place.append(
      step("earlier", "Earlier", "‹", () => this.move(-0.5)),
      element("div", { className: "nodes" }, this.button, this.menu),
      step("later", "Later", "›", () => this.move(0.5)),
      step("closer", "Zoom in", "+", () => this.zoom(0.5)),
      step("farther", "Zoom out", "−", () => this.zoom(2)),
    );
    this.popover = popover(this.button, this.menu, () => this.#fill());
    this.show(span);
  }

  /** Say what is on show. */
  show(span) {
    this.#span = span;
    say(this.text, span.after ? between(span.after, span.before) : `Last ${inWords(span.last)}`);
  }

  /** Go a part of what is on show earlier or later. */
  move(part) {
    const { from, to } = this.view();
    this.choose(from + (to - from) * part, to + (to - from) * part);
  }

  /** Show so many times as much. */
  zoom(factor) {
    const { from, to } = this.view();
    const middle = (from + to) / 2;
    const half = ((to - from) / 2) * factor;
    this.choose(middle - half, middle + half);
  }

  /**
   * Show a time that stands still.
   *
   * @param {number} from UTC seconds
   * @param {number} to UTC seconds
   * @param {boolean} [kept] one can go back to what was on show before
   * @param {boolean} [whole] it is a step of its own, not one of many that follow one another
   */
  choose(from, to, kept = true, whole = false) {
    const now = Math.ceil(clock.now()) + 60;
    // What is only moved keeps its length.
    let after = Math.round(from);
    let before = after + Math.max(5, Math.round(to - from));
    if (before > now) {
      after -= before - now;
      before = now;
    }
    this.onSpan({ last: this.#span.last, after: Math.max(1, after), before }, kept, whole);
  }

  /** Say in which zone times are written, and offer the other one. */
  #zone(now) {
    const said = element("p", { className: "zone" }, ZONE === "UTC" ? "Times are in UTC. " : `Times are those of ${ZONE}, ${offset(now)}. `);
    const other = inUTC ? "Use the time of this computer" : "Use UTC";
    const button = element("button", { className: "link", id: "zone", type: "button", textContent: other });
    button.addEventListener("click", () => useUTC(!inUTC));
    if (inUTC || offset(now) !== "UTC") said.append(button);
    return said;
  }

  #fill() {
    const ranges = element("fieldset", { className: "ranges", id: "ranges" }, element("legend", { textContent: "Up to now" }));
    const last = this.#span.after ? 0 : this.#span.last;
    for (const length of USUAL) {
      const input = element("input", { type: "radio", name: "range", value: short(length), checked: length === last });
      input.addEventListener("change", () => this.onSpan({ last: length }, true));
      input.addEventListener("click", (event) => {
        // Keys change it and stay, a pointer has chosen.
        if (event.detail) this.popover.open(false);
      });
      const name = length < 86400 ? short(length) : `${length / 86400}d`;
      ranges.append(element("label", { title: `Last ${inWords(length)}` }, input, element("span", { textContent: name, "aria-label": `Last ${inWords(length)}` })));
    }
    const own = element("input", { type: "text", id: "own-range", placeholder: "such as 45m", autocomplete: "off", size: 9, value: last ? short(last) : "" });
    const { from, to } = this.view();
    const start = element("input", { type: "datetime-local", id: "from", step: "1", value: toInput(Math.floor(from)) });
    const end = element("input", { type: "datetime-local", id: "to", step: "1", value: toInput(Math.ceil(to)) });
    const wrong = element("p", { className: "wrong", role: "alert", hidden: true });
    const fail = (text, field) => {
      wrong.hidden = !text;
      field.form.after(wrong);
      say(wrong, text);
      field.focus();
    };
    const lastForm = element(
      "form",
      { className: "own" },
      element("label", {}, element("span", { textContent: "Last" }), own),
      element("button", { className: "button", type: "submit", textContent: "Show" }),
    );
    lastForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const length = seconds(own.value);
      if (length === null) return fail("A number and s, m, h or d, such as 45m or 3d.", own);
      this.popover.open(false);
      return this.onSpan({ last: length }, true);
    });
    const spanForm = element(
      "form",
      { className: "from-to", id: "from-to" },
      element("label", {}, element("span", { textContent: "From" }), start),
      element("label", {}, element("span", { textContent: "To" }), end),
      element("button", { className: "button", type: "submit", textContent: "Show" }),
    );
    spanForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const [after, before] = [fromInput(start.value), fromInput(end.value)];
      if (!(after > 0)) return fail("Say from when.", start);
      if (!(before - after >= 5)) return fail("It must end at least 5 seconds after it begins.", end);
      this.popover.open(false);
      return this.choose(after, before);
    });
    this.menu.replaceChildren(ranges, lastForm, spanForm, wrong, this.#zone(to));
  }
}
