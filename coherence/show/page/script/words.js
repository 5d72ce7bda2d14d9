// Draws a report, once or again and again. All text of a run goes through textContent.
"use strict";

const SCALES = ["bigram", "trigram", "english", "character"];
const PER_PAGE = 50, FOLD = 280, POLL = 10_000;
const LIVE = document.body.dataset.mode === "live";
const main = document.getElementById("page");

let run = null; // the report on show, with `name`
let view = { sort: "step", down: false, low: false, text: "", at: 0, open: new Set() };
let hidden = new Set(); // curves that are switched off

// Words and numbers

const REPLACED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const visible = (text) => text.replace(REPLACED, (char) => {
  const code = char.charCodeAt(0);
  return code < 32 ? String.fromCharCode(0x2400 + code) : code === 127 ? "␡" : "\ufffd";
});
const whole = (value) => (value ?? null) === null ? "none" : value.toLocaleString("en-US");
const number = (value) => (value ?? null) === null ? "–" : Math.abs(value) >= 1e9 ? Number(value.toPrecision(3)).toExponential()
  : Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
const score = (value) => (value ?? null) === null ? "–" : String(Math.floor(value));
const duration = (seconds) => {
  for (const [size, name] of [[86400, "days"], [3600, "hours"], [60, "minutes"]])
    if (seconds >= 2 * size) return `${(seconds / size).toFixed(seconds < 10 * size ? 1 : 0)} ${name}`;
  return `${Math.round(seconds)} seconds`;
};
const short = (text, length) => text.length > length ? text.slice(0, length) + "…" : text;

// How many lines could not be used, where they are a fifth or more: the verdict is of the rest. A loss that is not
// finite is noted as a problem, and yet the verdict uses it.
function unused(report) {
  const count = Math.max(0, report.problem_count - (report.loss?.not_finite ?? 0));
  const judged = report.runs ? report.runs.reduce((sum, each) => sum + each.judged, 0)
    : report.judged + report.too_short + report.templated + (report.loss?.rows ?? 0);
  return count && 5 * count >= count + judged
    ? el("p", { class: "unused" }, `${whole(count)} of ${whole(count + judged)} lines could not be used.`) : null;
}

const DRAWN = ["svg", "path", "g", "line", "rect", "circle", "text", "title", "clipPath"];

// Elements: attributes, listeners (`onclick`) and children; a string is text, whatever is in it.
function el(tag, attributes = {}, ...children) {
  const made = DRAWN.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat())
    if (child !== null && child !== undefined) made.append(typeof child === "string" ? visible(child) : child);
  return made;
}
const section = (id, title, ...children) =>
  el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
const button = (label, onclick, attributes = {}) => el("button", { type: "button", onclick, ...attributes }, label);
const put = (place, ...children) => place && place.replaceChildren(...children.flat().filter(Boolean));

// A part of the page that is packed in it.
async function unpack(id) {
  const packed = document.getElementById(`packed-${id}`);
  if (!packed) return "";
  const chars = atob(packed.textContent), bytes = new Uint8Array(chars.length);
  for (let at = 0; at < chars.length; at++) bytes[at] = chars.charCodeAt(at);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}
