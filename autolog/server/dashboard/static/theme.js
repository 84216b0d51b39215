// Before anything is drawn: the theme that was chosen here before, and the browser's time zone for the server.
"use strict";
{
  let chosen = null;
  try { chosen = localStorage.getItem("autolog-theme"); } catch { /* storage is switched off */ }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  const path = new URL("../", document.currentScript.src).pathname;
  const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC");
  document.cookie = `autolog_zone=${zone}; path=${path}; max-age=31536000; samesite=lax`;
}
