// The menu of the nodes whose metrics this node holds.

import { byId, element, say } from "./dom.js";
import { address } from "./place.js";

const MANY = 8;

export class Nodes {
  #known = "";

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
    this.menu.hidden = !wanted;
    this.button.setAttribute("aria-expanded", String(wanted));
    if (wanted) (this.menu.querySelector("input") ?? this.menu.querySelector("a"))?.focus();
  }

  /**
   * @param {{guid: string, hostname: string, reachable: boolean, hops: number}[]} hosts
   * @param {string} guid of the node on this page
   */
  show(hosts, guid) {
    const known = JSON.stringify([hosts, guid]);
    if (known === this.#known) return;
    this.#known = known;
    const own = hosts.find(({ hops }) => hops === 0) ?? hosts[0];
    const others = hosts
      .filter((host) => host !== own)
      .sort((a, b) => b.reachable - a.reachable || a.hostname.localeCompare(b.hostname, undefined, { numeric: true }));
    const count = byId("nodes-count");
    count.hidden = !others.length;
    say(count, String(others.length));
    count.setAttribute("aria-label", `${others.length}, ${others.filter((host) => host.reachable).length} of them live`);

    const search = this.menu.querySelector("input")?.value ?? "";
    const focus = this.menu.contains(document.activeElement) ? document.activeElement.dataset.guid : undefined;
    const list = element("ul", {}, ...(own ? [own, ...others] : []).map((host) => this.#line(host, own, hosts, guid)));
    const parts = [list];
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
    for (const item of this.menu.querySelectorAll("li")) {
      item.hidden = !item.querySelector(".name").textContent.toLowerCase().includes(wanted);
    }
  }

  #steer(event) {
    const stops = [...this.menu.querySelectorAll("input, li:not([hidden]) a")];
    const here = stops.indexOf(document.activeElement);
    const targets = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: stops.length - 1 };
    if (!(event.key in targets) || (document.activeElement.tagName === "INPUT" && ["Home", "End"].includes(event.key))) return;
    event.preventDefault();
    stops.at(Math.max(0, Math.min(stops.length - 1, targets[event.key])))?.focus();
  }
}
