// The menu of the nodes whose metrics this node holds.

import { byId, element, say } from "./dom.js";
import { address } from "./place.js";

const MANY = 8;

// Milliseconds after which a letter begins another name.
const PAUSE = 900;

/**
 * Which of several names is meant by its first letters.
 *
 * @param {string[]} names
 * @param {number} here the one that was meant so far, -1 for none
 * @param {string} text a letter that is repeated goes on to the next
 * @returns {number} -1 for none
 */
export function typed(names, here, text) {
  const wanted = text.toLowerCase();
  const same = [...wanted].every((letter) => letter === wanted[0]);
  const of = (test, from) => {
    const order = names.map((_, at) => (from + at) % names.length);
    return order.find((at) => test(names[at].toLowerCase())) ?? -1;
  };
  const begin = Math.max(0, here);
  const found = of((name) => name.startsWith(wanted), wanted.length > 1 ? begin : here + 1);
  if (found >= 0) return found;
  if (same) return of((name) => name.startsWith(wanted[0]), here + 1);
  return of((name) => name.includes(wanted), begin);
}

export class Nodes {
  #known = "";
  #filled = "";
  /** @type {{item: HTMLElement, name: string}[]} */
  #lines = [];
  #told = { hosts: [], guid: "" };
  #typed = "";
  #typedAt = -Infinity;

  constructor() {
    this.button = byId("nodes-button");
    this.menu = byId("nodes");
    this.button.addEventListener("click", () => this.open(this.menu.hidden));
    this.button.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      this.open(true);
    });
    this.menu.addEventListener("keydown", (event) => this.#steer(event));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.menu.hidden) return;
      this.open(false);
      this.button.focus();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.menu.parentElement.contains(event.target)) this.open(false);
    });
    this.menu.parentElement.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !this.menu.parentElement.contains(event.relatedTarget)) this.open(false);
    });
  }

  open(wanted) {
    if (wanted) this.#fill();
    this.menu.hidden = !wanted;
    this.button.setAttribute("aria-expanded", String(wanted));
    this.#typed = "";
    if (wanted) (this.menu.querySelector("input") ?? this.menu.querySelector("a[aria-current]") ?? this.menu.querySelector("a"))?.focus();
  }

  /**
   * @param {{guid: string, hostname: string, reachable: boolean, hops: number}[]} hosts
   * @param {string} guid of the node on this page
   */
  show(hosts, guid) {
    const known = JSON.stringify([hosts, guid]);
    if (known === this.#known) return;
    this.#known = known;
    this.#told = { hosts, guid };
    const own = hosts.find(({ hops }) => hops === 0) ?? hosts[0];
    const others = hosts.filter((host) => host !== own);
    const count = byId("nodes-count");
    count.hidden = !others.length;
    say(count, String(others.length));
    count.setAttribute("aria-label", `${others.length}, ${others.filter((host) => host.reachable).length} of them live`);
    if (!this.menu.hidden) this.#fill();
  }

  /** Nobody sees it while it is closed, and it may be long. */
  #fill() {
    if (this.#filled === this.#known) return;
    this.#filled = this.#known;
    const { hosts, guid } = this.#told;
    const own = hosts.find(({ hops }) => hops === 0) ?? hosts[0];
    const { compare } = new Intl.Collator(undefined, { numeric: true });
    const others = hosts
      .filter((host) => host !== own)
      .sort((a, b) => b.reachable - a.reachable || compare(a.hostname, b.hostname));
    const search = this.menu.querySelector("input")?.value ?? "";
    const focus = this.menu.contains(document.activeElement) ? document.activeElement.dataset.guid : undefined;
    this.#lines = (own ? [own, ...others] : []).map((host) => ({ item: this.#line(host, own, hosts, guid), name: (host.hostname || host.guid).toLowerCase() }));
    this.list = element("ul", {}, ...this.#lines.map(({ item }) => item));
    const parts = [this.list];
    if (others.length > MANY) {
      const input = element("input", { type: "search", placeholder: "Find a node", value: search, "aria-label": "Find a node" });
      input.addEventListener("input", () => this.#filter(input.value));
      parts.unshift(input);
    }
    if (!others.length) {
      parts.push(element("p", { textContent: "No other node streams to this one yet. Those that do appear here by themselves." }));
    }
    this.menu.replaceChildren(...parts);
    if (search) this.#filter(search);
    if (focus !== undefined) {
      [...this.menu.querySelectorAll("[data-guid]")].find((link) => link.dataset.guid === focus)?.focus();
    }
  }

  #line(host, own, hosts, guid) {
    const state = host.reachable ? "live" : "offline";
    const note = host === own ? "this node" : host.hops > 1 ? `${state}, ${host.hops} hops away` : state;
    const link = element(
      "a",
      { href: address(host, hosts) },
      element("i", { className: `dot ${host.reachable ? "on" : "off"}`, "aria-hidden": true }),
      element("span", { className: "name", textContent: host.hostname || host.guid, title: host.guid }),
      element("span", { className: "state", textContent: note }),
    );
    link.dataset.guid = host.guid;
    if (host.guid === guid) link.setAttribute("aria-current", "page");
    // The time range goes along.
    link.addEventListener("click", () => link.setAttribute("href", address(host, hosts) + location.hash.replace(/&?at=[^&]*/, "")));
    return element("li", {}, link);
  }

  #filter(text) {
    const wanted = text.trim().toLowerCase();
    this.list.replaceChildren(...this.#lines.filter(({ name }) => name.includes(wanted)).map(({ item }) => item));
  }

  /** Go to the node whose name is typed. */
  #type(event) {
    if (event.timeStamp - this.#typedAt > PAUSE) this.#typed = "";
    if (event.key === " " && !this.#typed) return;
    event.preventDefault();
    this.#typedAt = event.timeStamp;
    this.#typed += event.key;
    const links = [...this.menu.querySelectorAll("a")];
    const names = links.map((link) => link.querySelector(".name").textContent);
    links[typed(names, links.indexOf(document.activeElement), this.#typed)]?.focus();
  }

  #steer(event) {
    const searches = document.activeElement.tagName === "INPUT";
    const isLetter = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (isLetter && !searches) {
      const search = this.menu.querySelector("input");
      // The field takes the letter as well as all that follow.
      if (search) return search.focus();
      return this.#type(event);
    }
    if (event.key === "Enter" && searches) {
      event.preventDefault();
      return this.menu.querySelector("li a")?.click();
    }
    const stops = [...this.menu.querySelectorAll("input, li a")];
    const here = stops.indexOf(document.activeElement);
    const targets = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: stops.length - 1 };
    if (!(event.key in targets) || (searches && ["Home", "End"].includes(event.key))) return undefined;
    event.preventDefault();
    return stops.at(Math.max(0, Math.min(stops.length - 1, targets[event.key])))?.focus();
  }
}
