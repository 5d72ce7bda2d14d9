// The evidence: the last good sample next to those that halted the run

const EXCERPT = 300, LEAD = 60; // characters that are shown, and how many of them before the first loop

const change = (value, before) => value === null || before === null ? "" : `${value < before ? "−" : "+"}${score(Math.abs(value - before))}`;

// The four scores as bars; next to another sample also how they differ from its scores.
function bars(sample, other) {
  const { threshold } = run.settings;
  return el("div", { class: other ? "bars compared" : "bars" }, SCALES.flatMap((name, place) => {
    const value = sample.scores[place], under = value !== null && value < threshold;
    return [el("span", {}, name),
      el("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true", class: under ? "under" : undefined },
        el("path", { d: "M0 0H100V8H0Z", class: "ground" }), el("path", { d: `M0 0H${value ?? 0}V8H0Z`, class: "value" }),
        el("path", { d: `M${threshold} 0V8`, class: "limit" })),
      el("b", { class: under ? "under" : undefined }, score(value)),
      other ? el("span", {}, change(value, other.scores[place])) : null];
  }));
}

// Where an excerpt begins: at the start, or shortly before the first loop if that comes late.
function excerptStart(sample) {
  let at = 0;
  for (const [kind, words] of parts(sample)) {
    if (kind & 2) return at > EXCERPT / 2 ? at - LEAD : 0;
    at += words.length;
  }
  return 0;
}

// A text folded to an excerpt with its loop; unfolded it is whole.
function excerpt(sample) {
  const start = excerptStart(sample), left = sample.text.length + sample.left_out - start - EXCERPT;
  const all = el("p", { class: "answer", dir: "auto" }, sample.text ? marked(sample, Infinity) : el("i", {}, "no text"),
    sample.left_out ? el("i", {}, ` … and ${whole(sample.left_out)} characters more`) : null);
  if (!start && left <= 0) return all;
  return el("details", { class: "text" }, el("summary", {}, el("span", { class: "excerpt", dir: "auto" },
    start ? el("i", {}, `${whole(start)} characters … `) : null, marked(sample, EXCERPT, start),
    left > 0 ? el("i", {}, ` … ${whole(left)} more`) : null), el("span", { class: "fold" }, "fold")), all);
}

function proof(sample, title, other) {
  return el("article", { class: `proof ${sample.low ? "bad" : "good"}` },
    el("h3", {}, `${title} · `, sampleLink(sample, `step ${whole(sample.step)}`), el("small", {}, ` #${sample.place}`)),
    bars(sample, other),
    sample.prompt ? el("p", { class: "prompt" }, el("b", {}, "prompt "), el("bdi", {}, short(sample.prompt, EXCERPT))) : null,
    excerpt(sample), ...remarks({ ...sample, loops: sample.loops.slice(0, 1) }));
}

function others(samples) {
  return samples.map((sample) => el("details", {}, el("summary", {},
    `step ${whole(sample.step)} #${sample.place}: `, el("span", { dir: "auto" }, short(sample.text.trim(), 60) || "no text")),
  proof(sample, "Also low")));
}

const titleOfGood = (good, { resume_from: back, diagnosis }) => good.step !== back ? "The last good sample"
  : ["pivot", "halt"].includes(diagnosis.action) ? "At the step to go back to" : "At the best checkpoint";

function titlesOfBad(halt, count) {
  if (!halt) return ["the worst sample", "The worst sample"];
  if (count === 1) return ["the sample that halted the run", "It halted the run"];
  return ["the samples that halted the run", `The first of the ${count} that halted the run`];
}

function evidence(report) {
  const { evidence: { good, bad }, halt, judged, low, diagnosis } = report, [first, ...more] = bad;
  if (!first) return diagnosis.action === "continue" && judged && !low ? el("p", { class: "fine" }, `✓ All ${whole(judged)} judged samples are fine.`) : null;
  const [what, title] = titlesOfBad(halt, bad.length), same = good && good.prompt !== null && good.prompt_id === first.prompt_id;
  const right = el("div", {}, proof(first, title), more.length ? el("div", { class: "more" }, others(more)) : null);
  if (!good) return section("evidence", `There was no good sample before ${what}`, right);
  return section("evidence", `A good sample and ${what}${same ? ", same prompt" : ""}`,
    el("div", { class: "pair" }, proof(good, titleOfGood(good, report)), right));
}

let shownEvidence = [];

// It is drawn again only if it, or what is said of it, is another: what was opened stays open.
function drawEvidence() {
  const place = document.getElementById("evidence-place"), { halt, resume_from: back, judged, low, diagnosis } = run;
  const drawn = [run.evidence, halt, back, diagnosis.action, ...(run.evidence?.bad.length ? [] : [judged, low])];
  if (place.childNodes.length && drawn.every((each, at) => each === shownEvidence[at])) return;
  shownEvidence = drawn;
  put(place, run.evidence ? evidence(run) : null);
}

// A sample of the evidence is among those of the page, whatever was downsampled.
function withEvidence(samples, { good, bad }) {
  const known = new Set(samples.map(key)), more = [good, ...bad].filter((each) => each && !known.has(key(each)));
  return more.length ? [...samples, ...more].sort((one, other) => one.step - other.step || one.place - other.place) : samples;
}

// On paper the evidence is unfolded.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("#evidence details:not([open])")];
  for (const each of unfolded) each.open = true;
});
addEventListener("afterprint", () => { for (const each of unfolded) each.open = false; });
