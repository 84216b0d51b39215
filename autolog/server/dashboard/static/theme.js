// Before anything is drawn: the theme that was chosen here before, if one was.
"use strict";
{
  let chosen = null;
  try { chosen = localStorage.getItem("autolog-theme"); } catch { /* storage is switched off */ }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
