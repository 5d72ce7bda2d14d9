// Everything

function draw() {
  put(main, LIVE ? el("div", { id: "runs" }) : null, el("header", {}, el("p", { class: "run" }, el("bdi", {}, run.name)),
    LIVE ? el("p", { id: "notify" }) : null, LIVE ? el("p", { id: "fresh", role: "status" }) : null, origin(run)),
  ...["top", "evidence-place", "facts", "figure-place", "prompts-place"].map((id) => el("div", { id })), samples(), el("div", { id: "below" }));
  put(document.getElementById("figure-place"), figure(run));
  redraw(true);
}

function redraw(withTable) {
  if (!LIVE) showTab(run.diagnosis.action, run.diagnosis.action, run.name);
  put(document.getElementById("top"), verdict(run), unused(run));
  drawEvidence();
  keepingFocus(() => put(document.getElementById("facts"), facts(run)));
  if (withTable) {
    keepingFocus(drawTable);
    drawPrompts();
  }
  put(document.getElementById("below"), sources(run), between(run), rest(run));
  drawFigure();
}

const FACT_CONTROLS = "#facts a, #facts button";

// What has the keyboard's attention is drawn anew: its successor gets it.
function keepingFocus(drawing) {
  const held = document.activeElement, card = held.closest?.("#runs li"), at = card && [...card.parentNode.children].indexOf(card);
  const fact = [...document.querySelectorAll(FACT_CONTROLS)].indexOf(held);
  const successor = card ? `#runs li:nth-child(${at + 1}) button` : held.dataset?.sort ? `#rows [data-sort=${held.dataset.sort}]`
    : held.closest?.("#rows tbody") ? `#${held.closest("tbody").id}${held.tagName === "SUMMARY" ? " summary" : ""}` : null;
  drawing();
  if (fact >= 0) document.querySelectorAll(FACT_CONTROLS)[fact]?.focus({ preventScroll: true });
  if (successor && document.activeElement !== held) document.querySelector(successor)?.focus({ preventScroll: true });
}

// What stands so far is shown first. A page that is out of sight is not painted.
const painted = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); setTimeout(done, 300); });

// First the words and the figure, then the samples.
async function open() {
  const { name, report, curves, evidence, made } = JSON.parse(await unpack("told"));
  run = { ...report, name, curves, evidence, made, samples: [] };
  draw();
  await painted();
  run.samples = JSON.parse(await unpack("samples"));
  draw();
  goToAddress();
  watchForNewer();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawFigure);
for (const [event, paper] of [["beforeprint", true], ["afterprint", false]])
  addEventListener(event, () => { document.documentElement.classList.toggle("paper", paper); drawFigure(); });
