/** Rows of an outline: moved with buttons, and the page follows what is written. */

import { announce } from "./announce.js";

const EVERY = 2000;
const state = document.getElementById("outline-state");
const rows = document.querySelector("[data-rows]");

function busy() {
  return state.querySelector("[data-busy]")?.dataset.busy === "1";
}

function follow() {
  setTimeout(async () => {
    if (document.hidden) return follow();
    try {
      const answer = await fetch(state.dataset.watch, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
      if (answer.ok && !answer.redirected) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        // The form comes with the whole page, as soon as nothing runs.
        if (fresh.querySelector("[data-busy]")?.dataset.busy !== "1") return location.reload();
        if (!state.contains(document.activeElement)) state.replaceChildren(...fresh.body.childNodes);
      }
    } catch {
      // The server is away for a moment; the rows stay as they are.
    }
    follow();
  }, EVERY);
}

function renumber() {
  rows.querySelectorAll("[data-row]").forEach((row, at) => {
    row.querySelector("[name^=position-]").value = at + 1;
  });
}

rows?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  if (!button) return;
  const row = button.closest("[data-row]");
  const other = button.dataset.move === "1" ? row.nextElementSibling : row.previousElementSibling;
  if (!other) return;
  if (button.dataset.move === "1") other.after(row);
  else other.before(row);
  renumber();
  button.focus();
  announce(row.querySelector("[name^=heading-]").value + ": " + row.querySelector("[name^=position-]").value);
});

if (busy()) follow();
