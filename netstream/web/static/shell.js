// What all pages have: the bar, the way to the other pages, and the notice.

import { clock } from "./api.js";
import { byId, drawn, element, icon, say } from "./dom.js";
import { dateAndTime, offset } from "./format.js";
import { Nodes } from "./nodes.js";
import { home } from "./place.js";

const PAGES = [
  ["nodes.html", "Nodes", "M3 4h14v4H3zM3 12h14v4H3zM6 6h.01M6 14h.01"],
  ["index.html", "Dashboard", "M3 3h6v8H3zM11 3h6v5h-6zM11 10h6v7h-6zM3 13h6v4H3z"],
  ["alerts.html", "Alerts", "M10 3a4.5 4.5 0 0 1 4.5 4.5c0 4 1.5 5.5 1.5 5.5H4s1.5-1.5 1.5-5.5A4.5 4.5 0 0 1 10 3ZM8.5 16a1.6 1.6 0 0 0 3 0"],
  ["streaming.html", "Streaming", "M4 5.5h.01M4 14.5h.01M16 10h.01M6 5.5c4 0 4 4.5 8 4.5M6 14.5c4 0 4-4.5 8-4.5"],
  ["compare.html", "Compare", "M3 16V4M3 16h14M6 13l3-5 3 2 4-6"],
];

// Milliseconds for which a word stays.
const SAID_FOR = 4000;

const OF_A_NODE = ["index.html", "alerts.html"];

/**
 * Put them on the page.
 *
 * @param {string} current the file of the page
 * @param {string} title
 * @returns {{nodes: Nodes, tools: HTMLElement}} the menu of nodes, and where in the bar there is room
 */
export function shell(current, title) {
  const logo = drawn(
    "svg",
    { viewBox: "0 0 28 20", "aria-hidden": "true" },
    drawn("path", { class: "w1", d: "M2 13c4 0 4-7 8-7s4 9 8 9 4-6 8-6" }),
    drawn("path", { class: "w2", d: "M2 8.5c4 0 4 7 8 7s4-11 8-11 4 5 8 5" }),
  );
  const theme = element(
    "button",
    { className: "icon-button", id: "theme", type: "button", "aria-pressed": false, "aria-label": "Dark theme", title: "Light or dark" },
    icon(20, "M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7Z"),
    icon(20, "M10 6.7a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6M10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.2 1.2M14.5 14.5l1.2 1.2M4.3 15.7l1.2-1.2M14.5 5.5l1.2-1.2"),
  );
  theme.firstChild.classList.add("moon");
  theme.lastChild.classList.add("sun");
  const tools = element("div", { className: "tools" });
  byId("bar").replaceChildren(
    element(
      "button",
      { className: "icon-button contents-button", id: "contents-button", type: "button", "aria-expanded": false, "aria-controls": "side", "aria-label": "Contents" },
      icon(20, "M3 5.5h14M3 10h14M3 14.5h9"),
    ),
    element("a", { className: "brand", id: "brand", href: home(), "aria-label": "netstream" }, logo, element("span", { textContent: "netstream" })),
    element("div", { className: "node" }, element("h1", { id: "hostname", textContent: title }), element("p", { id: "system" })),
    element(
      "div",
      { className: "nodes" },
      element(
        "button",
        { className: "button", id: "nodes-button", type: "button", "aria-expanded": false, "aria-controls": "nodes" },
        element("span", { textContent: "Replicated Nodes" }),
        " ",
        element("span", { className: "count", id: "nodes-count", hidden: true }),
        icon(12, "M2.5 4.5 6 8l3.5-3.5"),
      ),
      element("div", { className: "menu", id: "nodes", hidden: true }),
    ),
    tools,
    theme,
  );
  const unknown = "unknown" in document.documentElement.dataset;
  byId("pages").replaceChildren(
    ...PAGES.map(([file, name, path]) => {
      // A node's alerts are beside its dashboard, the other pages are about all nodes.
      const link = element("a", { href: (OF_A_NODE.includes(file) && !unknown ? "./" : home()) + file }, icon(20, path), element("span", { textContent: name }));
      if (file === current) link.setAttribute("aria-current", "page");
      if (file === "alerts.html") link.append(element("span", { className: "count raised", id: "raised", hidden: true }));
      return element("li", {}, link);
    }),
  );
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("charts").focus();
    byId("charts").scrollIntoView({ block: "start" });
  });
  const tell = () => theme.setAttribute("aria-pressed", String(document.documentElement.dataset.theme === "dark"));
  theme.addEventListener("click", () => globalThis.toggleTheme());
  addEventListener("themechange", tell);
  tell();
  // What the bar says on the screen.
  addEventListener("beforeprint", () => {
    const now = clock.now();
    say(byId("printed"), `${byId("hostname").textContent}, ${dateAndTime(now)} ${offset(now)}`);
  });
  drawer();
  return { nodes: new Nodes(), tools };
}

/** On narrow screens the contents lie over the page. */
function drawer() {
  const narrow = matchMedia("(max-width: 56.1875em)");
  const [button, side] = [byId("contents-button"), byId("side")];
  const isOpen = () => button.getAttribute("aria-expanded") === "true";
  const open = (wanted) => {
    const is = wanted && narrow.matches;
    button.setAttribute("aria-expanded", String(is));
    side.classList.toggle("open", is);
    if (is) side.querySelector("a[aria-current]")?.focus();
  };
  button.addEventListener("click", () => open(!isOpen()));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isOpen()) return;
    open(false);
    button.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!side.contains(event.target) && !button.contains(event.target)) open(false);
  });
  side.addEventListener("click", (event) => {
    if (event.target.closest("a")) open(false);
  });
}

/**
 * Say how many alerts are raised, beside the way to them.
 *
 * @param {{warning: number, critical: number}} counts
 * @param {string} where they are raised
 */
export function raised({ warning = 0, critical = 0 } = {}, where = "this node") {
  const count = byId("raised");
  const sum = Number(warning) + Number(critical);
  count.hidden = !sum;
  count.classList.toggle("critical", critical > 0);
  say(count, String(sum));
  count.title = `${sum} raised on ${where}`;
  count.setAttribute("aria-label", count.title);
}

/** Say what is wrong; "" for nothing. */
export function notice(text, calm = false) {
  const line = byId("notice");
  line.hidden = !text;
  line.classList.toggle("calm", calm);
  say(line, text);
}

const word = element("p", { className: "toast", role: "status", hidden: true });
let fading = 0;

/** Say for a moment that something was done. */
export function toast(text) {
  if (!word.isConnected) document.body.append(word);
  clearTimeout(fading);
  word.hidden = false;
  say(word, text);
  fading = setTimeout(() => {
    word.hidden = true;
    say(word, "");
  }, SAID_FOR);
}
