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
