// A button with a panel below it.

/**
 * @param {HTMLElement} button has the panel in `aria-controls`
 * @param {HTMLElement} panel
 * @param {() => void} [fill] is called before it opens
 * @returns {{open: (wanted: boolean) => void}}
 */
export function popover(button, panel, fill = () => {}) {
  const open = (wanted) => {
    if (wanted === !panel.hidden) return;
    if (wanted) fill();
    const inside = panel.contains(document.activeElement);
    panel.hidden = !wanted;
    button.setAttribute("aria-expanded", String(wanted));
    if (wanted) (panel.querySelector("input:checked") ?? panel.querySelector("input, a, button"))?.focus();
    else if (inside) button.focus();
  };
  button.addEventListener("click", () => open(panel.hidden));
  for (const one of [button, panel]) {
    one.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || panel.hidden) return;
      event.stopPropagation();
      open(false);
      button.focus();
    });
  }
  // A list is gone through as the menu of nodes is.
  if (panel.tagName === "UL") {
    panel.addEventListener("keydown", (event) => {
      const stops = [...panel.querySelectorAll("a, button")];
      const here = stops.indexOf(document.activeElement);
      const targets = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: stops.length - 1 };
      if (!(event.key in targets)) return;
      event.preventDefault();
      stops[Math.max(0, Math.min(stops.length - 1, targets[event.key]))].focus();
    });
  }
  document.addEventListener("pointerdown", (event) => {
    if (!panel.contains(event.target) && !button.contains(event.target)) open(false);
  });
  panel.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !panel.contains(event.relatedTarget) && event.relatedTarget !== button) open(false);
  });
  return { open };
}
