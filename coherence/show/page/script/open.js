// Everything

function draw() {
  put(main, LIVE ? el("div", { id: "runs" }) : null, el("header", {}, el("p", { class: "run" }, el("bdi", {}, run.name)),
    LIVE ? el("p", { id: "notify" }) : null, LIVE ? el("p", { id: "fresh", role: "status" }) : null), el("div", { id: "top" }), el("div", { id: "figure-place" }),
  samples(), el("div", { id: "below" }));
  put(document.getElementById("figure-place"), figure(run));
  redraw(true);
}

function redraw(withTable) {
  if (!LIVE) showTab(run.diagnosis.action, run.diagnosis.action, run.name);
  put(document.getElementById("top"), verdict(run), unused(run), facts(run));
  if (withTable) keepingFocus(drawTable);
  put(document.getElementById("below"), sources(run), between(run), rest(run));
  drawFigure();
}

// What has the keyboard's attention is drawn anew: its successor gets it.
function keepingFocus(drawing) {
  const held = document.activeElement, card = held.closest?.("#runs li"), at = card && [...card.parentNode.children].indexOf(card);
  const successor = card ? `#runs li:nth-child(${at + 1}) button` : held.dataset?.sort ? `#rows [data-sort=${held.dataset.sort}]`
    : held.closest?.("#rows tbody") ? `#${held.closest("tbody").id}${held.tagName === "SUMMARY" ? " summary" : ""}` : null;
  drawing();
  if (successor && document.activeElement !== held) document.querySelector(successor)?.focus({ preventScroll: true });
}

// What stands so far is shown first. A page that is out of sight is not painted.
const painted = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); setTimeout(done, 300); });

// First the words, then the samples, then what draws the figure.
async function open() {
  const { name, report } = JSON.parse(await unpack("told"));
  run = { ...report, name, samples: [] };
  draw();
  await painted();
  run.samples = JSON.parse(await unpack("samples"));
  draw();
  watchForNewer();
  await painted();
  const charts = await unpack("charts");
  if (!charts) return;
  const script = document.createElement("script");
  script.textContent = charts;
  document.head.append(script);
  drawFigure();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawFigure);
for (const [event, paper] of [["beforeprint", true], ["afterprint", false]])
  addEventListener(event, () => { document.documentElement.classList.toggle("paper", paper); drawFigure(); });
