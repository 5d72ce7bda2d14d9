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
      : "With plotly (pip install plotly) this figure has zoom and values."));
}
