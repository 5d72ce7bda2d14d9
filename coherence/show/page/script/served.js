// A report that a server hands out: it asks whether there is a newer one, and shows that

const SERVED = document.body.dataset.mode.endsWith(" served");
let shownTag = null;

async function askForNewer() {
  try {
    const reply = await fetch(location.pathname, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(POLL) });
    if (!reply.ok) throw new Error(String(reply.status));
    const tag = reply.headers.get("ETag");
    shownTag ??= tag;
    if (tag !== shownTag) return newer();
  } catch (error) { /* the server is away: what was read stays */ }
  setTimeout(askForNewer, POLL);
}

// Someone who reads is not disturbed.
function newer() {
  if (scrollY === 0) location.reload();
  else if (!document.querySelector(".newer")) main.prepend(el("p", { class: "newer", role: "status" }, "The files have changed. ", button("show what is new", () => location.reload())));
}

function watchForNewer() {
  if (SERVED) askForNewer();
}
