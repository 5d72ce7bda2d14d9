// The page of several runs: a row a run, all curves in one figure, two runs compared, and each run by itself

const anchor = (place) => `run-${place + 1}`;
const isNumber = (value) => Number.isFinite(value);
const meanOf = (values) => values.some(isNumber)
  ? values.filter(isNumber).reduce((sum, value, _, all) => sum + value / all.length, 0) : null;
const percent = (part, all) => all ? Math.round(100 * part / all) : null;
const actionOf = ({ diagnosis: { action } }) => el("span", { class: `action ${action}` }, `${MARKS[action] ?? ""} ${action}`);

// Where the values of a curve are in a box; the ends are of all curves that share it.
function scaled({ left, right, top, bottom }, steps, values) {
  const ends = (all) => all.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const [first, last] = ends(steps), [low, high] = ends(values.filter(isNumber));
  return { first, last, low, high,
    x: (step) => left + (right - left) * (last > first ? (step - first) / (last - first) : 0.5),
    y: (value) => bottom - (bottom - top) * (high > low ? (value - low) / (high - low) : 0.5) };
}

// A line, broken where there is no value; a point alone is a dash.
function pathOf({ steps, values }, { x, y }) {
  const known = (place) => isNumber(values[place]);
  return steps.map((step, place) => !known(place) ? "" : known(place - 1) ? `L${x(step).toFixed(1)} ${y(values[place]).toFixed(1)}`
    : `M${x(step).toFixed(1)} ${y(values[place]).toFixed(1)}` + (known(place + 1) ? "" : "m-3 0h6")).join("");
}

function sparkline(curve, colour, label, range = []) {
  const known = curve.values.filter(isNumber);
  if (known.length < 2) return known.length ? "1 point" : "–";
  const scale = scaled({ left: 4, right: 116, top: 4, bottom: 28 }, curve.steps, [...known, ...range]);
  return el("svg", { class: "sparkline", viewBox: "0 0 120 32", role: "img",
    "aria-label": `${label}: from ${number(known[0])} to ${number(known.at(-1))}` },
    el("path", { d: pathOf(curve, scale), class: `line ${colour}` }));
}

const HALTS = ({ report: { halt, halt_step: step, observe } }) => halt ? `at step ${whole(step)}${observe ? ", observed" : ""}` : "";
const RUN_COLUMNS = [
  ["verdict", ({ report }) => [actionOf(report), el("small", {}, HALTS({ report }))]],
  ["loss", ({ loss, smoothed }) => [sparkline(loss, "smma", "smoothed loss"), el("small", {}, number(smoothed))]],
  ["mean score", ({ mean, scores }) => [sparkline(mean, "bigram", "mean score", [0, 100]), el("small", {}, score(meanOf(scores)))]],
  ...SCALES.map((name, place) => [name, ({ scores }, threshold) =>
    el("span", { class: isNumber(scores[place]) && scores[place] < threshold ? "under" : undefined }, score(scores[place]))]),
  ["low", ({ report: { low, judged } }) => `${whole(low)} of ${whole(judged)}`],
  ["go back to", ({ report: { resume_from: step } }) => step === null ? "none" : `step ${whole(step)}`],
];

function runRows(runs, threshold) {
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "the runs" }, el("table", { class: "ranking" },
    el("caption", {}, "The four scores are those of the last stretch, a twelfth of the run. The best run is first."),
    el("thead", {}, el("tr", {}, ["run", ...RUN_COLUMNS.map(([name]) => name)].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, runs.map((each, place) => el("tr", { onmouseenter: () => lit(place), onmouseleave: () => lit(null), onfocusin: () => lit(place) },
      el("th", { scope: "row" }, el("a", { href: `#${anchor(place)}` }, el("bdi", {}, short(each.run, 80))), el("small", {}, each.report.diagnosis.name)),
      RUN_COLUMNS.map(([name, cell]) => el("td", { "data-name": name }, cell(each, threshold))))))));
}

// All curves in one figure

let shownKind = "loss";
const KINDS = { loss: "smoothed loss", mean: "mean score" };
const FEW = 8; // runs that have a colour and a label each; of more, the colour is that of the verdict

// Round numbers from one value to another.
function ticks(low, high, most) {
  const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  return Array.from({ length: most + 2 }, (_, place) => (Math.ceil(low / size) + place) * size).filter((each) => each <= high + size / 1e6);
}

// Labels at the ends of the lines, none over another.
function labels(runs, scale, right, bottom) {
  const ends = runs.map(({ run: name, [shownKind]: { values } }, place) => ({ name, place, y: scale.y(values.findLast(isNumber)) }))
    .filter((each) => isNumber(each.y)).sort((one, other) => one.y - other.y);
  ends.forEach((each, place) => { each.y = Math.max(each.y, place ? ends[place - 1].y + 15 : 0); });
  ends.reverse().forEach((each, place) => { each.y = Math.min(each.y, place ? ends[place - 1].y - 15 : bottom); });
  return ends.map(({ name, place, y }) => el("text", { x: right + 6, y: y + 4, class: `tone-${place}`, "data-run": place }, short(name, 12)));
}

function axes(scale, { left, right, top, bottom }) {
  const text = (x, y, words, anchorAt) => el("text", { x, y, "text-anchor": anchorAt, class: "tick" }, words);
  return [
    ...ticks(scale.low, scale.high, 5).flatMap((value) => [el("path", { class: "rule", d: `M${left} ${scale.y(value)}H${right}` }),
      text(left - 6, scale.y(value) + 4, number(value), "end")]),
    ...ticks(scale.first, scale.last, right - left < 400 ? 3 : 6).filter(Number.isInteger)
      .map((step) => text(scale.x(step), bottom + 18, whole(step), "middle")),
    text(left, top - 8, KINDS[shownKind], "start"), text(right, bottom + 34, "step", "end"),
  ];
}

function drawRunCurves(runs) {
  const place = document.getElementById("run-curves"), few = runs.length <= FEW;
  const width = Math.max(300, place.clientWidth), box = { left: 44, right: width - (few ? 116 : 12), top: 24, bottom: 250 };
  const drawn = runs.flatMap((each) => each[shownKind].values.some(isNumber) ? [each[shownKind]] : []);
  const scale = scaled(box, drawn.flatMap((each) => each.steps), [...drawn.flatMap((each) => each.values), ...(shownKind === "mean" ? [0, 100] : [])]);
  put(place, el("svg", { viewBox: `0 0 ${width} 290`, role: "img", "aria-label": `${KINDS[shownKind]} of ${runs.length} runs over the steps` },
    axes(scale, box), runs.map((each, at) => runCurve(each, at, few, scale)), few ? labels(runs, scale, box.right, box.bottom) : []));
}

function runCurve({ run: name, report, [shownKind]: curve }, place, few, scale) {
  const tone = few ? `tone-${place}` : report.diagnosis.action, made = [el("path", { d: pathOf(curve, scale), class: "line" }, el("title", {}, short(name, 80)))];
  const at = report.halt ? curve.steps.findLastIndex((step) => step <= report.halt_step) : -1;
  if (isNumber(curve.values[at])) made.push(el("path", { class: "halted",
    d: `M${scale.x(curve.steps[at]) - 5} ${scale.y(curve.values[at]) - 5}h10v10h-10z` }, el("title", {}, `${short(name, 80)} halts at step ${whole(report.halt_step)}`)));
  return el("g", { class: `curve ${tone}`, "data-run": place }, made);
}

function lit(place) {
  for (const each of document.querySelectorAll("#run-curves [data-run]"))
    each.classList.toggle("dim", place !== null && Number(each.dataset.run) !== place);
}

function runFigure(runs) {
  const kinds = Object.keys(KINDS).filter((kind) => runs.some((each) => each[kind].values.some(isNumber)));
  if (!kinds.includes(shownKind)) shownKind = kinds[0] ?? "mean";
  const choice = el("div", { class: "controls", role: "group", "aria-label": "curve" }, kinds.map((kind) => button(KINDS[kind], (event) => {
    shownKind = kind;
    for (const each of event.target.parentNode.children) each.setAttribute("aria-pressed", String(each === event.target));
    drawRunCurves(runs);
  }, { "aria-pressed": String(kind === shownKind) })));
  return section("curves", "All runs in one figure", choice, el("div", { id: "run-curves" }),
    el("p", { class: "hint" }, "■ is where a run halts. " + (runs.length <= FEW ? "Point at a row above to see its curve alone."
      : "The colour is that of the verdict. Point at a row above to see its curve alone.")));
}

// Two runs side by side: what each is, and what is better if it is more (1) or less (-1)

const QUANTITIES = [
  ...SCALES.map((name, place) => [name, ({ scores }) => isNumber(scores[place]) ? Math.floor(scores[place]) : null, 1]),
  ["low samples, %", ({ report }) => percent(report.low, report.judged), -1],
  ["smoothed loss", ({ smoothed }) => smoothed, -1],
  ["halt step", ({ report }) => report.halt_step, 0],
  ["go back to step", ({ report }) => report.resume_from, 0],
  ["last step", ({ report }) => report.last_step, 0],
];

// A loss says nothing of a run that halts: it may be low because of the loop.
const judges = (name, runs) => name !== "smoothed loss" || !runs.some(({ report }) => report.halt);

function difference(one, other, better) {
  if (!isNumber(one) || !isNumber(other)) return "";
  const by = Number((other - one).toPrecision(6));
  if (!by) return "0";
  const words = `${by > 0 ? "+" : "−"}${number(Math.abs(by))}`;
  return better ? el("span", { class: by * better < 0 ? "under" : "above" }, `${words} ${by * better < 0 ? "worse" : "better"}`) : words;
}

function twoRuns(runs) {
  if (runs.length < 2) return null;
  const place = el("div", { class: "two" }), chosen = [0, runs.length - 1];
  const draw = () => {
    const [one, other] = chosen.map((at) => runs[at]);
    put(place, table(["", short(one.run, 40), short(other.run, 40), "difference"], [
      ["verdict", actionOf(one.report), actionOf(other.report), ""],
      ...QUANTITIES.map(([name, value, better]) => [name, number(value(one)), number(value(other)), difference(value(one), value(other), judges(name, [one, other]) ? better : 0)]),
    ], "The scores are those of the last stretch."));
  };
  const choice = (which) => el("label", {}, which ? "with " : "compare ", el("select", { id: `compared-${which}`, onchange: (event) => {
    chosen[which] = Number(event.target.value);
    draw();
  } }, runs.map((each, at) => el("option", { value: at, selected: at === chosen[which] }, short(each.run, 80)))));
  draw();
  return section("two", "Two runs compared", el("div", { class: "controls" }, choice(0), choice(1)), place);
}

// Each run by itself

function runFacts({ report, smoothed, loss }) {
  const known = loss.values.filter(isNumber);
  const rows = [
    report.halt ? ["halt step", whole(report.halt_step), report.halt_reason ?? ""] : null,
    report.halt ? ["after the halt", `${whole(report.wasted_steps)} steps`, ""] : null,
    [["pivot", "halt"].includes(report.diagnosis.action) ? "go back to" : "best checkpoint",
      report.resume_from === null ? "none" : `step ${whole(report.resume_from)}`, report.resume_reason],
    ["samples", `${whole(report.low)} of ${whole(report.judged)} low`, report.diagnosis.samples],
    known.length ? ["loss", `smoothed ${number(smoothed)}`, `${report.diagnosis.loss ?? "no trend"}: ${number(known[0])} → ${number(known.at(-1))}`] : null,
  ].filter(Boolean);
  return el("dl", { class: "facts" }, rows.map(([name, value, more]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, el("strong", {}, value), el("span", {}, more)))));
}

function evidenceOf(what, sample) {
  return el("div", {}, el("h3", {}, `${what}, step ${whole(sample.step)}`),
    el("p", { class: "hint" }, SCALES.map((name, place) => `${name} ${score(sample.scores[place])}`).join(", ")),
    sample.prompt ? el("p", { class: "prompt" }, el("b", {}, "prompt "), el("bdi", {}, short(sample.prompt, 300))) : null,
    el("div", { class: "answer scroll", dir: "auto", tabindex: "0", role: "group", "aria-label": what },
      sample.text ? marked(sample, Infinity) : el("i", {}, "no text"),
      sample.left_out ? el("i", {}, ` … and ${whole(sample.left_out)} characters more`) : null));
}

function oneRun(each, place) {
  const { report, loss, mean, samples: shown } = each;
  return el("section", { id: anchor(place), class: "one-run", "aria-labelledby": `${anchor(place)}-title` },
    el("h2", { id: `${anchor(place)}-title` }, el("bdi", {}, short(each.run, 200)), " ", el("a", { class: "hint", href: "#page" }, "all runs ↑")),
    el("p", {}, actionOf(report), " ", el("b", {}, report.headline || report.diagnosis.name)),
    el("p", {}, (report.recovered_since === null ? "" : "At the halt: ") + report.diagnosis.sentence),
    runFacts(each),
    el("div", { class: "pair" }, [[loss, "smma", "smoothed loss", []], [mean, "bigram", "mean score", [0, 100]]]
      .filter(([curve]) => curve.values.some(isNumber))
      .map(([curve, colour, name, range]) => el("figure", {}, sparkline(curve, colour, name, range), el("figcaption", { class: "hint" }, name)))),
    el("div", { class: "pair" }, Object.entries(shown).map(([what, sample]) => evidenceOf(what, sample))));
}

// The gravest verdict, and how many runs have it.
const GRAVEST = [["halt", "halts", "halt"], ["pivot", "asks for a pivot", "ask for a pivot"], ["watch", "needs a look", "need a look"], ["continue", "continues", "continue"]];

function gravest({ actions, runs: count }) {
  const [action, one, several] = GRAVEST.find(([name]) => actions[name]);
  return [action, actions[action] === count ? `${count === 2 ? "both" : `all ${whole(count)}`} runs ${several}`
    : `${whole(actions[action])} of ${whole(count)} runs ${actions[action] === 1 ? one : several}`];
}

function summary({ ranking, runs }, action) {
  const named = runs.filter(({ report }) => report.diagnosis.action === action), count = ranking.runs;
  return [ranking.partial ? "Interrupted: partial results." : null,
    runs.length < count ? `${whole(runs.length)} of ${whole(count)} runs are shown, the first and the last of the ranking.` : null,
    named.length < count ? `${MARKS[action]} ${named.slice(0, 5).map((each) => short(each.run, 40)).join(", ")}` +
      `${named.length > 5 ? ` and ${whole(ranking.actions[action] - 5)} more` : ""}.` : null,
    `The best is ${short(runs[0].run, 40)}.`].filter(Boolean).join(" ");
}

function drawRanking(found) {
  const { name, ranking, runs, made } = found, [action, words] = gravest(ranking);
  showTab(action, words, name);
  put(main, el("header", {}, el("p", { class: "run" }, el("bdi", {}, name)), origin({ made, settings: ranking.settings })),
    el("div", { class: `verdict ${action}` }, el("h1", { class: "action" }, `${MARKS[action]} ${words}`), el("p", {}, summary(found, action))),
    unused({ ...ranking, runs: [ranking] }),
    section("runs", "Runs", runRows(runs, ranking.settings.threshold)), runFigure(runs), twoRuns(runs), ...runs.map(oneRun), ...rest(ranking));
  drawRunCurves(runs);
}
