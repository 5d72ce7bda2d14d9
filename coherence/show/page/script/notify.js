// A notification when a run halts, if the person asks for it and the browser allows it

const ASKED = "coherence-notify";
const canNotify = LIVE && isSecureContext && "Notification" in window;
let halts = null; // the runs that are known to halt; those of the beginning need no notification

const notifies = () => canNotify && Notification.permission === "granted" && stored() === "yes";

function stored(value) {
  try {
    if (value) localStorage.setItem(ASKED, value);
    return localStorage.getItem(ASKED);
  } catch (error) { return null; } // the browser keeps nothing for this page
}

async function askToNotify() {
  if (notifies()) stored("not any more");
  else if (await Notification.requestPermission() === "granted") stored("yes");
  drawNotify();
}

function drawNotify() {
  const place = document.getElementById("notify");
  if (!canNotify || !place) return;
  const words = Notification.permission === "denied" ? "this browser blocks notifications of this page"
    : notifies() ? "✓ a notification comes when a run halts" : "tell me when a run halts";
  if (place.innerText === words) return;
  put(place, button(words, askToNotify, { disabled: Notification.permission === "denied", "aria-pressed": String(notifies()) }));
}

// Once for each halt: a run that is acknowledged and halts again is named again.
function notifyOf(halting) {
  const names = new Set(halting.map((each) => each.run));
  for (const each of halting)
    if (halts && !halts.has(each.run) && notifies()) notify(each);
  halts = names;
}

function notify({ run: name, diagnosis, last_step: step }) {
  try {
    new Notification(`■ halt: ${visible(short(name, 80))}`, { body: `${diagnosis.name}, step ${whole(step)}`, tag: `halt ${name}` });
  } catch (error) { /* a telephone has no such notifications; the title says it */ }
}
