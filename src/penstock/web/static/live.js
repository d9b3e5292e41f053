// Keeps a page as it is now: the hub says that something happened, the page is fetched again, and only what changed
// is changed, so that focus, scrolling, selection and open details stay. Without this file pages are the same, standing still.
const main = document.getElementById("live");
const pulse = document.getElementById("pulse");
const SLOWEST_MS = 10000, FASTEST_MS = 1000, AWAY_MS = 5000;
let stream = null, due = 0, last = 0, lost = false;

function say(state, text) {
  if (pulse.dataset.state === state) return;
  pulse.dataset.state = state;
  pulse.textContent = text;
}

// Makes the children of `old` like those of `fresh`; elements that are known by their id are moved, not made again.
function morph(old, fresh) {
  const kept = new Map();
  for (const child of old.children) if (child.id) kept.set(child.id, child);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.id ? kept.get(wanted.id) : null;
    let found = known || at;
    if (known && known !== at) old.insertBefore(known, at);
    if (!found || !alike(found, wanted) || (found.id && found !== known)) {
      old.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    if (found.nodeType === Node.ELEMENT_NODE) change(found, wanted);
    else if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue;
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

function alike(one, other) { return one.nodeType === other.nodeType && one.nodeName === other.nodeName; }

function change(old, fresh) {
  if (old.dataset && "keep" in old.dataset) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.nodeName === "INPUT" || old.nodeName === "SELECT") return;
  morph(old, fresh);
}

async function refresh() {
  due = 0;
  if (document.hidden || String(getSelection()) !== "" || main.querySelector("form:focus-within")) return later(SLOWEST_MS);
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401) return location.assign("/login");
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    morph(main, page.getElementById("live"));
    document.querySelector("footer time").replaceWith(document.importNode(page.querySelector("footer time"), true));
    document.title = page.title;
    document.dispatchEvent(new Event("penstock:fresh"));
    lost = false;
    if (stream && stream.readyState === EventSource.OPEN) say("live", "live"); else say("polls", "every 10 s");
  } catch {
    lost = true;
    say("away", "the hub does not answer; trying again");
  }
  later(lost ? AWAY_MS : SLOWEST_MS);
}

// One refresh is due at a time, the earliest that was asked for.
function later(wait_ms) {
  const when = Date.now() + wait_ms;
  if (due && due.when <= when) return;
  if (due) clearTimeout(due.timer);
  due = { when, timer: setTimeout(refresh, wait_ms) };
}

function soon() { later(Math.max(0, FASTEST_MS - (Date.now() - last))); }

// A tab that nobody looks at holds no connection: a browser has few of them for one hub.
function listen() {
  if (stream || document.hidden) return;
  stream = new EventSource("/api/v1/events");
  stream.onopen = () => { say("live", "live"); soon(); };
  stream.onmessage = soon;
  for (const kind of ["job", "build", "machine", "farm", "alert", "event", "download"]) stream.addEventListener(kind, soon);
  stream.onerror = () => { if (stream && stream.readyState === EventSource.CLOSED) { stream = null; if (!lost) say("polls", "every 10 s"); } };
}

if (main && "live" in main.dataset) {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (stream) stream.close(); stream = null; } else { listen(); soon(); }
  });
  listen();
  later(SLOWEST_MS);
}
