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
