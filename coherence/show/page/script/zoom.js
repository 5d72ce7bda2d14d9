// The figure under the pointer and the keyboard: zoom, a crosshair with values, the way to a sample

function nearest(step) {
  let best = 0;
  run.samples.forEach((sample, place) => {
    if (Math.abs(sample.step - step) < Math.abs(run.samples[best].step - step)) best = place;
  });
  return best;
}

function show(range) {
  const [low, high] = frame.full, width = Math.min(Math.max(range[1] - range[0], Math.min(2, high - low)), high - low);
  const from = Math.min(Math.max((range[0] + range[1] - width) / 2, low), high - width);
  look.range = width >= high - low ? null : [from, from + width];
  drawFigure();
}

function zoom(factor, shift) {
  const [low, high] = look.range ?? frame.full, middle = (look.at !== null && factor < 1 ? look.at : (low + high) / 2) + shift * (high - low);
  const half = (high - low) / 2 * factor;
  show([middle - half, middle + half]);
}

const showAll = () => show(frame.full);

// Where the crosshair may be: at each stretch of samples, or at each loss if there is no sample yet.
const stops = () => stretches(run).length ? pointsOf(run, "bigram") : panels(run)[0]?.curves[0].points ?? [];

// What the curves in view say at a step: the curve, and words.
function valuesAt(x) {
  const told = (curve, point) => {
    if (curve.mark) return `${point.n} low`;
    const middle = point.mean === null ? "" : ` ${number(point.mean)}`;
    const reach = !curve.steady && point.low < point.high ? ` (${number(point.low)} to ${number(point.high)})` : "";
    return `${curve.name}${middle}${reach}${curve.about?.(point.mean) ?? ""}`;
  };
  return frame.placed.flatMap((panel) => panel.shown).filter((curve) => curve.seen?.length).map((curve) => {
    const point = closest(curve.mark ? curve.points : curve.seen, x), near = !curve.mark || (point.first <= x && x <= point.last);
    return point.low === null || !near ? null : [curve, told(curve, point)];
  }).filter(Boolean);
}

function drawCross(aloud = false) {
  frame?.placed.length && document.querySelector("#chart .cross")?.remove();
  const points = look.at === null || !frame ? [] : stops();
  if (!points.length) return;
  const stop = closest(points, look.at), x = frame.x(stop.x);
  if (x < frame.left - 1 || x > frame.right + 1) return;
  const rows = [[null, stepWords(run, stop)], ...valuesAt(stop.x)];
  if (aloud) put(document.getElementById("values"), document.createTextNode(rows.map(([, words]) => words).join(", ")));
  const wide = 40 + 6.6 * Math.max(...rows.map(([, words]) => words.length)), high = 10 + 17 * rows.length;
  const left = x + 12 + wide < frame.right + 40 ? x + 12 : Math.max(2, x - 12 - wide), top = frame.top + 4;
  document.querySelector("#chart svg").append(el("g", { class: "cross" },
    el("line", { class: "line ink", x1: x, x2: x, y1: frame.top, y2: frame.bottom }),
    el("rect", { class: "box", x: left, y: top, width: wide, height: high, rx: 5 }),
    rows.map(([curve, words], place) => el("g", { transform: `translate(${left + 8} ${top + 8 + 17 * place})` },
      curve ? keyOf(curve) : null, el("text", { class: curve ? "tick" : "label", x: curve ? 30 : 0, y: 9 }, words)))));
}

// Step by step through the points; the view follows.
function stepCross(by) {
  const points = stops();
  if (!points.length) return;
  const inView = points.filter((each) => frame.x(each.x) >= frame.left - 1 && frame.x(each.x) <= frame.right + 1);
  const now = look.at === null ? null : points.indexOf(closest(points, look.at));
  const next = now === null && Number.isFinite(by) ? points.indexOf(by > 0 ? inView[0] : inView.at(-1)) : (now ?? 0) + by;
  look.at = points[Math.min(Math.max(next, 0), points.length - 1)].x;
  const [low, high] = look.range ?? [-Infinity, Infinity], shift = look.at < low ? look.at - low : look.at > high ? look.at - high : 0;
  if (shift) show([low + shift, high + shift]);
  drawCross(true);
}

const KEYS = {
  ArrowLeft: () => stepCross(-1), ArrowRight: () => stepCross(1), Home: () => stepCross(-Infinity), End: () => stepCross(Infinity),
  "+": () => zoom(0.5, 0), "=": () => zoom(0.5, 0), "-": () => zoom(2, 0), 0: showAll,
  Enter: () => { if (look.at !== null) goTo(nearest(look.at)); }, Escape: () => { look.at = null; drawCross(); },
};
const SHIFTED = { ArrowLeft: () => zoom(1, -0.25), ArrowRight: () => zoom(1, 0.25) };

function pressed(event) {
  const act = (event.shiftKey && SHIFTED[event.key]) || KEYS[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
}

let drag = null; // where the pointer went down, in the figure
let clicked = null; // a click that may yet be the first of two

function pointerAt(event) {
  const svg = document.querySelector("#chart svg"), box = svg.getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) * svg.viewBox.baseVal.width / box.width, frame.left), frame.right);
}

function moved(event) {
  const at = pointerAt(event);
  if (drag === null) {
    look.at = frame.x.back(at);
    drawCross();
    return;
  }
  document.querySelector("#chart .chosen")?.remove();
  document.querySelector("#chart svg").append(el("rect", { class: "chosen", x: Math.min(drag, at), y: frame.top,
    width: Math.abs(at - drag), height: frame.bottom - frame.top }));
}

function released(event) {
  if (drag === null) return;
  const at = pointerAt(event), ends = [Math.min(drag, at), Math.max(drag, at)];
  drag = null;
  document.querySelector("#chart .chosen")?.remove();
  if (ends[1] - ends[0] > 5) return show(ends.map(frame.x.back));
  look.at = frame.x.back(at);
  drawCross();
  forgetClick();
  const step = look.at; // the pointer may have left until then
  clicked = setTimeout(() => goTo(nearest(step)), 300);
}

function forgetClick() {
  clearTimeout(clicked);
  clicked = null;
}

const chart = () => el("div", { id: "chart", role: "application", tabindex: "0", "aria-label": "Curves over the steps; left and right for values",
  onkeydown: pressed, onpointermove: moved, onpointerup: released,
  onpointerdown: (event) => { if (event.button === 0) drag = pointerAt(event); },
  onpointerleave: () => { look.at = null; drag = null; drawCross(); document.querySelector("#chart .chosen")?.remove(); },
  ondblclick: () => { forgetClick(); showAll(); } });

function tools(report) {
  const log = report.loss ? el("label", {}, el("input", { type: "checkbox", id: "log-axis", checked: look.log, onchange: (event) => {
    look.log = event.target.checked;
    drawFigure();
  } }), "log axis for the loss") : null;
  const smoothing = el("label", {}, "smoothing ", el("select", { id: "smoothing", onchange: (event) => {
    look.smoothing = Number(event.target.value);
    drawFigure();
  } }, SMOOTHING.map(([words], place) => el("option", { value: place, selected: place === look.smoothing }, words))));
  return [el("div", { class: "tools", role: "group", "aria-label": "zoom of the figure" },
    button("zoom in", () => zoom(0.5, 0)), button("zoom out", () => zoom(2, 0)),
    button("← earlier", () => zoom(1, -0.5)), button("later →", () => zoom(1, 0.5)), button("all steps", showAll)),
  log, smoothing, el("div", { class: "tools", role: "group", "aria-label": "the figure as a file" },
    button("figure as SVG", saveSvg), button("figure as PNG", savePng))];
}

addEventListener("resize", () => requestAnimationFrame(drawFigure));
