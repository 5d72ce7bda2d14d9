// One prompt over the steps: a ribbon, a slider, and two samples next to each other

let over = { prompt: null, sample: null, pinned: null }; // keys of the prompt and of both samples

const promptOf = (sample) => sample.prompt === null ? "" : String(sample.prompt_id);

// The first sample of each step, by its prompt; prompts of two steps or more. Without prompts: all under "".
function promptGroups(samples) {
  const groups = new Map(), prompted = samples.some((sample) => sample.prompt !== null);
  for (const sample of samples) {
    if (prompted && sample.prompt === null) continue;
    const steps = groups.get(promptOf(sample)) ?? groups.set(promptOf(sample), new Map()).get(promptOf(sample));
    if (!(steps.get(sample.step)?.place <= sample.place)) steps.set(sample.step, sample);
  }
  const bySteps = (one, other) => other[1].length - one[1].length;
  return new Map([...groups].map(([prompt, steps]) => [prompt, [...steps.values()].sort((one, other) => one.step - other.step)])
    .filter(([, found]) => found.length > 1).sort(bySteps));
}

const promptLabel = ([prompt, found], place) => prompt === "" ? "the first sample of each step"
  : `${place + 1}. ${short(visible(found[0].prompt.trim().replace(/\s+/g, " ")), 60)} · ${whole(found.length)} steps`;

// The ribbon: a cell a step, the stronger the higher its mean score, red as far as the sample loops.
const SHADES = 5;
function ribbon(found, marks) {
  const gap = found.length > 100 ? 0 : 0.06, cells = Array(SHADES).fill(""), box = (at, top) => `M${at + gap} ${top}H${at + 1 - gap}V24H${at + gap}Z`;
  let again = "";
  found.forEach((sample, at) => {
    const there = sample.scores.filter((value) => value !== null), mean = there.reduce((sum, value) => sum + value, 0) / (there.length || 1);
    cells[Math.min(SHADES - 1, Math.floor(mean / 100 * SHADES))] += box(at, 0);
    const share = Math.min(1, sample.loops.reduce((sum, loop) => sum + loop.share, 0));
    if (share) again += box(at, (24 * (1 - share)).toFixed(1));
  });
  return [...cells.map((d, shade) => el("path", { d, class: `shade${shade}` })), el("path", { d: again, class: "again" }),
    ...marks.filter((at) => at >= 0).map((at) => el("path", { d: `M${at} 0H${at + 1}V24H${at}Z`, class: "chosen" }))];
}

function promptSection() {
  const turn = (at) => { over.sample = key(groupOnShow()[at]); fillPrompts(); };
  return section("prompts", "One prompt over the steps",
    el("div", { class: "controls" }, el("label", {}, "prompt ", el("select", { id: "prompt", onchange: (event) => {
      over = { prompt: event.target.value, sample: null, pinned: null };
      fillPrompts();
    } }))),
    el("svg", { id: "ribbon", preserveAspectRatio: "none", role: "img", onclick: (event) => {
      const { left, width } = event.currentTarget.getBoundingClientRect(), found = groupOnShow();
      turn(Math.max(0, Math.min(found.length - 1, Math.floor((event.clientX - left) / width * found.length))));
    } }),
    el("input", { id: "moment", type: "range", min: 0, step: 1, "aria-label": "step", oninput: (event) => turn(Number(event.target.value)) }),
    el("div", { class: "controls" }, el("span", { id: "moment-words" }), button("pin", () => {
      over.pinned = over.pinned === null ? over.sample : null;
      fillPrompts();
    }, { id: "pin" }), el("span", { class: "hint" }, "stronger colour: higher mean score; red: the part of the sample that loops")),
    el("div", { id: "moments", class: "pair" }));
}

let grouped = { samples: null, groups: null }; // the slider asks for them again and again

function groupsOnShow() {
  if (grouped.samples !== run.samples) grouped = { samples: run.samples, groups: promptGroups(run.samples) };
  return grouped.groups;
}
const groupOnShow = () => groupsOnShow().get(over.prompt);

function drawPrompts() {
  const place = document.getElementById("prompts-place"), groups = groupsOnShow();
  if (!groups.size) { put(place); return; }
  if (!groups.has(over.prompt)) over = { prompt: [...groups.keys()][0], sample: null, pinned: null };
  if (!document.getElementById("prompts")) put(place, promptSection());
  const select = document.getElementById("prompt"), labels = [...groups].map(promptLabel);
  if (labels.join("\n") !== [...select.options].map((option) => option.label).join("\n"))
    put(select, [...groups.keys()].map((prompt, at) => el("option", { value: prompt }, labels[at])));
  select.value = over.prompt;
  fillPrompts();
}

function fillPrompts() {
  const found = groupOnShow(), keys = found.map(key), of = (wanted) => keys.indexOf(wanted);
  if (of(over.sample) < 0) over.sample = keys.at(-1);
  if (of(over.pinned) < 0) over.pinned = null;
  const at = of(over.sample), pinned = found[of(over.pinned)], slider = document.getElementById("moment"), strip = document.getElementById("ribbon");
  const words = `step ${whole(found[at].step)}, ${whole(at + 1)} of ${whole(found.length)}`;
  slider.max = found.length - 1;
  slider.value = at;
  slider.setAttribute("aria-valuetext", words);
  put(document.getElementById("moment-words"), words);
  strip.setAttribute("viewBox", `0 0 ${found.length} 24`);
  strip.setAttribute("aria-label", `the samples of ${whole(found.length)} steps, from ${whole(found[0].step)} to ${whole(found.at(-1).step)}`);
  put(strip, ribbon(found, [at, of(over.pinned)]));
  put(document.getElementById("pin"), pinned ? `unpin step ${whole(pinned.step)}` : "pin, to compare with another step");
  put(document.getElementById("moments"), pinned ? proof(pinned, "Pinned") : null, proof(found[at], "Shown", pinned));
}
