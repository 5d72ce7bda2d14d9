// Draws a report, once or again and again. All text of a run goes through textContent; what the chart library is
// given are numbers and words of ours alone.
"use strict";

const SCALES = ["bigram", "trigram", "english", "character"];
const PER_PAGE = 50, FOLD = 280, POLL = 10_000;
const LIVE = document.body.dataset.mode === "live";
const main = document.getElementById("page");

let run = null; // the report on show, with `name`
let view = { sort: "step", down: false, low: false, text: "", at: 0, open: new Set() };
let hidden = new Set(); // curves that are switched off

// Words and numbers

const REPLACED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const visible = (text) => text.replace(REPLACED, (char) => {
  const code = char.charCodeAt(0);
  return code < 32 ? String.fromCharCode(0x2400 + code) : code === 127 ? "␡" : "\ufffd";
});
const whole = (value) => (value ?? null) === null ? "none" : value.toLocaleString("en-US");
const number = (value) => (value ?? null) === null ? "–"
  : Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
const score = (value) => (value ?? null) === null ? "–" : String(Math.floor(value));
const duration = (seconds) => {
  for (const [size, name] of [[86400, "days"], [3600, "hours"], [60, "minutes"]])
    if (seconds >= 2 * size) return `${(seconds / size).toFixed(seconds < 10 * size ? 1 : 0)} ${name}`;
  return `${Math.round(seconds)} seconds`;
};
const short = (text, length) => text.length > length ? text.slice(0, length) + "…" : text;

// How many lines could not be used, where they are a fifth or more: the verdict is of the rest.
function unused(report) {
  const count = report.problem_count, judged = report.runs ? report.runs.reduce((sum, each) => sum + each.judged, 0)
    : report.judged + report.too_short + report.templated + (report.loss?.rows ?? 0);
  return count && 5 * count >= count + judged
    ? el("p", { class: "unused" }, `${whole(count)} of ${whole(count + judged)} lines could not be used.`) : null;
}

const DRAWN = ["svg", "path"];

// Elements: attributes, listeners (`onclick`) and children; a string is text, whatever is in it.
function el(tag, attributes = {}, ...children) {
  const made = DRAWN.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat())
    if (child !== null && child !== undefined) made.append(typeof child === "string" ? visible(child) : child);
  return made;
}
const section = (id, title, ...children) =>
  el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
const button = (label, onclick, attributes = {}) => el("button", { type: "button", onclick, ...attributes }, label);
const put = (place, ...children) => place && place.replaceChildren(...children.flat().filter(Boolean));

// The top

const MARKS = { continue: "✓", watch: "◔", pivot: "↷", halt: "■" };

function verdict(found) {
  const diagnosis = found.diagnosis;
  const headline = (found.headline || diagnosis.name) + (found.partial ? " · broken off: of what was read so far" : "");
  const parts = headline.split(/(--\S+ \d+)/); // an option is not broken at its hyphens
  return el("div", { class: `verdict ${diagnosis.action}` },
    el("p", { class: "action" }, `${MARKS[diagnosis.action] ?? ""} ${diagnosis.action}`),
    el("h1", {}, parts.map((part, place) => place % 2 ? el("span", { class: "option" }, part) : part)),
    el("p", {}, ((found.recovered_since ?? null) === null ? "" : "At the halt: ") + diagnosis.sentence));
}

function facts(report) {
  const { loss, diagnosis } = report, rows = [];
  if (report.halt) {
    rows.push(["halt step", whole(report.halt_step),
      (report.settings?.observe ? "observed only; " : "") + (report.halt_reason ?? "")]);
    const seconds = report.wasted_seconds === null ? "" : duration(report.wasted_seconds);
    rows.push(["after the halt", `${whole(report.wasted_steps)} steps`, seconds]);
  }
  rows.push([["pivot", "halt"].includes(diagnosis.action) ? "go back to" : "best checkpoint",
    report.resume_from === null ? "none" : `step ${whole(report.resume_from)}`,
    report.resume_reason]);
  rows.push(["samples", `${whole(report.low)} of ${whole(report.judged)} low`,
    diagnosis.samples + (report.first_low_step === null ? "" : `; first at step ${whole(report.first_low_step)}`) +
    (report.empty ? `; ${whole(report.empty)} of them empty` : "") +
    (report.templated ? `; ${whole(report.templated)} templates, not judged` : "") +
    (report.too_short ? `; ${whole(report.too_short)} too short to judge` : "")]);
  if (loss) rows.push(["loss", `smoothed ${number(loss.smoothed)}`,
    `${diagnosis.loss ?? loss.trend ?? "no trend"}: ${number(loss.first)} → ${number(loss.last)}` +
    (loss.perplexity === null ? "" : `, perplexity ${number(loss.perplexity)}`) +
    (loss.advantage === null ? "" : `, ${number(loss.advantage)} times better than uniform`) +
    (loss.not_finite ? `; ${whole(loss.not_finite)} not finite` : "")]);
  const logged = shownSeries(report).map(({ name, values }) =>
    [SERIES[name], `${number(values[0])} → ${number(values.at(-1))}`]);
  if (logged.length) rows.push(["also logged", logged[0].join(" "), logged.slice(1).map((each) => each.join(" ")).join(", ")]);
  return el("dl", { class: "facts" }, rows.map(([name, value, more]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, el("strong", {}, value), el("span", {}, more)))));
}

// The figure

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const dashes = { bigram: "solid", trigram: "dash", english: "dot", character: "dashdot" };

// Stretches of samples that count towards a halt, from the first to the last of each.
function streaks(samples) {
  const found = [];
  let before = 0;
  for (const { step, streak } of samples) {
    if (streak > 0 && before > 0) found.at(-1)[1] = step;
    else if (streak > 0) found.push([step, step]);
    before = streak;
  }
  return found;
}

// The steps of the samples, where each begins, and the mean of each score there.
function means(samples) {
  const steps = [], places = [], sums = [];
  samples.forEach((sample, place) => {
    if (steps.at(-1) !== sample.step) {
      steps.push(sample.step);
      places.push(place);
      sums.push(SCALES.map(() => []));
    }
    sample.scores.forEach((value, scale) => { if (value !== null) sums.at(-1)[scale].push(value); });
  });
  const mean = (values) => values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  return { steps, places, scores: SCALES.map((_, scale) => sums.map((found) => mean(found[scale]))) };
}

// What a trainer of reinforcement learning logs besides: a panel each, below the scores.
const SERIES = { reward: "reward", kl: "KL (nats)", length: "length (tokens)" };
const shownSeries = (report) => (report.series ?? []).filter(({ name }) => name in SERIES);

// The curves as the chart library and the plain drawing both take them; `panel` 0 is the loss, 1 the scores, 2 and on
// the series.
function curves(report) {
  const { samples, loss } = report, { steps, places, scores } = means(samples), made = [];
  const add = (name, panel, x, y, style) => made.push({ name, panel, x, y, ...style });
  if (loss) {
    const { steps: at, losses, smoothed } = loss.curve;
    add("loss", 0, at, losses, { colour: "raw", width: 1 });
    // Of a loss that is not a cross-entropy, or is above every vocabulary, there is no perplexity.
    const most = loss.trend === "not a cross-entropy" ? -Infinity : loss.uniform_baseline ?? Math.log(1e6);
    const perplexity = (each) => each === null || each > most ? "–" : number(Math.exp(each));
    add("smoothed loss", 0, at, smoothed, { colour: "smma", width: 2.5, about: smoothed.map(perplexity) });
    if (loss.uniform_baseline !== null && at.length)
      add("uniform baseline", 0, [at[0], at.at(-1)], Array(2).fill(loss.uniform_baseline), { colour: "quiet", dash: "dash" });
  }
  const areas = streaks(samples);
  if (areas.length) add("streak", 1, areas.flatMap(([first, last]) => [first, first, last, last, null]),
    areas.flatMap(() => [0, 100, 100, 0, null]), { colour: "streak", width: 0, fill: true });
  SCALES.forEach((name, scale) => add(name, 1, steps, scores[scale], { colour: name, width: 1.6, dash: dashes[name], places }));
  const low = samples.flatMap((sample, place) => sample.low ? [place] : []);
  if (low.length) add("low sample", 1, low.map((place) => samples[place].step),
    low.map((place) => Math.max(...samples[place].scores)), { colour: "low", mark: true, places: low });
  const ends = [samples[0]?.step, samples.at(-1)?.step];
  if (samples.length) add("threshold", 1, ends, Array(2).fill(report.settings.threshold), { colour: "low", dash: "dash" });
  shownSeries(report).forEach(({ name, steps: at, values }, place) =>
    add(SERIES[name], 2 + place, at, values, { colour: "smma", width: 1.6 }));
  return made;
}

// Upright lines over both panels: [step, words, colour, dash]
function uprights(report) {
  const lines = report.restarts.slice(0, 50).map((step) => [step, "restart", "quiet", "dot"]);
  for (const event of report.events.slice(0, 50))
    if (event.event !== "restart") lines.push([event.step, "event", "quiet", "dashdot"]);
  if (report.resume_from !== null) lines.push([report.resume_from, "go back to", "smma", "dash"]);
  if (report.halt_step !== null) lines.push([report.halt_step, "halt", "low", "solid"]);
  return lines;
}

function trace(curve) {
  const ink = colour(curve.colour);
  const hover = { "smoothed loss": "smoothed %{y:.4g}, perplexity %{text}", "low sample": "low" }[curve.name] ?? `${curve.name} %{y:.4~g}`;
  return {
    name: curve.name, x: curve.x, y: curve.y, type: "scatter", xaxis: "x",
    yaxis: curve.panel ? `y${curve.panel + 2}` : curve.name === "uniform baseline" ? "y2" : "y",
    mode: curve.mark ? "markers" : "lines", connectgaps: false, text: curve.about,
    customdata: curve.places,
    line: { color: ink, width: curve.width ?? 1.5, dash: curve.dash ?? "solid" },
    marker: { color: ink, symbol: "x", size: 7, maxdisplayed: 400 },
    fill: curve.fill ? "toself" : "none", fillcolor: ink + "33", hoveron: "points",
    hoverinfo: curve.fill ? "skip" : undefined, hovertemplate: curve.fill ? undefined : `${hover}<extra></extra>`,
    visible: !hidden.has(curve.name),
  };
}

function layout(report) {
  const ink = colour("ink"), grid = { gridcolor: colour("grid"), zerolinecolor: colour("grid"), linecolor: colour("grid") };
  const lines = uprights(report), narrow = innerWidth < 600, below = shownSeries(report);
  const high = narrow ? 420 : 520, small = narrow ? 80 : 100, height = high + small * below.length;
  const share = small / (height - 58), ground = share * below.length; // of what is between the margins
  const split = report.loss ? (1 + ground) / 2 : 1;
  const perplexities = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000];
  const title = (text) => ({ text: narrow ? "" : text, standoff: 6 });
  return {
    uirevision: report.name, showlegend: false, hovermode: "x unified", hoversubplots: "axis", dragmode: "zoom",
    margin: { l: narrow ? (below.length ? 44 : 34) : 52, r: narrow ? 40 : 58, t: 24, b: 34 }, height,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: ink },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("grid"), font: { color: ink } },
    xaxis: { ...grid, anchor: `y${3 + below.length}`, title: title("step"), tickformat: ",d", hoverformat: ",d" },
    yaxis: { ...grid, domain: [split + 0.04, 1], title: title("loss (nats)"), visible: split < 1 },
    yaxis2: { overlaying: "y", matches: "y", side: "right", showgrid: false, zeroline: false, title: title("perplexity"),
      tickvals: perplexities.map(Math.log), ticktext: perplexities.map((each) => each.toLocaleString("en-US")) },
    yaxis3: { ...grid, domain: [ground, split - 0.04], range: [-3, 103], fixedrange: true, title: title("scores") },
    ...Object.fromEntries(below.map((_, place) => [`yaxis${4 + place}`, { ...grid, nticks: 4, fixedrange: true,
      domain: [ground - (place + 1) * share, ground - place * share - 0.04] }])),
    shapes: lines.map(([step, , name, dash]) => ({ type: "line", xref: "x", yref: "paper", x0: step, x1: step, y0: 0, y1: 1,
      line: { color: colour(name), width: name === "low" ? 2 : 1.5, dash } })),
    annotations: below.map(({ name }, place) => ({ x: 0, xref: "paper", xanchor: "left", y: ground - place * share - 0.04,
      yref: "paper", yanchor: "bottom", showarrow: false, text: SERIES[name], font: { color: ink, size: 12 } }))
      .concat(lines.filter(([, words]) => !["restart", "event"].includes(words) || lines.length < 8)
      .map(([step, words, name]) => ({ x: step, xref: "x", yref: "paper", yanchor: words === "event" || words === "restart" ? "middle" : "bottom",
        y: words === "event" || words === "restart" ? split : 1, showarrow: false, text: words,
        xanchor: { halt: "left", "go back to": "right" }[words] ?? "center", font: { color: colour(name), size: 12 } }))),
  };
}

function drawFigure() {
  const place = document.getElementById("chart");
  if (!place || !run?.samples) return;
  if (typeof Plotly === "undefined") return awaited() || drawPlainly(place);
  const first = !place.classList.contains("js-plotly-plot");
  if (first) place.replaceChildren();
  Plotly.react(place, curves(run).map(trace), layout(run), { displayModeBar: false, responsive: true, scrollZoom: false });
  if (!first) return;
  place.on("plotly_click", ({ points, event }) => {
    const point = points.find((each) => each.customdata !== undefined);
    goTo(point ? point.customdata : nearest(points[0].x));
    event?.preventDefault?.();
  });
}

function nearest(step) {
  let best = 0;
  run.samples.forEach((sample, place) => {
    if (Math.abs(sample.step - step) < Math.abs(run.samples[best].step - step)) best = place;
  });
  return best;
}

// Without the chart library: the same curves as plain lines.
function drawPlainly(place) {
  const all = curves(run).filter((curve) => !hidden.has(curve.name) && !curve.mark);
  const steps = all.flatMap((curve) => curve.fill ? [] : curve.x), across = [Math.min(...steps), Math.max(...steps)];
  put(place, [0, 1, 2, 3, 4].map((panel) => all.filter((curve) => curve.panel === panel)).filter((each) => each.length)
    .map((each) => plain(each, across, 900, each[0].panel > 1 ? 90 : 220,
      `${["loss", "scores"][each[0].panel] ?? each[0].name} over the steps`)));
}

function plain(lines, across, width, height, label) {
  const values = lines.flatMap((line) => line.y).filter(Number.isFinite);
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const x = (step) => (4 + (width - 8) * (step - across[0]) / (across[1] - across[0] || 1)).toFixed(1);
  const y = (value) => (height - 4 - (height - 8) * (value - low) / (high - low || 1)).toFixed(1);
  return el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", preserveAspectRatio: "none",
    "aria-label": `${label}: ${number(low)} to ${number(high)}` },
    lines.map((line) => {
      let pen = "M";
      const path = line.x.map((step, place) => {
        if (!Number.isFinite(line.y[place])) { pen = "M"; return ""; }
        const piece = `${pen}${x(step)} ${y(line.y[place])}`;
        pen = "L";
        return piece;
      });
      return el("path", { d: path.join(""), class: `line ${line.colour} ${line.dash ?? "solid"}${line.fill ? " filled" : ""}` });
    }));
}

// Whether the chart library is on its way, or here.
const awaited = () => typeof Plotly !== "undefined" || !!document.querySelector("#packed-charts, script[src='plotly.js']");

function zoom(factor, shift) {
  const place = document.getElementById("chart"), [low, high] = place.layout.xaxis.range.map(Number);
  const middle = (low + high) / 2 + shift * (high - low), half = (high - low) / 2 * factor;
  Plotly.relayout(place, { "xaxis.range": [middle - half, middle + half] });
}

function figure(report) {
  const all = curves(report);
  const legend = el("fieldset", { class: "legend" }, el("legend", {}, "curves"), all.map((curve) =>
    el("label", {}, el("input", { type: "checkbox", checked: !hidden.has(curve.name), onchange: (event) => {
      hidden[event.target.checked ? "delete" : "add"](curve.name);
      drawFigure();
    } }), el("svg", { class: "key", viewBox: "0 0 24 10", "aria-hidden": "true" }, curve.mark
      ? el("path", { d: "M8 1L16 9M16 1L8 9", class: "line low" })
      : el("path", { d: curve.fill ? "M0 0H24V10H0Z" : "M0 5H24",
        class: `line ${curve.colour} ${curve.dash ?? "solid"}${curve.fill ? " filled" : ""}` })), curve.name)));
  const plotted = awaited();
  const tools = plotted ? el("div", { class: "tools", role: "group", "aria-label": "zoom of the figure" },
    button("zoom in", () => zoom(0.5, 0)), button("zoom out", () => zoom(2, 0)),
    button("← earlier", () => zoom(1, -0.5)), button("later →", () => zoom(1, 0.5)),
    button("all steps", () => Plotly.relayout("chart", { "xaxis.autorange": true, "yaxis.autorange": true }))) : null;
  return section("figure", "Loss and scores", el("div", { class: "controls" }, legend, tools),
    el("div", { id: "chart", role: "img", "aria-label": "Loss above, the four scores of the samples below, over the " +
      `steps${shownSeries(report).length ? "; under them what else was logged" : ""}. The table of samples holds the same values.` }),
    el("p", { class: "hint" }, plotted ? "Drag to zoom, double-click to see all; a click on a point opens its sample."
      : "The extra coherence[report] draws this figure with zoom and values."));
}

// The samples

const ORDER = {
  step: (sample) => sample.step * 1000 + sample.place, streak: (sample) => sample.streak, loss: (sample) => sample.loss ?? -1,
  ...Object.fromEntries(SCALES.map((name, place) => [name, (sample) => sample.scores[place] ?? -1])),
};
// A text in its parts: what each is (1 no English word, 2 of a repeated phrase), and its characters.
function parts({ text, runs }) {
  let at = 0;
  return [...runs.matchAll(/(\d+)([a-d])/g)].map(([, length, kind]) =>
    ["abcd".indexOf(kind), text.slice(at, at += Number(length))]);
}
const key = (sample) => `${sample.step}-${sample.place}`;

function chosen() {
  const wanted = view.text.toLowerCase(), order = ORDER[view.sort], sign = view.down ? -1 : 1;
  return run.samples
    .filter((sample) => !view.low || sample.low)
    .filter((sample) => !wanted || `${sample.prompt ?? ""} ${sample.text}`.toLowerCase().includes(wanted))
    .sort((one, other) => sign * (order(one) - order(other)) || one.step - other.step || one.place - other.place);
}

function marked(sample, most) {
  const made = [];
  let left = most;
  for (const [kind, text] of parts(sample)) {
    if (left <= 0) break;
    const words = text.slice(0, left);
    left -= words.length;
    const inner = kind & 1 ? el("span", { class: "odd", title: "not an English word" }, words) : visible(words);
    made.push(kind & 2 ? el("mark", {}, inner) : inner);
  }
  return made;
}

function text(sample) {
  const { length } = sample.text;
  const full = () => [
    sample.prompt ? el("p", { class: "prompt" }, el("b", {}, "prompt "), el("bdi", {}, sample.prompt)) : null,
    el("p", { class: "answer", dir: "auto" }, length ? marked(sample, Infinity) : el("i", {}, "no text"),
      sample.left_out ? el("i", {}, ` … and ${whole(sample.left_out)} characters more`) : null),
    ...sample.loops.map((loop) => el("p", { class: "hint" }, `repeats «${short(loop.phrase, 200)}» ${loop.times} times, ` +
      `every ${loop.period === 1 ? "token" : `${loop.period} tokens`}, from character ${whole(loop.start)} on: ` +
      `${Math.round(loop.share * 100)} % of its tokens`))].filter(Boolean);
  if (length <= FOLD && !sample.left_out) return el("div", { class: "text" }, full());
  const body = el("div"), open = view.open.has(key(sample));
  const fill = () => body.childNodes.length || put(body, full());
  if (open) fill();
  return el("details", { class: "text", open, ontoggle: (event) => {
    view.open[event.target.open ? "add" : "delete"](key(sample));
    if (event.target.open) fill();
  } }, el("summary", {}, el("span", { class: "excerpt", dir: "auto" }, marked(sample, FOLD), "…"),
    el("span", { class: "fold" }, "fold")), body);
}

function row(sample) {
  const threshold = run.settings.threshold;
  return el("tbody", { id: `sample-${key(sample)}`, class: sample.low ? "low" : undefined, tabindex: "-1" },
    el("tr", {}, el("th", { scope: "row" }, whole(sample.step), el("small", {}, ` #${sample.place}`)),
      sample.scores.map((value) => el("td", { class: value !== null && value < threshold ? "under" : undefined }, score(value))),
      el("td", {}, sample.low ? el("b", { class: "badge" }, "low") : "", sample.streak ? ` ${sample.streak}` : ""),
      el("td", {}, number(sample.loss))),
    el("tr", {}, el("td", { colspan: 7 }, text(sample))));
}

const HEADS = [["step", "step"], ["bigram", "bi"], ["trigram", "tri"], ["english", "eng"], ["character", "chr"],
  ["streak", "streak"], ["loss", "loss"]];

function drawTable() {
  const found = chosen(), place = document.getElementById("rows");
  view.at = Math.max(0, Math.min(view.at, Math.floor((found.length - 1) / PER_PAGE) * PER_PAGE));
  const last = Math.min(view.at + PER_PAGE, found.length);
  const sorted = (name) => view.sort === name ? (view.down ? "descending" : "ascending") : undefined;
  put(place, el("thead", {}, el("tr", {}, HEADS.map(([name, words]) => el("th", { scope: "col", "aria-sort": sorted(name) },
    button(words, () => {
      view = { ...view, sort: name, down: view.sort === name && !view.down, at: 0 };
      drawTable();
      document.querySelector(`#rows button[data-sort=${name}]`).focus();
    }, { "data-sort": name, title: `sort by ${name}` }))))),
    found.slice(view.at, last).map(row));
  const turn = (by) => () => { view.at += by; drawTable(); document.getElementById("samples").scrollIntoView(); };
  put(document.getElementById("pager"),
    el("span", { role: "status" }, found.length ? `${whole(view.at + 1)}–${whole(last)} of ${whole(found.length)}` : "none",
      found.length < run.samples.length ? ` (${whole(run.samples.length)} in all)` : ""),
    button("← previous", turn(-PER_PAGE), { disabled: view.at === 0 }),
    button("next →", turn(PER_PAGE), { disabled: last >= found.length }));
}

function goTo(place) {
  const sample = run.samples[place];
  if (!sample) return;
  if (!chosen().includes(sample)) setFilters(false, "");
  view.open.add(key(sample));
  view.at = Math.floor(chosen().indexOf(sample) / PER_PAGE) * PER_PAGE;
  drawTable();
  const shown = document.getElementById(`sample-${key(sample)}`);
  shown.focus({ preventScroll: true });
  shown.scrollIntoView({ block: "center" });
}

function setFilters(low, words) {
  view = { ...view, low, text: words, at: 0 };
  document.getElementById("only-low").checked = low;
  document.getElementById("words").value = words;
}

function samples() {
  const filter = () => { view.at = 0; drawTable(); };
  return section("samples", "Samples", el("div", { class: "controls" },
    el("label", {}, el("input", { id: "only-low", type: "checkbox", checked: view.low,
      onchange: (event) => { view.low = event.target.checked; filter(); } }), "low ones only"),
    el("label", {}, "with the words ", el("input", { id: "words", type: "search", value: view.text,
      oninput: (event) => { view.text = event.target.value; filter(); } })),
    el("span", { class: "hint" }, el("mark", {}, "repeated phrase"), " ", el("span", { class: "odd" }, "no English word"))),
    el("table", { id: "rows" }, el("caption", {}, "Scores from 0 to 100 of what reference text of the same length shows")),
    el("div", { id: "pager", class: "controls" }));
}

// Below the samples

function table(heads, rows, caption) {
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption }, el("table", {},
    el("caption", {}, caption), el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, place) =>
      el(place ? "td" : "th", place ? {} : { scope: "row" }, cell)))))));
}

const spark = (curve, label) => curve.x.length < 2 ? "" :
  el("div", { class: "spark" }, plain([curve], [curve.x[0], curve.x.at(-1)], 240, 40, label));

function sources({ loss }) {
  const names = Object.keys(loss?.sources ?? {});
  if (!names.length) return null;
  return section("sources", "Loss by source", table(["source", "loss", "smoothed", "smoothed over the steps"], names.map((name) => {
    const { steps, smoothed } = loss.source_curves[name] ?? { steps: [], smoothed: [] };
    return [short(name, 80), number(loss.sources[name].loss), number(loss.sources[name].smoothed),
      spark({ x: steps, y: smoothed, colour: "smma" }, "smoothed loss")];
  }), "Loss of each source of the mixture"));
}

function between({ between: found }) {
  if (!found.length) return null;
  const values = found.map((each) => each.diversity), lowest = values.indexOf(Math.min(...values));
  return section("between", "Between the samples of a step",
    el("p", {}, `From 0, all the same, to 100, nothing shared: ${number(values.at(-1))} at the last of ` +
      `${whole(found.length)} steps, lowest ${number(values[lowest])} at step ${whole(found[lowest].step)}. ` +
      "Below 50 they are alike."),
    spark({ x: found.map((each) => each.step), y: values, colour: "smma" }, "diversity between samples"));
}

const detail = (details) => Object.entries(details).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");

function rest(report) {
  const lines = [
    ...report.events.slice(0, 100).map((each) => `step ${whole(each.step)}: ${each.event} ${short(detail(each.details), 300)}`),
    ...report.notes.map((each) => short(each, 1000))];
  const problems = report.problems.map((each) => short(`${each.file}:${each.line}: ${each.message}`, 300));
  return [
    lines.length ? section("notes", "Events and notes", el("ul", {}, lines.map((line) => el("li", {}, el("bdi", {}, line))))) : null,
    problems.length ? section("problems", `${whole(report.problem_count)} lines were not used or need a look`,
      el("details", {}, el("summary", {}, "the first of them"), el("ul", {}, problems.map((line) => el("li", {}, line))))) : null,
    section("settings", "Settings", el("dl", { class: "settings" }, Object.entries(report.settings)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => el("div", {}, el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, String(value)))))),
  ];
}

// Several runs side by side

function cards(runs, select) {
  return el("ul", { class: "cards" }, runs.map((each) => {
    const found = each.diagnosis, inner = [
      el("span", { class: `action ${found.action}` }, `${MARKS[found.action] ?? ""} ${found.action}`),
      el("b", {}, el("bdi", {}, short(each.run, 80))), el("span", {}, found.name),
      el("span", { class: "hint" }, `step ${whole(each.last_step)}` + (each.smoothed === null ? "" : `, loss ${number(each.smoothed)}`) +
        (each.halt_step ? `, halt at ${whole(each.halt_step)}` : "")),
      each.quiet === undefined ? null : freshness(each)];
    return el("li", {}, select ? button("", () => select(each.run), { "aria-pressed": String(each.run === run?.name) }) : null, inner);
  }).map((item) => {
    const pressed = item.querySelector("button");
    if (pressed) { pressed.append(...[...item.childNodes].filter((node) => node !== pressed)); }
    return item;
  }));
}

// Everything

function draw() {
  if (!run.samples) { // several runs
    put(main, el("header", {}, el("h1", {}, run.name)), unused(run), cards(run.runs), ...rest({ ...run, events: [] }));
    return;
  }
  put(main, LIVE ? el("div", { id: "runs" }) : null, el("header", {}, el("p", { class: "run" }, el("bdi", {}, run.name)),
    LIVE ? el("p", { id: "fresh", role: "status" }) : null), el("div", { id: "top" }), el("div", { id: "figure-place" }),
  samples(), el("div", { id: "below" }));
  put(document.getElementById("figure-place"), figure(run));
  redraw(true);
}

function redraw(withTable) {
  document.title = `${run.diagnosis.action} · ${visible(run.name)} · coherence`;
  put(document.getElementById("top"), verdict(run), unused(run), facts(run));
  if (withTable) keepingFocus(drawTable);
  put(document.getElementById("below"), sources(run), between(run), rest(run));
  drawFigure();
}

// What has the keyboard's attention is drawn anew: its successor gets it.
function keepingFocus(drawing) {
  const held = document.activeElement, card = held.closest?.("#runs li"), at = card && [...card.parentNode.children].indexOf(card);
  const successor = card ? `#runs li:nth-child(${at + 1}) button` : held.dataset?.sort ? `#rows [data-sort=${held.dataset.sort}]`
    : held.closest?.("#rows tbody") ? `#${held.closest("tbody").id}${held.tagName === "SUMMARY" ? " summary" : ""}` : null;
  drawing();
  if (successor && document.activeElement !== held) document.querySelector(successor)?.focus({ preventScroll: true });
}

async function unpack(id) {
  const packed = document.getElementById(`packed-${id}`);
  if (!packed) return "";
  const chars = atob(packed.textContent), bytes = new Uint8Array(chars.length);
  for (let at = 0; at < chars.length; at++) bytes[at] = chars.charCodeAt(at);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// What stands so far is shown first. A page that is out of sight is not painted.
const painted = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); setTimeout(done, 300); });

// First the words, then the samples, then what draws the figure.
async function open() {
  const { name, report } = JSON.parse(await unpack("told"));
  run = { ...report, name, samples: report.runs ? null : [] };
  draw();
  if (report.runs) return;
  await painted();
  run.samples = JSON.parse(await unpack("samples"));
  draw();
  await painted();
  const charts = await unpack("charts");
  if (!charts) return;
  const script = document.createElement("script");
  script.textContent = charts;
  document.head.append(script);
  drawFigure();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawFigure);
for (const [event, paper] of [["beforeprint", true], ["afterprint", false]])
  addEventListener(event, () => { document.documentElement.classList.toggle("paper", paper); drawFigure(); });

// Live: ask again and again for what came since

let told = { epoch: "0", since: -1 }, heard = 0, answered = true, overview = [], wanted = null;

function freshness(found) {
  if (!answered) return el("span", { class: "stale" }, `no answer from the server for ${duration((Date.now() - heard) / 1000)}`);
  if (found.age === null) return el("span", { class: "stale" }, "nothing written yet");
  const age = duration(found.age + (Date.now() - heard) / 1000);
  return found.quiet ? el("span", { class: "stale" }, `stale: nothing written for ${age}`) : el("span", {}, `updated ${age} ago`);
}

function select(name) {
  wanted = name;
  told = { epoch: "0", since: -1 };
  poll();
}

async function ask(path) {
  const reply = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(POLL) });
  if (!reply.ok) throw new Error(String(reply.status));
  return reply.json();
}

// What is settled of a series is kept, what is not is replaced by what is told next.
function joined(before, [settled, unsettled]) {
  const kept = [...before.kept, ...settled];
  return { kept, all: [...kept, ...unsettled] };
}

const NONE = { kept: [], all: [] };
const columns = (points) => ({ steps: points.map((each) => each[0]), losses: points.map((each) => each[1]), smoothed: points.map((each) => each[2]) });

function take(found) {
  const before = found.whole || !run?.kept ? { samples: NONE, curve: NONE, between: NONE, sources: {} } : run.kept;
  const kept = {
    samples: joined(before.samples, found.samples), curve: joined(before.curve, found.curve),
    between: joined(before.between, found.between),
    sources: Object.fromEntries(Object.entries(found.source_curves).map(([name, part]) =>
      [name, joined(before.sources[name] ?? NONE, part)])),
  };
  const { loss } = found.report;
  if (loss) {
    loss.curve = columns(kept.curve.all);
    loss.source_curves = Object.fromEntries(Object.entries(kept.sources).map(([name, part]) => [name, columns(part.all)]));
  }
  return { ...found.report, name: found.name, samples: kept.samples.all, between: kept.between.all, kept,
    age: found.age, quiet: found.quiet };
}

async function pollRun(name) {
  const found = await ask(`run.json?${new URLSearchParams({ run: name, ...told })}`);
  if (name !== wanted) return false;
  told = { epoch: found.epoch, since: found.since };
  const same = run?.name === name && !found.whole, more = found.samples.flat().length > 0;
  const legend = same && curves(run).map((each) => each.name).join();
  run = take(found);
  if (!same) keepingFocus(() => { draw(); tick(); });
  else {
    if (legend !== curves(run).map((each) => each.name).join()) put(document.getElementById("figure-place"), figure(run));
    redraw(more);
  }
  return found.behind;
}

let waiting = null;

async function poll() {
  clearTimeout(waiting);
  let behind = false;
  try {
    overview = (await ask("runs.json")).runs;
    wanted ??= overview[0]?.run ?? null;
    if (wanted !== null) behind = await pollRun(wanted);
    [heard, answered] = [Date.now(), true];
  } catch (error) {
    answered = false;
  }
  tick();
  clearTimeout(waiting);
  waiting = setTimeout(poll, behind ? 50 : POLL);
}

// Every second: how fresh it is. The runs side by side change with a poll alone.
let shownRuns = "";

function tick() {
  if (!run) {
    put(main, el("h1", {}, "coherence"), el("p", { role: "status" }, answered ? "no run here yet" : "no answer from the server"));
    return;
  }
  put(document.getElementById("fresh"), freshness(run));
  const words = JSON.stringify([overview, run.name, answered]);
  if (overview.length > 1 && (words !== shownRuns || !document.querySelector("#runs button")))
    keepingFocus(() => put(document.getElementById("runs"), cards(overview, select)));
  shownRuns = words;
}

if (LIVE) {
  heard = Date.now();
  setInterval(tick, 1000);
  poll();
} else open();
