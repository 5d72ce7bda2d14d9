// What the figure draws: panels over one axis, each with its curves

const VALUES = ["bigram", "trigram", "english", "character", "low", "order", "between"];
const dashes = { bigram: "solid", trigram: "dash", english: "dot", character: "dashdot" };
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// What a trainer of reinforcement learning logs besides: a panel each, below the scores.
const SERIES = { reward: "reward", kl: "KL (nats)", length: "length (tokens)" };
const shownSeries = (report) => (report.series ?? []).filter(({ name }) => name in SERIES);

const allSamples = (report) => report.judged + report.too_short + report.templated;
const stretches = (report) => report.curves?.stretches ?? [];
const spread = (report) => stretches(report).some(([first, last]) => first < last);

// A cell of a stretch is null, a number, or [count, mean, lowest, highest] of several.
function pointOf(first, last, cell) {
  const [n, mean, low, high] = cell === null ? [0, null, null, null] : Array.isArray(cell) ? cell : [1, cell, cell, cell];
  return { first, last, x: (first + last) / 2, n, mean, low, high };
}
const pointsOf = (report, column) =>
  stretches(report).map((row) => pointOf(row[0], row[1], row[3 + VALUES.indexOf(column)]));

const pointsAt = (steps, values) => steps.map((step, place) => pointOf(step, step, values[place] ?? null));

// Of a series that is thinned out to the lowest and the highest of each stretch: a band between neighbours. `means` are
// those of the stretches.
function outline(steps, values, means) {
  return steps.map((step, place) => {
    const pair = [values[place], values[place + 1] ?? values[place]].filter(Number.isFinite);
    const [low, high] = pair.length ? [Math.min(...pair), Math.max(...pair)] : [null, null];
    return { first: step, last: step, x: step, n: 1, mean: means?.[place] ?? null, low, high };
  });
}

// Of a loss that is not a cross-entropy, or is above every vocabulary, there is no perplexity.
function perplexity(loss, value) {
  const most = loss.trend === "not a cross-entropy" ? -Infinity : loss.uniform_baseline ?? Math.log(1e6);
  return value === null || value > most ? "" : `, perplexity ${number(Math.exp(value))}`;
}

function lossPanel(report) {
  const { loss } = report;
  if (!loss?.curve?.steps.length) return null;
  const { steps, losses, smoothed } = loss.curve, thinned = steps.length > 1000 && loss.rows > steps.length;
  const curves = [
    { name: "loss", colour: "raw", width: 1, band: true, points: thinned ? outline(steps, losses) : pointsAt(steps, losses) },
    { name: "smoothed loss", colour: "smma", width: 2.5, steady: true, points: pointsAt(steps, smoothed),
      about: (value) => perplexity(loss, value) }];
  if (loss.uniform_baseline !== null)
    curves.push({ name: "uniform baseline", colour: "quiet", dash: "dash", level: loss.uniform_baseline });
  return { id: "loss", title: loss.trend === "not a cross-entropy" ? "loss" : "loss (nats)", curves, log: look.log,
    perplexity: loss.trend !== "not a cross-entropy" };
}

function scoresPanel(report) {
  if (!allSamples(report)) return null;
  const curves = SCALES.map((name) => ({ name, colour: name, width: 1.6, dash: dashes[name], band: spread(report),
    points: pointsOf(report, name) }));
  const low = pointsOf(report, "low").filter((each) => each.n);
  if (report.curves?.streaks.length) curves.unshift({ name: "streak", colour: "streak", areas: report.curves.streaks });
  if (low.length) curves.push({ name: "low sample", colour: "low", mark: true, points: low });
  curves.push({ name: "threshold", colour: "low", dash: "dash", level: report.settings.threshold });
  return { id: "scores", title: spread(report) ? "scores: mean, and lowest to highest" : "scores, 0 to 100",
    curves, range: [0, 100] };
}

// What decides the diagnosis where it is neither the loss nor a score.
function decidingPanel(report) {
  const large = { alike: { column: "between", name: "diversity between samples", range: [0, 100], level: 50, below: "alike",
    title: "diversity between samples: below 50 alike" },
  "word salad": { column: "order", name: "word order", level: 0.2, below: "shuffled",
    title: "word order: 1 English, below 0.2 shuffled" } }[report.diagnosis.samples];
  if (!large) return null;
  const points = pointsOf(report, large.column).filter((each) => each.n);
  return points.length ? { id: "deciding", title: large.title, range: large.range, curves: [
    { name: large.name, colour: "smma", width: 2.2, band: spread(report), points },
    { name: `${large.below} below ${large.level}`, colour: "low", dash: "dot", level: large.level }] } : null;
}

const seriesPanels = (report) => shownSeries(report).map(({ name, steps, values, means }) => ({
  id: name, title: SERIES[name], small: true, curves: [{ name: SERIES[name], colour: "smma", width: 1.6, band: !!means?.length,
    points: means?.length ? outline(steps, values, means) : pointsAt(steps, values) }] }));

// Made once for each report and axis.
let cached = {};
function panels(report) {
  if (cached.report !== report || cached.log !== look.log) cached = { report, log: look.log,
    panels: [lossPanel(report), decidingPanel(report), scoresPanel(report), ...seriesPanels(report)].filter(Boolean) };
  return cached.panels;
}

const curves = (report) => panels(report).flatMap((panel) => panel.curves);

// Upright lines over all panels: [step, words, colour, dash]; the first ones have their words for sure.
function uprights(report) {
  const lines = [];
  if (report.halt_step !== null) lines.push([report.halt_step, "halt", "low", "solid"]);
  if (report.resume_from !== null) lines.push([report.resume_from, "go back to", "smma", "dash"]);
  for (const step of report.restarts.slice(0, 50)) lines.push([step, "restart", "quiet", "dot"]);
  for (const each of report.events.slice(0, 50))
    if (each.event !== "restart") lines.push([each.step, short(each.event, 24), "quiet", "dashdot"]);
  return lines;
}

// The steps from the first to the last of anything that is drawn.
function fullRange(report) {
  let [low, high] = [Infinity, -Infinity];
  for (const { points = [] } of curves(report)) if (points.length)
    [low, high] = [Math.min(low, points[0].first), Math.max(high, points.at(-1).last)];
  return low > high ? [0, 1] : low === high ? [low - 1, high + 1] : [low, high];
}

function stepWords(report, { first, last }) {
  const what = report.steps_counted ? "sample" : "step", of = report.steps_counted ? ` of ${whole(allSamples(report))}` : "";
  return first < last ? `${what}s ${whole(first)} to ${whole(last)}${of}` : `${what} ${whole(first)}${of}`;
}
