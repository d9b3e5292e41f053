// Fetches the page again and puts in what changed; stops while the tab is hidden or the user selects text.
const main = document.getElementById("live");
const every = Number(main.dataset.live) * 1000;
async function refresh() {
  if (document.hidden || String(getSelection()) !== "") return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh && fresh.innerHTML !== main.innerHTML) main.innerHTML = fresh.innerHTML;
  } catch { /* The hub is away for a moment: the page stays as it is. */ }
}
if (every) setInterval(refresh, every);
