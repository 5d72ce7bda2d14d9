// Several runs that are followed, side by side

function cards(runs, select) {
  return el("ul", { class: "cards" }, runs.map((each) => {
    const found = each.diagnosis, inner = [
      el("span", { class: `action ${found.action}` }, `${MARKS[found.action] ?? ""} ${found.action}`),
      el("b", {}, el("bdi", {}, short(each.run, 80))), el("span", {}, found.name),
      el("span", { class: "hint" }, `step ${whole(each.last_step)}` + (each.smoothed === null ? "" : `, loss ${number(each.smoothed)}`) +
        ((each.halt_step ?? null) !== null ? `, halt at ${whole(each.halt_step)}` : "")),
      freshness(each)];
    const chooser = button("", () => select(each.run), { "aria-pressed": String(each.run === run?.name) });
    chooser.append(...inner);
    return el("li", {}, chooser);
  }));
}
