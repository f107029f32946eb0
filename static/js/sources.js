/** Sources: many files at once with progress for each, and rows that follow what the server does with them. */

import { announce } from "./announce.js";
import { csrfToken } from "./http.js";
import { drawTimes } from "./times.js";

const AT_ONCE = 3;
const WATCH = 2000;
const form = document.getElementById("drop");
const input = document.getElementById("files");
const list = document.getElementById("uploads");
const rows = document.getElementById("source-rows");
const waiting = [];
const tally = { total: 0, done: 0, failed: 0, running: 0 };

input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    form.classList.add("is-over");
  });
}
document.addEventListener("dragleave", (event) => !event.relatedTarget && form.classList.remove("is-over"));
document.addEventListener("drop", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  form.classList.remove("is-over");
  add(event.dataTransfer.files);
});
list.addEventListener("click", (event) => event.target.closest("[data-remove]")?.closest(".upload").remove());
addEventListener("beforeunload", (event) => tally.running && event.preventDefault());

function add(files) {
  for (const file of files) {
    const row = document.getElementById("upload-template").content.firstElementChild.cloneNode(true);
    row.querySelector("[data-name]").textContent = file.name;
    row.querySelector("progress").setAttribute("aria-label", file.name);
    list.append(row);
    waiting.push({ file, row });
    tally.total += 1;
  }
  list.hidden = tally.total === 0;
  pump();
}

function pump() {
  while (tally.running < AT_ONCE && waiting.length) start(waiting.shift());
  if (tally.total && !tally.running) {
    const failed = tally.failed ? form.dataset.failed.replace("%s", tally.failed) : "";
    announce(`${form.dataset.uploaded} ${failed}`);
    Object.assign(tally, { total: 0, done: 0, failed: 0 });
    watch(0);
  }
}

// XMLHttpRequest and not fetch: only it tells how much of a request has been sent.
function start({ file, row }) {
  tally.running += 1;
  const request = new XMLHttpRequest();
  const progress = row.querySelector("progress");
  request.upload.onprogress = (event) => event.lengthComputable && (progress.value = (event.loaded / event.total) * 100);
  request.onload = () => settle(row, answerOf(request));
  request.onerror = () => settle(row, { error: document.body.dataset.offline });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-CSRFToken", csrfToken());
  const body = new FormData();
  body.append("files", file);
  request.send(body);
}

function answerOf(request) {
  let body = {};
  try {
    body = JSON.parse(request.responseText);
  } catch {
    return { error: `${request.status} ${request.statusText}` };
  }
  if (body.items) return { ...body.items[0], error: body.items[0].error && `${body.items[0].error} ${body.items[0].remedy}` };
  return { error: `${body.error?.message || request.status} ${body.error?.details?.[0]?.remedy || ""}` };
}

function settle(row, answer) {
  tally.running -= 1;
  tally.done += 1;
  if (answer.error) {
    tally.failed += 1;
    row.classList.add("is-bad");
    row.querySelector("[data-error]").hidden = false;
    row.querySelector("[data-error]").textContent = answer.error;
    row.querySelector("[data-remove]").hidden = false;
  } else {
    row.remove();
    list.hidden = !list.children.length;
    show(answer);
  }
  row.querySelector("[data-note]").textContent = "";
  pump();
}

function show(answer) {
  const holder = rows.querySelector("ul.rows");
  if (!holder) return;
  const place = document.createElement("template");
  // A row that the server rendered and escaped.
  place.innerHTML = answer.row.trim();
  document.getElementById(place.content.firstElementChild.id)?.remove();
  holder.prepend(place.content);
  drawTimes(holder);
}

let timer = 0;
function watch(delay = WATCH) {
  clearTimeout(timer);
  timer = setTimeout(refresh, delay);
}

async function refresh() {
  // A menu that is open or a row that has the focus must not be pulled away.
  if (document.hidden || rows.querySelector("details[open]") || rows.contains(document.activeElement)) return watch();
  const was = Number(rows.firstElementChild?.dataset.busy || 0);
  const response = await fetch(form.dataset.list, { headers: { "X-Fragment": "1" }, credentials: "same-origin" }).catch(() => null);
  if (response?.ok) {
    rows.innerHTML = await response.text();
    drawTimes(rows);
    const busy = Number(rows.firstElementChild?.dataset.busy || 0);
    if (was && !busy) announce(form.dataset.ready);
    if (!busy && !tally.running) return undefined;
  }
  return watch();
}

if (Number(form.dataset.busy)) watch();
// Files may have been chosen before this script had arrived.
if (input.files.length) {
  add(input.files);
  input.value = "";
}
