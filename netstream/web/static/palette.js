// Colours of dimensions, told apart on both grounds and by most colour-blind readers.

const LIGHT = [
  "#2563c9", "#e2701b", "#16876a", "#c2357b", "#7a52cc", "#0f8ea3",
  "#b98a00", "#8c5a3c", "#5a6b80", "#a33ab0", "#5f8f14", "#c0392b",
];
const DARK = [
  "#6aa5ff", "#ff9a52", "#3fcf9f", "#ff79b4", "#a98bff", "#3ccfe0",
  "#efc13d", "#cf9b7c", "#9db0c8", "#e184ec", "#a5d24e", "#ff7b72",
];

/** @returns {string} the colour of the dimension at that place */
export function colour(index) {
  const palette = document.documentElement.dataset.theme === "dark" ? DARK : LIGHT;
  return palette[index % palette.length];
}
