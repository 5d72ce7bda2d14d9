// The top

const MARKS = { continue: "✓", watch: "◔", pivot: "↷", halt: "■" };

function verdict(found) {
  const diagnosis = found.diagnosis;
  const headline = (found.headline || diagnosis.name) + (found.partial ? " · interrupted: partial results" : "");
  const parts = headline.split(/(--\S+ \d+)/); // an option is not broken at its hyphens
  return el("div", { class: `verdict ${diagnosis.action}` },
    el("p", { class: "action" }, `${MARKS[diagnosis.action] ?? ""} ${diagnosis.action}`),
    el("h1", {}, parts.map((part, place) => place % 2 ? el("span", { class: "option" }, part) : part)),
    el("p", {}, ((found.recovered_since ?? null) === null ? "" : "At the halt: ") + diagnosis.sentence));
}

// Where the page comes from: version, date, and the command that made it.
function origin({ made, settings }) {
  const parts = [`coherence ${settings.version}`, made?.at].filter(Boolean).join(" · ");
  return el("p", { class: "origin hint" }, made ? [`${parts} · `, el("code", {}, made.command), " ", copyButton("the command", made.command)] : parts);
}

function halted(report) {
  const seconds = report.wasted_seconds === null ? "" : duration(report.wasted_seconds);
  return [["halt step", [stepLink(report.halt_step, whole(report.halt_step), report.evidence?.bad.at(-1))],
    [(report.settings?.observe ? "observed only; " : "") + (report.halt_reason ?? "")]],
  ["after the halt", [`${whole(report.wasted_steps)} steps`], [seconds]]];
}

function goBack({ diagnosis, resume_from: step, resume_reason: reason, evidence }) {
  const name = ["pivot", "halt"].includes(diagnosis.action) ? "go back to" : "best checkpoint";
  if (step === null) return [name, ["none"], [reason]];
  return [name, [stepLink(step, `step ${whole(step)}`, evidence?.good)], [`${reason} `, copyButton("the step", String(step))]];
}

function judgedSamples(report) {
  const first = report.first_low_step;
  return ["samples", [`${whole(report.low)} of ${whole(report.judged)} `, term("low")], [report.diagnosis.samples,
    ...(first === null ? [] : ["; first at ", stepLink(first, `step ${whole(first)}`)]),
    (report.empty ? `; ${whole(report.empty)} of them empty` : "") +
    (report.templated ? `; ${whole(report.templated)} templates, not judged` : "") +
    (report.too_short ? `; ${whole(report.too_short)} too short to judge` : "")]];
}

function lossFact({ loss, diagnosis }) {
  return ["loss", [`${number(loss.smoothed)} `, term("nats")], [term("smoothed"),
    `; ${diagnosis.loss ?? loss.trend ?? "no trend"}: ${number(loss.first)} → ${number(loss.last)}`,
    ...(loss.perplexity === null ? [] : [", ", term("perplexity"), ` ${number(loss.perplexity)}`]),
    ...(loss.advantage === null ? [] : [`, ${number(loss.advantage)} `, term("times better than uniform")]),
    loss.not_finite ? `; ${whole(loss.not_finite)} not finite` : ""]];
}

function facts(report) {
  const rows = [...(report.halt ? halted(report) : []), goBack(report), judgedSamples(report)];
  if (report.loss) rows.push(lossFact(report));
  const logged = shownSeries(report).map(({ name, values }) =>
    [SERIES[name], `${number(values[0])} → ${number(values.at(-1))}`]);
  if (logged.length) rows.push(["also logged", [logged[0].join(" ")], [logged.slice(1).map((each) => each.join(" ")).join(", ")]]);
  return el("dl", { class: "facts" }, rows.map(([name, value, more]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, el("strong", {}, value), el("span", {}, more)))));
}
