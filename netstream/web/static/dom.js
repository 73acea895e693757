// Elements from plain values.  Text is only ever set as text: names of hosts, charts and
// dimensions come from other machines.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [properties] properties of the element; names with a dash are attributes
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name.includes("-")) made.setAttribute(name, String(value));
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Set the text of an element, without touching the page when it is the same. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** @returns {HTMLElement} the element of the page with that id */
export function byId(id) {
  return document.getElementById(id);
}

let last = 0;

/** @returns {string} an id that is used nowhere else on the page */
export function freshId() {
  last += 1;
  return `n${last}`;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag of SVG
 * @param {Record<string, string|number>} [attributes]
 * @param {...(Node|string|null)} children
 * @returns {SVGElement}
 */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** @returns {SVGElement} a small picture made of lines */
export function icon(box, ...paths) {
  return drawn("svg", { viewBox: `0 0 ${box} ${box}`, "aria-hidden": "true" }, ...paths.map((d) => drawn("path", { d })));
}

/**
 * Put text where the reader can paste it from.  Pages that come without TLS from another machine have no clipboard, but may
 * copy what is selected.
 *
 * @returns {Promise<boolean>} whether it is there
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const field = element("textarea", { className: "unseen", value: text, readOnly: true, "aria-hidden": true });
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    focused?.focus?.({ preventScroll: true });
    return done;
  }
}
