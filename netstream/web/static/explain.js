// Why an alert is in its state, in words.

import { element } from "./dom.js";
import { age, dateAndTime, fromTo } from "./format.js";

const number = (value) => (value === null || value === undefined ? "no number" : Number(value.toPrecision(6)).toString());

/**
 * What is compared, and how it comes out.
 *
 * @param {object} one as `api/v1/explain` describes it
 * @param {number} now UTC seconds
 * @returns {[string, string, string?][]} name, words, and what stands there literally
 */
export function lines(one, now) {
  const found = [];
  const { lookup } = one;
  if (lookup) {
    const dimensions = lookup.dimensions?.length ? lookup.dimensions.join(", ") : "no dimension";
    const when = lookup.after && lookup.before ? `, ${fromTo(lookup.after, lookup.before)}` : "";
    found.push(["Looked up", `${lookup.method} of ${dimensions}${when}: ${lookup.no_data ? "there is no data" : number(lookup.found)}`]);
  }
  // Variables have gone on since it was evaluated, so this need not be its value.
  const asks = { calc: "Calculated now", warn: "Warning if", crit: "Critical if" };
  for (const [key, name] of Object.entries(asks)) {
    const asked = one[key];
    if (!asked) continue;
    const outcome = key === "calc" ? number(asked.result) : asked.result ? "true" : "false";
    found.push([name, outcome, asked.filled_in === asked.expression ? asked.expression : `${asked.expression}\n${asked.filled_in}`]);
  }
  found.push(["Value", one.value_string]);
  if (one.since) found.push(["So since", `${dateAndTime(one.since)}, for ${age(now - one.since)}`]);
  if (one.waits_until) found.push(["Waits", `until ${dateAndTime(one.waits_until)}, for samples that are still coming`]);
  if (one.evaluated) found.push(["Evaluated", `${age(now - one.evaluated)} ago${one.next ? `, next in ${age(one.next - now)}` : ""}`]);
  const told = one.would_tell ?? [];
  const names = told.map((each) => (typeof each === "string" ? each : Object.values(each).join(" ")));
  const { delay = {}, not_told_because: reason } = one;
  if (!names.length) {
    const missing = one.roles?.length ? `${one.roles.join(", ")} has no recipient here` : "";
    found.push(["Told", ["nobody", reason || missing].filter(Boolean).join(": ")]);
  } else {
    // A delay that runs matters only where somebody is told at its end.
    if (delay.running_until && !reason) found.push(["Delay", `people are told at ${dateAndTime(delay.running_until)} if it stays so`]);
    else if (delay.up || delay.down) found.push(["Delay", `${age(delay.up ?? 0)} up, ${age(delay.down ?? 0)} down`]);
    found.push(["Told", names.join(", ")]);
    if (reason) found.push(["Not told now", reason]);
  }
  if (one.silenced) found.push(["Silenced", "yes"]);
  if (one.disabled) found.push(["Disabled", "yes"]);
  const { file, line, stock } = one.definition ?? {};
  if (file) found.push(["Defined in", `${file}${line ? `, line ${line}` : ""}${stock ? " (comes with netstream)" : ""}`]);
  return found;
}

/** @returns {HTMLElement[]} the same for the page */
export function explanation(one, now) {
  return [
    element(
      "dl",
      { className: "explained" },
      ...lines(one, now).flatMap(([name, words, literal]) => [
        element("dt", { textContent: name }),
        element("dd", {}, words, literal ? element("code", { textContent: literal }) : null),
      ]),
    ),
  ];
}
