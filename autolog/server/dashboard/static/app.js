// What pages do beside being read: local times, live rows, the keyboard, copying. Without it they still work.
"use strict";

const byId = (id) => document.getElementById(id);

// Times in the reader's own zone

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.valueOf())) { time.title = time.dateTime; time.textContent = clock.format(at); }
  }
}
localTimes(document);

// Filters by time are in the reader's zone, unless the address says in which one
const zone = byId("zone");
if (zone && !zone.value) {
  zone.value = clock.resolvedOptions().timeZone;
  document.querySelector("#zone-name span").textContent = zone.value;
}

// Light and dark

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("autolog-theme", root.dataset.theme); } catch { /* kept for this page only */ }
}
byId("theme").addEventListener("click", switchTheme);

function toggleKeys() {
  const keys = byId("shortcuts");
  keys.hidden = !keys.hidden;
  byId("keys").setAttribute("aria-expanded", String(!keys.hidden));
}
byId("keys").addEventListener("click", toggleKeys);

// Live rows

const table = byId("logs");
const rows = byId("rows");
const MOST_ROWS = 500;
let source = null;
let address = table?.dataset.events;

function listen() {
  source?.close();
  source = new EventSource(address);
  source.onmessage = (event) => {
    address = address.replace(/after=\d+/, `after=${event.lastEventId}`); // a later connection goes on from here
    const body = document.createElement("tbody");
    body.innerHTML = JSON.parse(event.data); // made by the server's templates, which escape
    localTimes(body);
    for (const row of body.rows) {
      row.classList.add("new");
      const known = rows.querySelector(`tr[data-id="${CSS.escape(row.dataset.id)}"]`);
      if (known) known.replaceWith(row); else rows.prepend(row);
    }
    while (rows.rows.length > MOST_ROWS) rows.rows[rows.rows.length - 1].remove();
    byId("empty")?.remove();
  };
}
const live = byId("live");
if (live && address) {
  // A browser opens few connections to a host: a tab that nobody sees gives its own back.
  const follow = () => { if (live.checked && !document.hidden) listen(); else source?.close(); };
  follow();
  live.addEventListener("change", follow);
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => source?.close());
}

// Rows by keyboard and mouse

let current = null;
function select(step) {
  const all = rows ? [...rows.rows] : [];
  if (!all.length) return;
  current?.classList.remove("current");
  const at = current ? all.indexOf(current) : -1; // rows may have come above it
  current = all[Math.max(0, Math.min(all.length - 1, at + step))];
  current.classList.add("current");
  current.querySelector("a")?.focus();
  current.scrollIntoView({ block: "nearest" });
}
rows?.addEventListener("click", (event) => {
  if (event.target.closest("a, button") || getSelection().toString()) return;
  event.target.closest("tr")?.querySelector("a")?.click();
});

// Marking two to compare

const marked = [];
function mark() {
  const row = current;
  if (!row || !byId("marked")) return;
  const at = marked.indexOf(row.dataset.id);
  if (at >= 0) marked.splice(at, 1); else marked.push(row.dataset.id);
  row.classList.toggle("marked", at < 0);
  const note = byId("marked");
  note.hidden = !marked.length;
  note.querySelector("span").textContent = String(marked.length);
  const [a, b] = marked.slice(-2);
  const link = note.querySelector("a");
  link.href = link.getAttribute("href").split("?")[0] + "?" + new URLSearchParams(b ? { a, b } : { a: a ?? "" });
}

// The keyboard

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const keys = {
    j: () => select(1),
    k: () => select(-1),
    c: mark,
    n: () => byId("newer")?.click(),
    p: () => byId("older")?.click(),
    t: switchTheme,
    "?": toggleKeys,
    "/": () => byId("search")?.focus(),
  };
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

// Copying

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no permission, or no secure page: the selection is there to copy by hand
      getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
