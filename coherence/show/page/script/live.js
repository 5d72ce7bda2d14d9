// Live: ask again and again for what came since

let told = { epoch: "0", since: -1 }, heard = 0, answered = true, overview = [], holds = "";
let wanted = new URLSearchParams(location.search).get("run"); // survives a reload

function freshness(found) {
  if (!answered) return el("span", { class: "stale" }, `no answer from the server for ${duration((Date.now() - heard) / 1000)}`);
  if (found.reading) return el("span", {}, `reading: ${readSoFar(found)}`);
  if (found.age === null) return el("span", { class: "stale" }, "nothing written yet");
  const age = duration(found.age + (Date.now() - heard) / 1000);
  if (found.ended) return el("span", {}, `halted, ${found.quiet ? "ended" : "updated"} ${age} ago`);
  return found.quiet ? el("span", { class: "stale" }, `stale: nothing written for ${age}`) : el("span", {}, `updated ${age} ago`);
}

const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
const readSoFar = ({ reading: [read, all] }) => `${Math.floor(100 * read / all)} % of ${size(all)}`;

function select(name) {
  wanted = name;
  history.replaceState(null, "", `?${new URLSearchParams({ run: name })}`);
  told = { epoch: "0", since: -1 };
  poll();
}

async function ask(path) {
  const reply = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(POLL) });
  if (!reply.ok) throw new Error(String(reply.status));
  return reply.json();
}

// What is settled of a series is kept, what is not is replaced by what is told next.
function joined(before, [settled, unsettled]) {
  const kept = [...before.kept, ...settled];
  return { kept, all: [...kept, ...unsettled] };
}

const NONE = { kept: [], all: [] };
const columns = (points) => ({ steps: points.map((each) => each[0]), losses: points.map((each) => each[1]), smoothed: points.map((each) => each[2]) });

function take(found) {
  const before = found.whole || !run?.kept ? { samples: NONE, curve: NONE, between: NONE, sources: {} } : run.kept;
  const kept = {
    samples: joined(before.samples, found.samples), curve: joined(before.curve, found.curve),
    between: joined(before.between, found.between),
    stretches: [...(before.stretches ?? []).slice(0, found.curves.at), ...found.curves.stretches],
    sources: Object.fromEntries(Object.entries(found.source_curves).map(([name, part]) =>
      [name, joined(before.sources[name] ?? NONE, part)])),
  };
  const { loss } = found.report;
  if (loss) {
    loss.curve = columns(kept.curve.all);
    loss.source_curves = Object.fromEntries(Object.entries(kept.sources).map(([name, part]) => [name, columns(part.all)]));
  }
  const evidence = found.evidence ?? run?.evidence ?? null;
  const samples = evidence ? withEvidence(kept.samples.all, evidence) : kept.samples.all;
  const { reading, age, quiet, name, report } = found, ended = report.halt && !report.settings.observe;
  return { ...report, headline: (report.headline || report.diagnosis.name) + (reading ? ` · so far: ${readSoFar(found)} read` : ""),
    name, evidence, samples, between: kept.between.all, kept, age, quiet, reading, ended,
    curves: { ...found.curves, stretches: kept.stretches } };
}

const newest = ({ samples }) => `${samples.length} ${samples.length ? key(samples.at(-1)) : ""}`;

async function pollRun(name) {
  const found = await ask(`run.json?${new URLSearchParams({ run: name, ...told })}`);
  if (name !== wanted) return false;
  told = { epoch: found.epoch, since: found.since };
  const same = run?.name === name && !found.whole, before = same && newest(run);
  const legend = same && curves(run).map((each) => each.name).join();
  const other = run?.name !== name;
  run = take(found);
  if (!same) {
    keepingFocus(() => { draw(); tick(); });
    if (other) goToAddress();
  } else {
    if (legend !== curves(run).map((each) => each.name).join()) put(document.getElementById("figure-place"), figure(run));
    redraw(newest(run) !== before); // what a person has opened stays open if no sample came
    if (sought) goToAddress();
  }
  return found.behind;
}

let waiting = null;

async function poll() {
  clearTimeout(waiting);
  let behind = false;
  try {
    const found = await ask("runs.json");
    if (found.dump) return location.reload(); // there are samples now, though no run
    overview = found.runs.map((each) => ({ ...each, ended: each.halt }));
    holds = found.holds ?? "";
    if (!run && !overview.some((each) => each.run === wanted)) wanted = overview[0]?.run ?? null;
    if (wanted !== null) behind = await pollRun(wanted);
    [heard, answered] = [Date.now(), true];
  } catch (error) {
    answered = false;
  }
  tick();
  clearTimeout(waiting);
  waiting = setTimeout(poll, behind ? 50 : POLL);
}

// Every second: how fresh it is. The runs side by side change with a poll alone.
let shownRuns = "";

function tick() {
  if (!run) return put(main, nothingYet());
  put(document.getElementById("fresh"), freshness(run));
  drawNotify();
  drawTab();
  const words = JSON.stringify([overview, run.name, answered]);
  if (overview.length > 1 && (words !== shownRuns || !document.querySelector("#runs button")))
    keepingFocus(() => put(document.getElementById("runs"), cards(overview, select)));
  shownRuns = words;
}

// The title names a run that halts, whichever is looked at; that first.
function drawTab() {
  const halting = overview.filter((each) => each.halt || each.diagnosis.action === "halt");
  if (answered) notifyOf(halting);
  const named = halting.find((each) => each.run === run.name) ?? halting[0];
  if (!named) return showTab(run.diagnosis.action, run.diagnosis.action, run.name);
  showTab("halt", "halt", named.run + (halting.length > 1 ? ` and ${halting.length - 1} more` : ""));
}

function nothingYet() {
  if (!answered) return el("div", { class: "verdict" }, el("h1", { role: "status" }, "no answer from the server"));
  return el("div", { class: "verdict watch" }, el("h1", { role: "status" }, `no run here yet${holds ? `: this folder holds ${holds}` : ""}`),
    el("p", {}, "A run folder appears here by itself: Monitor and coherence watch write one. Samples in another format appear as a report."),
    el("p", {}, "To see what each file is read as: ", el("code", {}, "coherence audit FOLDER --explain")));
}

if (LIVE) {
  heard = Date.now();
  setInterval(tick, 1000);
  poll();
} else open();
