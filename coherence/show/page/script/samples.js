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

// The characters of a sample, so many from one on, with loops and odd words marked.
function marked(sample, most, from = 0) {
  const made = [];
  let skip = from, left = most;
  for (const [kind, text] of parts(sample)) {
    if (left <= 0) break;
    const words = text.slice(skip, skip + left);
    skip = Math.max(0, skip - text.length);
    if (!words) continue;
    left -= words.length;
    const inner = kind & 1 ? el("span", { class: "odd", title: "not an English word" }, words) : visible(words);
    made.push(kind & 2 ? el("mark", {}, inner) : inner);
  }
  return made;
}

// What is said of a text below it.
const remarks = (sample) => [
  ...sample.loops.map((loop) => el("p", { class: "hint" }, "repeats «", el("bdi", {}, short(loop.phrase, 200)), `» ${loop.times} times, ` +
    `every ${loop.period === 1 ? "token" : `${loop.period} tokens`}, from character ${whole(loop.start)} on: ` +
    `${Math.round(loop.share * 100)} % of its tokens`)),
  sample.foreign ? el("p", { class: "hint" }, "not English: words are not marked") : null].filter(Boolean);

function text(sample) {
  const { length } = sample.text;
  const full = () => [
    sample.prompt ? el("p", { class: "prompt" }, el("b", {}, "prompt "), el("bdi", {}, sample.prompt)) : null,
    el("p", { class: "answer", dir: "auto" }, length ? marked(sample, Infinity) : el("i", {}, "no text"),
      sample.left_out ? el("i", {}, ` … and ${whole(sample.left_out)} characters more`) : null),
    ...remarks(sample)].filter(Boolean);
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
    el("tr", {}, el("th", { scope: "row" }, sampleLink(sample, whole(sample.step)), el("small", {}, ` #${sample.place}`)),
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
  put(place, el("caption", {}, "Scores from 0 to 100 of what reference text of the same length shows; ", term("low"), " and ", term("streak")),
    el("thead", {}, el("tr", {}, HEADS.map(([name, words]) => el("th", { scope: "col", "aria-sort": sorted(name) },
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
  history.replaceState(null, "", `#${shown.id}`);
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
      onchange: (event) => { view.low = event.target.checked; filter(); } }), "show only low"),
    el("label", {}, "search ", el("input", { id: "words", type: "search", value: view.text,
      oninput: (event) => { view.text = event.target.value; filter(); } })),
    el("span", { class: "hint" }, el("mark", {}, "repeated phrase"), " ", el("span", { class: "odd" }, "not an English word")),
    button("save as CSV", saveTable)),
    el("p", { id: "missing", class: "stale", role: "status" }),
    el("table", { id: "rows" }),
    el("div", { id: "pager", class: "controls" }));
}
