/**
 * Rows that follow what the server does: `data-watch` holds the address, `data-busy` inside says whether to ask again.
 * Where `data-actions` inside says what can be done now, a change of it loads the page anew: its buttons stand outside.
 */

import { announce } from "./announce.js";
import { drawTimes } from "./times.js";

const EVERY = 2000;

for (const place of document.querySelectorAll("[data-watch]")) watch(place);

function busy(place) {
  return Number(place.querySelector("[data-busy]")?.dataset.busy || 0);
}

function actions(place) {
  return place.querySelector("[data-actions]")?.dataset.actions;
}

function watch(place, drawn = actions(place)) {
  if (!busy(place)) return;
  setTimeout(async () => {
    // Nobody looks: ask again when somebody does.
    if (document.hidden) return watch(place, drawn);
    try {
      const answer = await fetch(place.dataset.watch, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
      if (answer.ok && !answer.redirected && !place.contains(document.activeElement)) {
        place.innerHTML = await answer.text();
        drawTimes(place);
      }
    } catch {
      // The server is away for a moment; the rows stay as they are.
    }
    // Not from under the hands of somebody who types a reason or is asked whether to.
    const free = !document.activeElement?.matches("input, textarea, select") && !document.querySelector("dialog[open]");
    if (actions(place) !== drawn && free) return location.reload();
    if (busy(place)) watch(place, drawn);
    else announce(place.dataset.done || "");
  }, EVERY);
}
