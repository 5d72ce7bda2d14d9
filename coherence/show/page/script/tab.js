// The tab of the browser: a title that begins with the verdict, and an icon in its colour

const TONES = { continue: "ok", watch: "watch", pivot: "pivot", halt: "low" };
const SHAPES = { continue: "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0z", watch: "M8 1l7 14h-14z", pivot: "M8 1l7 7l-7 7l-7-7z", halt: "M2 2h12v12h-12z" };

let shownTab = "";

function showTab(action, ...words) {
  document.title = [`${MARKS[action] ?? ""} ${words[0]}`.trim(), ...words.slice(1), "coherence"].map(visible).join(" · ");
  const fill = getComputedStyle(document.documentElement).getPropertyValue(`--${TONES[action]}`).trim();
  const drawn = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="${fill}" d="${SHAPES[action]}"/></svg>`;
  // An icon that is set again is loaded again.
  if (drawn !== shownTab) document.querySelector("link[rel=icon]").href = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
  shownTab = drawn;
}
