// Follows a log that still grows, and makes line numbers links that can be kept.
const FOLLOW_MS = 1000, QUIET_MS = 250;
let list = null, button = null, following = false, source = null, timer = 0, busy = false;

function atEnd() { return innerHeight + scrollY >= document.documentElement.scrollHeight - 80; }

function last() { return list.lastElementChild ? Number(list.lastElementChild.id.slice(1)) : 1; }

async function more() {
  timer = 0;
  if (busy || document.hidden) return again();
  busy = true;
  try {
    const answer = await fetch(list.dataset.lines + "after=" + last());
    if (answer.ok) add(await answer.text());
  } catch { /* The hub is away for a moment: what is shown stays, and is asked for again. */ }
  busy = false;
  again();
}

function add(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("ol");
  const stick = following && atEnd();
  for (const line of [...fresh.children]) {
    const shown = document.getElementById(line.id);
    if (shown && shown.isEqualNode(line)) continue;
    if (shown) shown.replaceWith(document.importNode(line, true)); else list.append(document.importNode(line, true));
  }
  if (!("follow" in fresh.dataset)) stop();
  if (stick) scrollTo(0, document.documentElement.scrollHeight);
}

function again() { if (following && !timer) timer = setTimeout(more, FOLLOW_MS); }

function hurry() { if (timer) clearTimeout(timer); timer = setTimeout(more, QUIET_MS); }

function start() {
  following = true;
  button.setAttribute("aria-pressed", "true");
  source = new EventSource(list.dataset.stream);
  source.onmessage = hurry;
  for (const kind of ["log", "data", "end", "ended"]) source.addEventListener(kind, hurry);
  scrollTo(0, document.documentElement.scrollHeight);
  more();
}

function stop() {
  following = false;
  button.setAttribute("aria-pressed", "false");
  if (source) source.close();
  source = null;
}

function begin() {
  list = document.getElementById("lines");
  button = document.getElementById("follow");
  if (!list || "keep" in list.dataset) return;
  list.dataset.keep = "";
  list.addEventListener("click", point);
  const wanted = /^#L(\d+)$/.exec(location.hash);
  if (wanted && !document.getElementById("L" + wanted[1])) location.search = "?line=" + wanted[1];
  if (!("follow" in list.dataset)) return;
  button.hidden = false;
  button.addEventListener("click", () => (following ? stop() : start()));
  if (!wanted) start();
}

// A click on a number keeps the page where it is and puts the line into the address.
function point(event) {
  const link = event.target.closest("li > a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(null, "", link.getAttribute("href"));
  location.hash = new URL(link.href).hash;
}

// "e" goes to the line that went wrong first.
addEventListener("keydown", (event) => {
  const jump = document.querySelector(".tools .bad");
  const writing = /INPUT|SELECT|TEXTAREA/.test(event.target.nodeName);
  if (event.key === "e" && jump && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) jump.click();
});
document.addEventListener("penstock:fresh", begin);
begin();
