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
