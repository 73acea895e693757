// The values under the pointer, beside it.

import { element, say } from "./dom.js";

const MOST_LINES = 12;
const GAP = 16;

const time = element("span");
const unit = element("span", { className: "units" });
const list = element("ul");
const more = element("p", { className: "more" });
// It says what the legend says as well, so a screen reader can do without.
const box = element("div", { className: "tooltip", hidden: true, "aria-hidden": true }, element("p", { className: "when" }, time, unit), list, more);

let owner = null;

/**
 * @param {object} who shows it; it is hidden for this one alone
 * @param {{x: number, y: number}} where the pointer is
 * @param {{when: string, units: string}} head the time, and what all values are in
 * @param {{name: string, text: string, size: number, colour: string}[]} lines the largest are shown
 * @param {string[]} notes
 * @param {number} still how many are zero and not among the lines
 */
export function show(who, where, { when, units }, lines, notes = [], still = 0) {
  owner = who;
  if (!box.isConnected) document.body.append(box);
  say(time, when);
  say(unit, units);
  const largest = lines
    .map((line, place) => ({ ...line, place }))
    .sort((a, b) => b.size - a.size || a.place - b.place)
    .slice(0, MOST_LINES);
  list.replaceChildren(
    ...largest.map(({ name, text, colour }) => {
      const swatch = element("i", { className: "swatch" });
      swatch.style.setProperty("--swatch", colour);
      return element("li", {}, swatch, element("span", { className: "name", textContent: name }), element("b", { textContent: text }));
    }),
    ...notes.map((textContent) => element("li", { className: "note", textContent })),
  );
  const left = lines.length - largest.length;
  more.hidden = left <= 0 && !still;
  say(more, [left > 0 ? `and ${left} more` : "", still ? `${still} at zero` : ""].filter(Boolean).join(", "));
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const beside = where.x + GAP + width > innerWidth ? where.x - GAP - width : where.x + GAP;
  const x = Math.max(4, beside);
  const y = Math.max(4, Math.min(innerHeight - height - 4, where.y - height / 2));
  box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

/** Take it away, if that one shows it. */
export function hide(who) {
  if (who === owner) box.hidden = true;
}
