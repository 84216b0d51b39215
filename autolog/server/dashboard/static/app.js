// What pages do beside being read: live rows, choosing spans, the keyboard, copying. Without it they still work.
"use strict";

const byId = (id) => document.getElementById(id);

// Light and dark

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("autolog-theme", root.dataset.theme); } catch { /* kept for this page only */ }
}
byId("theme").addEventListener("click", switchTheme);

const more = byId("more");
more?.addEventListener("click", () => {
  const open = more.parentElement.classList.toggle("open");
  more.setAttribute("aria-expanded", String(open));
});

function toggleKeys() {
  const keys = byId("shortcuts");
  keys.hidden = !keys.hidden;
  byId("keys").setAttribute("aria-expanded", String(!keys.hidden));
}
byId("keys").addEventListener("click", toggleKeys);

// Menus close when one clicks elsewhere or presses Escape

addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]:not(.inplace)")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  if (open) { open.open = false; open.querySelector("summary").focus(); } else if (!byId("shortcuts").hidden) toggleKeys();
});

// The address of a search has only the fields that were filled in

addEventListener("formdata", ({ target, formData }) => {
  if (target.method !== "get") return;
  const filled = [...formData].filter(([, value]) => value !== "");
  for (const name of new Set([...formData.keys()])) formData.delete(name);
  for (const [name, value] of filled) formData.append(name, value);
});

// Parts of a page that come after it: made by the server's templates, which escape

async function fill(target, address) {
  let answer;
  try {
    answer = await fetch(address);
  } catch { // the page is being left, or the server is gone
    return false;
  }
  if (answer.redirected && answer.url.includes("/ui/login")) location.reload(); // the session has ended
  else if (answer.ok) target.innerHTML = await answer.text();
  return answer.ok && !answer.redirected;
}

const sums = byId("sums");
if (sums) fill(sums, sums.dataset.address).then(() => brush(sums.querySelector(".histogram")));
function fillAll(within) {
  for (const late of within.querySelectorAll("[data-fill]")) fill(late, late.dataset.fill).then(() => late.removeAttribute("data-fill"));
}
fillAll(document);
// Filters that are suggested, of what is there

const searchField = byId("search");
const suggestions = byId("suggestions");
const REPEATED = ["tag", "metadata", "score"];
const MOST_SUGGESTED = 9;
let values = null;
async function loadKnown() {
  if (values) return;
  values = {};
  try {
    const answer = await fetch(searchField.dataset.known);
    if (answer.ok) values = await answer.json();
  } catch { return; } // the page is being left
  for (const [name, some] of Object.entries(values)) {
    const list = document.createElement("datalist");
    list.id = `known-${name}`;
    list.append(...some.map((value) => new Option(value, value)));
    byId("filters").append(list);
  }
  if (document.activeElement === searchField) suggest();
}
function suggested(typed) {
  const [, name, wanted] = typed.match(/^(\w+)\s*[:=]\s*(.*)$/) ?? [null, null, typed];
  const named = name?.toLowerCase().replace("version", "prompt_version");
  const of = Object.entries(values ?? {}).flatMap(([key, some]) => some.map((value) => [key, value]));
  const found = of.filter(([key, value]) => (!named || key === named || (key === "metadata" && value.toLowerCase().startsWith(typed.toLowerCase())))
    && (value.toLowerCase().includes(wanted.toLowerCase()) || (key === "metadata" && value.toLowerCase().startsWith(typed.toLowerCase()))));
  const begins = ([, value]) => Number(!value.toLowerCase().startsWith(wanted.toLowerCase()));
  return found.sort((one, other) => begins(one) - begins(other)).slice(0, MOST_SUGGESTED);
}
function suggest() {
  const typed = searchField.value.trim();
  const found = typed ? suggested(typed) : [];
  suggestions.replaceChildren(...found.map(([name, value], index) => {
    const item = document.createElement("li");
    item.id = `suggestion-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.dataset.name = name;
    item.dataset.value = value;
    const word = document.createElement("small");
    word.textContent = name.replace("_", " ");
    item.append(word, ` ${value}`);
    return item;
  }));
  showSuggestions(found.length > 0);
}
function showSuggestions(shown) {
  suggestions.hidden = !shown;
  searchField.setAttribute("aria-expanded", String(shown));
  if (!shown) searchField.removeAttribute("aria-activedescendant");
}
function pickSuggestion(by) {
  const all = [...suggestions.children];
  const at = all.findIndex((item) => item.getAttribute("aria-selected") === "true");
  all[at]?.setAttribute("aria-selected", "false");
  const picked = all[at + by] ?? (by > 0 ? all[0] : null);
  picked?.setAttribute("aria-selected", "true");
  if (picked) searchField.setAttribute("aria-activedescendant", picked.id);
  else searchField.removeAttribute("aria-activedescendant");
}
function addFilter({ name, value }) {
  const address = new URL(location.href);
  for (const place of ["past", "offset"]) address.searchParams.delete(place);
  if (REPEATED.includes(name)) address.searchParams.append(name, value);
  else address.searchParams.set(name, value);
  location.assign(address);
}
if (suggestions) {
  searchField.addEventListener("focus", loadKnown);
  byId("filters").parentElement.addEventListener("toggle", loadKnown);
  searchField.addEventListener("input", suggest);
  searchField.addEventListener("blur", () => showSuggestions(false));
  suggestions.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const item = event.target.closest("li");
    if (item) addFilter(item.dataset);
  });
  searchField.form.addEventListener("submit", (event) => {
    const [, name, value] = searchField.value.trim().match(/^(\w+)\s*[:=]\s*(\S.*)$/) ?? [];
    const only = suggestions.children.length === 1 ? suggestions.firstElementChild.dataset : null;
    const known = ["since", "until"].includes(name) || byId("filters").querySelector(`[name="${CSS.escape(name ?? "")}"]`);
    if (!known && !(name && only?.name === "metadata")) return;
    event.preventDefault(); // as typed: user:ada, or plan=pro
    addFilter(only ?? { name, value });
  });
  searchField.addEventListener("keydown", (event) => {
    if (suggestions.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      pickSuggestion(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      const picked = suggestions.querySelector("[aria-selected=true]");
      if (!picked) return;
      event.preventDefault();
      addFilter(picked.dataset);
    } else if (event.key === "Escape") {
      event.preventDefault(); // otherwise the browser empties the field
      event.stopPropagation();
      showSuggestions(false);
    }
  });
}

// Choosing a range of time in the histogram

function brush(histogram) {
  const drawing = histogram?.querySelector("svg");
  if (!drawing) return;
  const [since, until] = [Date.parse(histogram.dataset.since), Date.parse(histogram.dataset.until)];
  const width = drawing.viewBox.baseVal.width;
  const place = (event) => {
    const box = drawing.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  let from = null;
  const shade = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  shade.setAttribute("class", "brush");
  shade.setAttribute("height", "100%");
  drawing.addEventListener("pointerdown", (event) => {
    from = place(event);
    drawing.setPointerCapture(event.pointerId);
    drawing.append(shade);
  });
  drawing.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = place(event);
    shade.setAttribute("x", String(Math.min(from, to) * width));
    shade.setAttribute("width", String(Math.abs(to - from) * width));
  });
  drawing.addEventListener("pointerup", (event) => {
    const [a, b] = [from, place(event)].sort((one, other) => one - other);
    from = null;
    if (b - a < 0.005) { shade.remove(); return; }
    const at = (share) => new Date(since + share * (until - since)).toISOString();
    const address = new URL(location.href);
    for (const name of ["past", "offset", "zone"]) address.searchParams.delete(name);
    address.searchParams.set("since", at(a));
    address.searchParams.set("until", at(b));
    location.assign(address);
  });
}

// The spans of a trace: one is chosen without loading the page anew

const tree = byId("tree");
const detail = byId("detail");
const spans = tree ? [...tree.querySelectorAll("li")] : [];
let chosen = tree?.querySelector(".chosen");

function highlight(found) {
  if (!found || !window.Highlight) return;
  const ranges = [];
  const walker = document.createTreeWalker(detail, NodeFilter.SHOW_TEXT);
  const wanted = found.toLowerCase();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.data.toLowerCase();
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, Math.min(node.length, at + wanted.length));
      ranges.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}
if (detail) highlight(detail.dataset.found);

// A span's details are asked for when the button goes down, some time before it is up and the span is chosen.
async function detailOf(item) {
  const address = new URL(item.querySelector("a").href);
  address.searchParams.set("part", "detail");
  const holder = document.createElement("div");
  return await fill(holder, address) ? holder : null;
}
let ahead = {};
let asked = 0;
async function choose(item, remember = true) {
  const link = item?.querySelector("a");
  if (!link) return;
  const turn = ++asked;
  const coming = ahead.item === item ? ahead.coming : detailOf(item);
  ahead = {};
  chosen?.classList.remove("chosen");
  chosen?.querySelector("a").removeAttribute("aria-current");
  chosen = item;
  item.classList.add("chosen");
  link.setAttribute("aria-current", "true");
  const slow = setTimeout(() => { if (turn === asked) detail.classList.add("loading"); }, 200); // draws no frames, as a transition does
  if (remember) history.pushState({ span: item.dataset.id }, "", link.href);
  item.scrollIntoView({ block: "nearest" });
  const holder = await coming;
  clearTimeout(slow);
  if (holder && turn === asked) {
    detail.replaceChildren(...holder.childNodes);
    document.title = `${link.textContent} · autolog`;
    const crumb = document.querySelector(".crumbs [aria-current]");
    if (crumb) crumb.textContent = link.textContent;
    highlight(detail.dataset.found);
    fillAll(detail);
  }
  if (turn === asked) detail.classList.remove("loading");
}

function foldSpans(item, folded) {
  const toggle = item.querySelector(".toggle");
  if (!toggle) return;
  toggle.setAttribute("aria-expanded", String(!folded));
  toggle.textContent = folded ? "▸" : "▾";
}
function showSpans() {
  const wanted = byId("search").value.trim().toLowerCase();
  let hiddenBelow = Infinity;
  for (const item of spans) {
    const depth = Number(item.dataset.depth);
    if (depth <= hiddenBelow) hiddenBelow = Infinity;
    const matches = !wanted || item.textContent.toLowerCase().includes(wanted);
    item.hidden = wanted ? !matches : depth > hiddenBelow;
    if (!wanted && hiddenBelow === Infinity && item.querySelector(".toggle[aria-expanded=false]")) hiddenBelow = depth;
  }
}
if (tree) {
  tree.addEventListener("pointerdown", (event) => {
    const item = event.button === 0 && event.target.closest("a")?.closest("li");
    if (item) ahead = { item, coming: detailOf(item) };
  });
  tree.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    const toggle = event.target.closest(".toggle");
    if (toggle) {
      foldSpans(item, toggle.getAttribute("aria-expanded") === "true");
      showSpans();
    } else if (event.target.closest("a") && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      choose(item);
    }
  });
  byId("search").addEventListener("input", showSpans);
  byId("fold").addEventListener("click", (event) => {
    const fold = event.target.textContent === "Collapse all";
    for (const item of spans) foldSpans(item, fold);
    event.target.textContent = fold ? "Expand all" : "Collapse all";
    showSpans();
  });
  byId("next-error")?.addEventListener("click", () => {
    const failed = spans.filter((item) => item.classList.contains("failed"));
    const at = spans.indexOf(chosen);
    choose(failed.find((item) => spans.indexOf(item) > at) ?? failed[0]);
  });
  addEventListener("popstate", (event) => {
    const item = spans.find((one) => one.dataset.id === event.state?.span) ?? spans.find((one) => one.querySelector("a").href === location.href) ?? spans[0];
    choose(item, false);
  });
  chosen?.scrollIntoView({ block: "nearest" });
}
function step(by) {
  const shown = spans.filter((item) => !item.hidden);
  const at = shown.indexOf(chosen);
  choose(shown[Math.max(0, Math.min(shown.length - 1, at + by))]);
}

// Details that are fetched when they are opened

for (const late of document.querySelectorAll("details[data-address]")) {
  late.addEventListener("toggle", () => {
    if (late.open && late.dataset.address) fill(late.querySelector(".late"), late.dataset.address);
    if (late.open) late.dataset.address = "";
  });
}

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
// Back to the list is back to the row that was opened
const OPENED = "autolog-opened";
rows?.addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  try { if (row?.dataset.id) sessionStorage.setItem(OPENED, JSON.stringify([location.href, row.dataset.id])); } catch { /* none is remembered */ }
}, true);
if (rows && performance.getEntriesByType("navigation")[0]?.type === "back_forward") {
  let opened = [];
  try { opened = JSON.parse(sessionStorage.getItem(OPENED) ?? "[]"); } catch { /* none is remembered */ }
  const row = opened[0] === location.href && rows.querySelector(`tr[data-id="${CSS.escape(opened[1])}"]`);
  if (row) { current = row; select(0); }
}
rows?.addEventListener("click", (event) => {
  if (event.target.closest("a, button") || getSelection().toString()) return;
  event.target.closest("tr")?.querySelector("a")?.click();
});

// Marking two to compare

let marked = [];
try { marked = JSON.parse(sessionStorage.getItem("autolog-marked") ?? "[]"); } catch { /* storage is switched off */ }
function mark() {
  if (!current || !byId("marked")) return;
  const at = marked.indexOf(current.dataset.id);
  if (at >= 0) marked.splice(at, 1); else marked.push(current.dataset.id);
  showMarked();
}
function showMarked() {
  const note = byId("marked");
  if (!note) return;
  try { sessionStorage.setItem("autolog-marked", JSON.stringify(marked)); } catch { /* kept for this page only */ }
  for (const row of rows.rows) row.classList.toggle("marked", marked.includes(row.dataset.id));
  note.hidden = !marked.length;
  note.querySelector("span").textContent = String(marked.length);
  const [a, b] = marked.slice(-2);
  const link = note.querySelector("a");
  link.href = link.getAttribute("href").split("?")[0] + "?" + new URLSearchParams(b ? { a, b } : { a: a ?? "" });
}
byId("unmark")?.addEventListener("click", () => { marked = []; showMarked(); });
showMarked();

// A chart as a file: its drawing with the colours that it has here, its title and its legend

const SVG = "http://www.w3.org/2000/svg";
function chartFile(figure) {
  const drawing = figure.querySelector("svg");
  const copy = drawing.cloneNode(true);
  const originals = drawing.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((part, index) => {
    const style = getComputedStyle(originals[index]);
    for (const name of ["fill", "stroke", "stroke-width", "font-size", "text-anchor"]) part.setAttribute(name, style.getPropertyValue(name));
  });
  copy.querySelectorAll("a").forEach((link) => link.remove());
  const { width, height } = drawing.viewBox.baseVal;
  const text = (words, x, y, fill, size) => {
    const made = document.createElementNS(SVG, "text");
    made.textContent = words;
    for (const [name, value] of Object.entries({ x, y, fill, "font-size": size })) made.setAttribute(name, value);
    copy.prepend(made);
  };
  let [x, y] = [0, 0]; // the legend, in as many lines as it takes
  const keys = [...figure.querySelectorAll(".legend .key")].map((key) => {
    const wide = 30 + 7.2 * key.textContent.length;
    if (x && x + wide > width) [x, y] = [0, y + 18];
    const at = [key, x, y];
    x += wide;
    return at;
  });
  const above = 58 + y;
  text(figure.querySelector("figcaption span").firstChild.textContent, 0, 20 - above, getComputedStyle(figure).color, 16);
  for (const [key, left, down] of keys) text(`■ ${key.textContent}`, left, 42 + down - above, getComputedStyle(key, "::before").backgroundColor, 12);
  const [margin, bottom] = [16, 10];
  const box = [-margin, -above - 8, width + 2 * margin, height + above + 8 + bottom];
  copy.setAttribute("viewBox", box.join(" "));
  copy.setAttribute("width", box[2]);
  copy.setAttribute("height", box[3]);
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("font-family", "system-ui, sans-serif");
  const ground = document.createElementNS(SVG, "rect");
  ["x", "y", "width", "height"].forEach((name, index) => ground.setAttribute(name, box[index]));
  ground.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  copy.prepend(ground);
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
}
for (const button of document.querySelectorAll("button.keep")) {
  button.hidden = false;
  const title = button.parentElement.firstChild.textContent.trim();
  button.setAttribute("aria-label", `Save the chart ${title} as a picture`);
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(chartFile(button.closest("figure")));
    link.download = `${title.toLowerCase().replaceAll(" ", "-")}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

// The keyboard

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") {
      event.preventDefault(); // otherwise the browser empties a search field
      event.target.blur();
    }
    return;
  }
  const keys = {
    j: () => (tree ? step(1) : select(1)),
    k: () => (tree ? step(-1) : select(-1)),
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

addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const pre = button.parentElement.querySelector("pre");
  const { address, copy } = button.dataset;
  const text = address ? new URL(address, location.href).href : copy ?? pre.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission, or no secure page: the selection is there to copy by hand
    getSelection().selectAllChildren(pre ?? button.closest(".message") ?? button);
    document.execCommand("copy");
  }
  const words = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = words; }, 1500);
});
