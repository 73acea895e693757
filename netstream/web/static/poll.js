// Pages that ask again and again: while someone looks, and until the node answers.

import { Refused } from "./api.js";
import { byId } from "./dom.js";
import { notice } from "./shell.js";

const LONGEST_WAIT = 10_000;

/** There is something to be seen. */
export const arrived = () => byId("charts").classList.remove("waiting");

/**
 * Do something now and then on; never ends.  Nothing is on show before it was done once, or said that it arrived.
 *
 * @param {number} every milliseconds
 * @param {() => Promise<void>} ask
 * @returns {{wake: () => void}} does not wait for the next time
 */
export function poll(every, ask) {
  let wake = () => {};
  let lost = 0;
  byId("charts").classList.add("waiting");
  const run = async () => {
    for (;;) {
      if (document.visibilityState === "visible") {
        try {
          await ask();
          arrived();
          if (lost) notice("");
          lost = 0;
        } catch (problem) {
          lost += 1;
          if (problem instanceof Refused && problem.status < 500) notice(`This node refuses to answer (status ${problem.status}). Trying again.`);
          else notice("This node does not answer. What is shown is from before; trying again until it does.");
        }
      }
      await new Promise((resolve) => {
        wake = resolve;
        const wait = lost ? Math.min(LONGEST_WAIT, 1000 * 2 ** (lost - 1)) * (0.75 + Math.random() / 2) : every;
        if (document.visibilityState === "visible") setTimeout(resolve, wait);
      });
    }
  };
  document.addEventListener("visibilitychange", () => wake());
  addEventListener("online", () => wake());
  run();
  return { wake: () => wake() };
}
