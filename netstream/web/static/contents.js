// The table of contents, and which part of the page is being read.

import { byId, element } from "./dom.js";
import { fragment, settle } from "./place.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

// Milliseconds without a scroll, and pixels of the page.
const SETTLED = 400;
const AT_TOP = 40;
// Milliseconds that a way may take, and windows that are too many to see all that lies between.
const LONGEST_WAY = 2500;
const FAR = 6;

// What is being brought into view.
let sought = null;
for (const name of ["wheel", "touchstart", "pointerdown", "keydown"]) {
  addEventListener(
    name,
    () => {
      sought = null;
    },
    { passive: true, capture: true },
  );
}

/** What is passed by gets its true height only then: stay with the target, unless the reader goes elsewhere. */
function stay(target) {
  const ends = performance.now() + LONGEST_WAY;
  let before = null;
  const look = () => {
    if (sought !== target || performance.now() > ends) return;
    const { top } = target.getBoundingClientRect();
    if (before !== null && Math.abs(top - before) < 1) target.scrollIntoView({ behavior: "instant", block: "start" });
    before = top;
    setTimeout(look, 100);
  };
  look();
}

/** Bring an element of the page into view, and the reader's focus with it. */
export function visit(id) {
  const target = id && byId(id);
  if (!target) return false;
  const far = Math.abs(target.getBoundingClientRect().top) > FAR * innerHeight;
  target.scrollIntoView({ behavior: STILL.matches || far ? "instant" : "smooth", block: "start" });
  target.focus({ preventScroll: true });
  sought = target;
  stay(target);
  return true;
}

export class Contents {
  /** @type {Map<string, {link: HTMLElement, item: HTMLElement, heading: HTMLElement}>} */
  #parts = new Map();
  #current = "";
  #asked = false;
  #visited = "";

  constructor() {
    this.nav = byId("contents");
    this.nav.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#visited = link.dataset.target;
      visit(link.dataset.target);
      settle(link.dataset.target);
    });
    addEventListener("scroll", () => this.#later(), { passive: true });
    // Where one reads is kept in the address, once one does.
    const keep = () => settle(scrollY > AT_TOP ? this.#current : "");
    let timer = 0;
    addEventListener(
      "scroll",
      () => {
        clearTimeout(timer);
        timer = setTimeout(keep, SETTLED);
      },
      { passive: true },
    );
    addEventListener("resize", () => this.#later(), { passive: true });
  }

  /**
   * @param {{key: string, title: string, id: string, families: {key: string, id: string}[]}[]} sections
   *     with the ids of the elements that they begin with
   */
  fill(sections) {
    this.#parts.clear();
    this.#current = "";
    const line = (id, text) => {
      const link = element("a", { href: fragment(id), textContent: text, title: text });
      link.dataset.target = id;
      const item = element("li", {}, link);
      this.#parts.set(id, { link, item, heading: byId(id) });
      return item;
    };
    this.nav.replaceChildren(
      element(
        "ol",
        {},
        ...sections.map(({ title, id, families }) => {
          const item = line(id, title);
          if (families.length > 1) item.append(element("ol", {}, ...families.map((family) => line(family.id, family.key))));
          return item;
        }),
      ),
    );
    this.refresh();
  }

  /** The links keep the time range that is chosen. */
  refresh() {
    for (const [id, { link }] of this.#parts) link.setAttribute("href", fragment(id));
    this.#mark();
  }

  #later() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#mark();
    });
  }

  #mark() {
    const edge = (document.querySelector(".bar")?.offsetHeight ?? 0) + 76;
    let current = "";
    let height = -Infinity;
    for (const [id, { heading }] of this.#parts) {
      const { top } = heading.getBoundingClientRect();
      if (current && top > edge) break;
      // Of several that begin side by side it is the first, unless the reader asked for another.
      if (top <= height && id !== this.#visited) continue;
      current = id;
      height = top;
    }
    if (current === this.#current) return;
    this.#current = current;
    for (const { link, item } of this.#parts.values()) {
      link.removeAttribute("aria-current");
      item.classList.remove("here");
    }
    const part = this.#parts.get(current);
    if (!part) return;
    part.link.setAttribute("aria-current", "true");
    for (let item = part.item; item; item = item.parentElement.closest("li")) item.classList.add("here");
    // Only the list itself is moved: what stands above it stays in sight.
    const box = this.nav.getBoundingClientRect();
    const link = part.link.getBoundingClientRect();
    if (link.top < box.top + 8) this.nav.scrollTop += link.top - box.top - 40;
    if (link.bottom > box.bottom - 8) this.nav.scrollTop += link.bottom - box.bottom + 40;
  }
}
