// What is passed on: the address of a sample, a copied command, the table as a file

const SAMPLE_ADDRESS = /^#sample-(-?\d+-\d+)$/;

const sampleLink = (sample, words) => el("a", { href: `#sample-${key(sample)}`, onclick: (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // opened in another tab
  event.preventDefault();
  goToKey(key(sample));
} }, words);

// A step as a link to its first sample, or to one given; plain words if the page has none of it.
function stepLink(step, words, given) {
  const found = given?.step === step ? given : run.samples.find((sample) => sample.step === step);
  return found ? sampleLink(found, words) : words;
}

let sought = false; // whether the address names a sample that is not here yet

function goToKey(wanted) {
  const place = run.samples.findIndex((sample) => key(sample) === wanted);
  sought = place < 0;
  put(document.getElementById("missing"), place < 0 ? `This page does not show sample ${wanted.replace(/-(\d+)$/, " #$1")}.` : null);
  goTo(place);
}

// Go to the sample that the address of the page names, if it names one.
function goToAddress() {
  const found = SAMPLE_ADDRESS.exec(location.hash);
  if (found && run?.samples) goToKey(found[1]);
}
addEventListener("hashchange", goToAddress);

const said = el("p", { role: "status", class: "unseen" });
document.body.append(said);

async function copy(words) {
  try {
    await navigator.clipboard.writeText(words);
  } catch { // not allowed, or not there: the page comes over plain http
    const field = el("textarea", { class: "unseen", "aria-label": "to be copied" }), before = document.activeElement;
    field.value = words;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    before?.focus();
  }
  put(said, `copied: ${words}`);
}
const copyButton = (what, words) => button("copy", () => copy(words), { class: "copy", "aria-label": `copy ${what}` });

function save(name, type, content) {
  const link = el("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name.replace(/[^\w.-]+/g, "_") });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// What a spreadsheet would take for a formula.
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

function cell(value) {
  if (typeof value !== "string") return value === null || value === undefined ? "" : String(value);
  const harmless = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

const COLUMNS = ["step", "place", ...SCALES, "tokens", "low", "streak", "loss", "prompt", "text", "left_out"];
const columnsOf = (sample) => COLUMNS.map((name) => SCALES.includes(name) ? sample.scores[SCALES.indexOf(name)] : sample[name]);
const asCsv = (samples) => [COLUMNS, ...samples.map(columnsOf)].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
const saveTable = () => save(`${run.name}-samples.csv`, "text/csv;charset=utf-8", asCsv(chosen()));
