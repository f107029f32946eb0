/** Rows that follow what the server does: `data-watch` holds the address, `data-busy` inside says whether to ask again. */

import { announce } from "./announce.js";
import { drawTimes } from "./times.js";

const EVERY = 2000;

for (const place of document.querySelectorAll("[data-watch]")) watch(place);

function busy(place) {
  return Number(place.querySelector("[data-busy]")?.dataset.busy || 0);
}

function watch(place) {
  if (!busy(place)) return;
  setTimeout(async () => {
    // Nobody looks: ask again when somebody does.
    if (document.hidden) return watch(place);
    try {
      const answer = await fetch(place.dataset.watch, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
      if (answer.ok && !answer.redirected && !place.contains(document.activeElement)) {
        place.innerHTML = await answer.text();
        drawTimes(place);
      }
    } catch {
      // The server is away for a moment; the rows stay as they are.
    }
    if (busy(place)) watch(place);
    else announce(place.dataset.done || "");
  }, EVERY);
}
