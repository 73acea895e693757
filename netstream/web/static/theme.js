// Runs before the first paint, so that a page never flashes in the wrong theme.
// Without a choice of the reader the system decides.
"use strict";

(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem("netstream-theme");
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }

  function apply() {
    const dark = !("paper" in root.dataset) && (chosen === null ? system.matches : chosen === "dark");
    root.dataset.theme = dark ? "dark" : "light";
    dispatchEvent(new CustomEvent("themechange"));
  }

  system.addEventListener("change", apply);
  // Paper is light, and has its own size: what draws itself does so anew.
  globalThis.usePaper = (wanted) => {
    if (wanted === "paper" in root.dataset) return;
    if (wanted) root.dataset.paper = "";
    else delete root.dataset.paper;
    apply();
  };
  addEventListener("beforeprint", () => globalThis.usePaper(true));
  addEventListener("afterprint", () => globalThis.usePaper(false));
  globalThis.toggleTheme = () => {
    const wanted = root.dataset.theme === "dark" ? "light" : "dark";
    chosen = (wanted === "dark") === system.matches ? null : wanted;
    try {
      if (chosen === null) localStorage.removeItem("netstream-theme");
      else localStorage.setItem("netstream-theme", chosen);
    } catch {
      // As above.
    }
    apply();
  };
  apply();
})();
