"use strict";
(() => {
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (event) => {
    const target = event.target.closest && event.target.closest("[data-tip]");
    if (!target) { hide(); return; }
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    const room = 12, wide = document.documentElement.clientWidth, tall = document.documentElement.clientHeight;
    const left = event.clientX + room + tip.offsetWidth > wide ? event.clientX - room - tip.offsetWidth : event.clientX + room;
    const top = event.clientY + room + tip.offsetHeight > tall ? event.clientY - room - tip.offsetHeight : event.clientY + room;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("pointerleave", hide);
  document.addEventListener("scroll", hide, { passive: true });
  addEventListener("beforeprint", () => { for (const more of document.querySelectorAll("details")) more.open = true; });
})();
