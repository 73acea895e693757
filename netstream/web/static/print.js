// The page on paper: every chart.

import { byId, element } from "./dom.js";
import { fromTo } from "./format.js";

const MOST_CHARTS = 200;
// Milliseconds for which no chart comes before those are printed that came, and for which it is waited at all.
const PATIENCE = 8000;
const LONGEST = 60_000;

/**
 * @param {HTMLElement} button prints all charts, not only those on the screen, and so do the keys that print
 * @param {Map<string, import("./card.js").Card>} cards
 * @param {import("./live.js").Live} live
 * @param {object} page what it is on
 * @param {() => string} page.origin names whose charts they are
 * @param {() => Promise<void>} page.built waits for cards that are being made
 * @param {(wanted: boolean) => void} page.watch has what comes near the screen heeded, or not
 */
export function preparePrint(button, cards, live, { origin, watch, built }) {
  let busy = false;
  let whole = false;
  let top = 0;

  addEventListener("beforeprint", () => {
    watch(false);
    const { from, to } = live.view;
    let drawn = 0;
    for (const { node, near, feed } of cards.values()) {
      const read = near && feed.loaded;
      node.classList.toggle("unread", !read);
      if (read) drawn += 1;
    }
    for (const section of document.querySelectorAll("#sections > .section")) {
      section.classList.toggle("unread", !section.querySelector(".card:not(.unread)"));
    }
    const left = cards.size - drawn;
    const way = cards.size > MOST_CHARTS ? "" : ": Print, at the end of the page, prints all";
    const rest = left ? `${drawn} of ${cards.size} charts${whole ? "" : way}` : "";
    byId("printed").replaceChildren(
      `${origin()}, ${fromTo(from, to)}`,
      element("small", { textContent: [byId("system").textContent, rest].filter(Boolean).join(" · ") }),
    );
  });
  addEventListener("afterprint", () => {
    if (whole) scrollTo({ top, behavior: "instant" });
    whole = false;
    watch(true);
  });

  const all = async () => {
    if (busy) return;
    busy = button.disabled = true;
    try {
      await built();
      watch(false);
      const every = new Set(cards.values());
      const tiles = [...live.views].filter((view) => !every.has(view));
      const wanted = [...tiles, ...[...every].slice(0, MOST_CHARTS)];
      for (const view of wanted) if (!view.near) view.setNear(true);
      live.wake();
      const waiting = () => wanted.filter(({ feed }) => !feed.loaded).length;
      const latest = performance.now() + LONGEST;
      let left = waiting();
      let ends = performance.now() + PATIENCE;
      while (left && performance.now() < Math.min(ends, latest)) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const now = waiting();
        if (now < left) ends = performance.now() + PATIENCE;
        left = now;
      }
      whole = true;
      top = scrollY;
      globalThis.usePaper(true);
      // Plots are drawn when whoever draws them is done.
      await new Promise((resolve) => setTimeout(resolve));
    } finally {
      busy = button.disabled = false;
    }
    print();
  };
  button.addEventListener("click", all);
  addEventListener("keydown", (event) => {
    if (event.key !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    all();
  });
}
