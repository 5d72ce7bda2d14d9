// The figure as a file: colours resolved, no script, nothing from elsewhere

const LOOKS = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "font-family", "font-size",
  "font-weight", "text-anchor", "paint-order"];

// What the style sheet says of each element, written down in it: the inner ones first, for rules name outer ones as well.
function resolve(element) {
  for (const child of element.children) resolve(child);
  const style = getComputedStyle(element);
  for (const name of LOOKS) {
    const value = style.getPropertyValue(name);
    if (value && value !== "auto") element.setAttribute(name, value);
  }
  element.removeAttribute("class");
}

function figureFile() {
  const { svg } = picture(run, 1100, true), height = Number(svg.getAttribute("height")) + 34;
  const title = el("text", { class: "label", x: 4, y: 18 }, `${short(run.name, 80)} · ${short(run.diagnosis.name, 80)}`);
  const inner = el("g", { transform: "translate(0 34)" }, [...svg.children]);
  const whole = el("svg", { viewBox: `0 0 1100 ${height}`, width: 1100, height, class: "drawn" },
    el("rect", { class: "ground", width: 1100, height }), title, inner);
  document.getElementById("chart").append(whole); // only what is in the page has a style
  resolve(whole);
  whole.remove();
  for (const each of ["role", "aria-label"]) whole.removeAttribute(each);
  return new XMLSerializer().serializeToString(whole);
}

const fileName = (ending) => `${run.name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80) || "run"}-figure.${ending}`;

function offer(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const saveSvg = () => offer(new Blob([figureFile()], { type: "image/svg+xml" }), fileName("svg"));

async function figurePixels() {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(figureFile())}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

const savePng = async () => offer(await figurePixels(), fileName("png"));
