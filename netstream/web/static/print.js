// The page on paper: every chart.

import { byId, say } from "./dom.js";
import { dateAndTime } from "./format.js";

const MOST_CHARTS = 200;
const PATIENCE = 8000;

/**
 * @param {HTMLElement} button prints all charts, not only those on the screen
 * @param {Map<string, import("./card.js").Card>} cards
 * @param {import("./live.js").Live} live
 * @param {() => string} origin
 */
export function preparePrint(button, cards, live, origin) {
  const root = document.documentElement;
  let forced = [];

  addEventListener("beforeprint", () => {
    say(byId("printed"), `${origin()}, ${dateAndTime(live.view.from)} – ${dateAndTime(live.view.to)}`);
  });
  addEventListener("afterprint", () => {
    for (const card of forced) card.setNear(false);
    forced = [];
    root.classList.remove("printing");
  });

  button.addEventListener("click", async () => {
    button.disabled = true;
    root.classList.add("printing");
    forced = [...cards.values()].slice(0, MOST_CHARTS).filter(({ near }) => !near);
    for (const card of forced) card.setNear(true);
    const ends = performance.now() + PATIENCE;
    live.wake();
    while (performance.now() < ends && forced.some(({ feed }) => !feed.loaded)) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    live.draw();
    button.disabled = false;
    print();
  });
}
