// The figure

const SIZES = { wide: { large: 190, small: 74, left: 56, right: 58 }, narrow: { large: 150, small: 62, left: 42, right: 46 } };
const TITLE = 22, GAP = 8, LABEL = 15, FEW = 30;
const SMOOTHING = [["none", 0], ["some", 0.01], ["strong", 0.04]];
const PERPLEXED = 14; // nats: of a higher loss nobody wants to know the perplexity

// How the figure of the run is looked at: the steps within view (null: all), the loss on a log axis, how much is
// smoothed, and where the crosshair is.
let look = { name: null, range: null, log: false, smoothing: 0, at: null };
let frame = null; // where everything is drawn

const onPaper = () => document.documentElement.classList.contains("paper");

function drawFigure() {
  const place = document.getElementById("chart");
  if (!place || !run?.settings) return;
  if (look.name !== run.name) look = { ...look, name: run.name, range: null, at: null };
  const made = picture(run, onPaper() ? 720 : place.clientWidth || 900, onPaper());
  frame = made.frame;
  put(place, made.svg);
  put(document.getElementById("shown"), caption(run));
  drawCross();
}

// The figure at a width; with a legend of its own where nothing can be switched.
function picture(report, width, legend = false) {
  const size = SIZES[width < 600 ? "narrow" : "wide"], all = panels(report), full = fullRange(report);
  const pad = (full[1] - full[0]) * (stretches(report).length <= FEW ? 0.04 : 0.01);
  const range = look.range ?? [full[0] - pad, full[1] + pad];
  const right = width - (all.some((each) => each.perplexity) ? size.right : 14), x = scale(range, [size.left, right]);
  const words = uprightLabels(uprights(report), x, [size.left, right]), keys = legend ? legendOf(report, width) : { height: 0, keys: [] };
  let top = keys.height + 4 + LABEL * (1 + Math.max(-1, ...words.map((each) => each.row)));
  const placed = all.map((panel) => {
    const from = top + TITLE, to = from + (panel.small ? size.small : size.large);
    top = to + GAP;
    return placedPanel(panel, x, range, [from, to], right - size.left);
  });
  const height = top + 40, made = { report, x, range, full, left: size.left, right, top: placed[0]?.top ?? top, bottom: top - GAP, placed };
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "drawn", "aria-label": inWords(report) },
    keys.keys, placed.map((each) => drawPanel(each, made, width)), lines(report, words, made), bottomAxis(report, made, width));
  return { svg, frame: made };
}

// A panel with its scale: what of its curves is in view, and between which values.
function placedPanel(panel, x, range, [top, bottom], across) {
  const shown = panel.curves.filter((each) => !hidden.has(each.name)).map((curve) => {
    if (!curve.points) return curve;
    const reach = curve.steady ? 0 : Math.ceil(curve.points.length * SMOOTHING[look.smoothing][1]);
    const seen = coarse(within(smooth(curve.points, reach), range), Math.max(100, across / 2));
    return { ...curve, seen, seenBand: curve.band && (seen.length < curve.points.length || curve.points.some((each) => each.low < each.high)) };
  });
  const values = panel.range ?? heights(shown, panel.log);
  return { ...panel, shown, values, top, bottom, x, y: scale(values, [bottom, top], panel.log) };
}

// The lowest and the highest that is drawn, with some room.
function heights(shown, log) {
  let [low, high] = [Infinity, -Infinity];
  const see = (value) => { if (value !== null && (!log || value > 0)) [low, high] = [Math.min(low, value), Math.max(high, value)]; };
  for (const { seen = [], seenBand, level = null } of shown) {
    see(level);
    for (const { mean, low: least, high: most } of seen) for (const each of seenBand ? [least, most] : [mean]) see(each);
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  const room = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
  return log ? [low / 1.05, high * 1.05] : [low - room, high + room];
}

function drawPanel(placed, { left, right }, width) {
  const clip = `within-${placed.id}`, { top, bottom, y, values } = placed, many = Math.max(2, Math.floor((bottom - top) / 34));
  const marks = (placed.log ? logTicks(values, many) : roundTicks(values, many)).filter((each) => y(each) <= bottom + 1 && y(each) >= top - 1);
  return el("g", { class: "panel", "data-panel": placed.id },
    el("clipPath", { id: clip }, el("rect", { x: left, y: top - 4, width: right - left, height: bottom - top + 8 })),
    el("text", { class: "title", x: left, y: top - 7 }, placed.title),
    marks.map((each) => el("line", { class: "grid", x1: left, x2: right, y1: y(each), y2: y(each) })),
    marks.map((each) => el("text", { class: "tick", x: left - 6, y: y(each) + 4, "text-anchor": "end" }, number(each))),
    placed.perplexity ? rightAxis(placed, right, width) : [],
    el("g", { "clip-path": `url(#${clip})` }, placed.shown.map((curve) => drawCurve(curve, placed, left, right))));
}

function rightAxis({ y, top, bottom, values, log }, right, width) {
  const made = [el("text", { class: "title", x: width - 2, y: top - 7, "text-anchor": "end" }, "perplexity")];
  let last = Infinity;
  for (const each of logTicks(values.map((value) => Math.exp(Math.max(-PERPLEXED, Math.min(value, PERPLEXED)))), 5)) {
    const value = Math.log(each);
    if (y(value) < top - 1 || y(value) > bottom + 1 || (log && value <= 0) || last - y(value) < 14) continue;
    last = y(value);
    made.push(el("text", { class: "tick", x: right + 6, y: last + 4 }, number(each)));
  }
  return made;
}

function drawCurve(curve, { x, y, top, bottom }, left, right) {
  const line = { class: `line ${curve.colour} ${curve.dash ?? "solid"}`, "stroke-width": curve.width ?? 1.5 };
  if (curve.level !== undefined)
    return el("path", { ...line, "data-curve": curve.name, d: pen([[left, y(curve.level)], [right, y(curve.level)]]) });
  if (curve.areas) return el("g", { "data-curve": curve.name }, curve.areas.map(([first, last]) => el("rect", { class: "area streak",
    x: x(first) - 1.5, y: top, width: x(last) - x(first) + 3, height: bottom - top })));
  const at = (value) => value !== null && Number.isFinite(y(value)) ? y(value) : null;
  if (curve.mark) return el("g", { "data-curve": curve.name }, curve.seen.map((each) => el("path", { class: `line ${curve.colour}`,
    "stroke-width": 1.6, d: cross(x(each.x), y(each.mean)) })));
  const few = curve.points.length <= FEW ? curve.seen.filter((each) => each.mean !== null) : [];
  return el("g", { "data-curve": curve.name },
    curve.seenBand ? el("path", { class: `area ${curve.colour}`, d: band(curve.seen, x, at) }) : null,
    el("path", { ...line, d: pen(curve.seen.map((each) => [x(each.x), at(each.mean)])) }),
    few.map((each) => el("circle", { class: `point ${curve.colour}`, cx: x(each.x), cy: at(each.mean) ?? -9, r: 3 })));
}

const cross = (x, y) => `M${(x - 3.5).toFixed(1)} ${(y - 3.5).toFixed(1)}l7 7m0 -7l-7 7`;

// From the lowest to the highest, and back; where there is nothing the band is interrupted.
function band(points, x, at) {
  const parts = [[]];
  for (const each of points) {
    if (at(each.low) === null || at(each.high) === null) parts.push([]);
    else parts.at(-1).push(each);
  }
  return parts.filter((part) => part.length).map((part) => `${pen([...part.map((each) => [x(each.x), at(each.high)]),
    ...part.toReversed().map((each) => [x(each.x), at(each.low)])])}Z`).join("");
}

// Words of upright lines, in rows so that none lies on another; where there is no room a line has none.
function uprightLabels(lines, x, [left, right]) {
  const taken = [[], [], []], made = [];
  for (const [step, words] of lines) {
    const half = 3.6 * words.length + 5, at = x(step);
    if (at < left - 1 || at > right + 1) continue;
    const middle = Math.min(Math.max(at, left + half - 10), right - half + 10), ends = [middle - half, middle + half];
    const row = taken.findIndex((others) => others.every(([from, to]) => ends[1] < from || ends[0] > to));
    if (row >= 0) { taken[row].push(ends); made.push({ step, words, middle, row }); }
  }
  return made;
}

function lines(report, words, { x, left, right, top, bottom, placed }) {
  const first = (placed[0]?.top ?? top) - TITLE;
  return el("g", { class: "uprights" }, uprights(report).filter(([step]) => x(step) >= left - 1 && x(step) <= right + 1)
    .map(([step, name, ink, dash]) => el("line", { class: `line ${ink} ${dash}`, "stroke-width": name === "halt" ? 2 : 1.5,
      x1: x(step), x2: x(step), y1: first, y2: bottom })),
  words.map(({ step, words: name, middle, row }) => el("text", { class: `label ${uprights(report).find((each) => each[0] === step && each[1] === name)[2]}`,
    x: middle, y: first - 3 - LABEL * row, "text-anchor": "middle" }, name)));
}

function bottomAxis(report, { x, range, left, right, bottom, placed }, width) {
  const counted = report.steps_counted, all = allSamples(report), words = (each) => whole(each) + (counted ? ` of ${whole(all)}` : "");
  const long = 7 * words(Math.round(range[1])).length + 14, made = roundTicks(range, Math.max(1, Math.floor((right - left) / Math.max(long, 60))), true);
  const few = allSamples(report) === 1 ? [el("text", { class: "label", x: (left + right) / 2, y: bottom - 90, "text-anchor": "middle" },
    "1 sample: too few to say")] : [];
  return el("g", { class: "axis" }, placed.map((each) => el("line", { class: "grid edge", x1: left, x2: right, y1: each.bottom, y2: each.bottom })),
    made.map((each) => el("text", { class: "tick", x: x(each), y: bottom + 18, "text-anchor": "middle" }, words(each))),
    el("text", { class: "title", x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle" }, counted ? "sample" : "step"), few);
}

// The names of the curves within the figure, for paper and for a file.
function legendOf(report, width) {
  let [at, row] = [4, 0];
  const keys = curves(report).filter((each) => !hidden.has(each.name)).map((curve) => {
    const long = 44 + 7.6 * curve.name.length;
    if (at + long > width) [at, row] = [4, row + 1];
    at += long;
    return el("g", { transform: `translate(${at - long} ${row * 18 + 4})` }, keyOf(curve), el("text", { class: "tick", x: 29, y: 9 }, curve.name));
  });
  return { keys, height: 18 * (row + 1) + 6 };
}

function keyOf(curve) {
  if (curve.mark) return el("path", { d: cross(12, 5), class: "line low", "stroke-width": 1.6 });
  if (curve.areas) return el("path", { d: "M0 0H24V10H0Z", class: `area ${curve.colour}` });
  return el("path", { d: "M0 5H24", class: `line ${curve.colour} ${curve.dash ?? "solid"}`, "stroke-width": curve.width ?? 1.5 });
}

// The figure for those who do not see it.
function inWords(report) {
  const told = panels(report).map(({ title, curves: shown }) => `${title}: ` + shown.filter((each) => each.points && !each.mark)
    .map(({ name, points }) => [name, points.filter((each) => each.mean !== null)])
    .filter(([, there]) => there.length)
    .map(([name, there]) => `${name} ${number(there[0].mean)} to ${number(there.at(-1).mean)}`).join(", "));
  return [...told, ...uprights(report).slice(0, 8).map(([step, words]) => `${words} at step ${whole(step)}`)].join("; ");
}

function caption(report) {
  const all = allSamples(report), shown = report.samples.length;
  return [spread(report) ? `Each point is a stretch of the run: the line is the mean of all its samples, the band goes from the lowest to the highest. ` : null,
    shown && shown < all ? `${whole(shown)} of ${whole(all)} samples shown in the table.` : null].filter(Boolean).map((each) => el("span", {}, each));
}

function figure(report) {
  const legend = el("fieldset", { class: "legend" }, el("legend", {}, "curves"), curves(report).map((curve) =>
    el("label", {}, el("input", { type: "checkbox", checked: !hidden.has(curve.name), onchange: (event) => {
      hidden[event.target.checked ? "delete" : "add"](curve.name);
      drawFigure();
    } }), el("svg", { class: "key", viewBox: "0 0 24 10", "aria-hidden": "true" }, keyOf(curve)), curve.name)));
  return section("figure", report.loss ? "Loss and scores" : "Scores", el("div", { class: "controls" }, legend), el("div", { class: "controls" }, tools(report)),
    chart(), el("p", { id: "values", class: "unseen", role: "status" }), el("p", { id: "shown", class: "caption" }),
    el("p", { class: "hint keys" }, "Drag to zoom, double-click to see all; a click goes to the nearest sample that is shown. " +
      "With the keyboard: arrows for values, + and − to zoom, shift and arrows to move, 0 for all, Enter for the sample."));
}
