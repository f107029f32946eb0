/** Who else has this document open. A small sign every fifteen seconds while the page is looked at, and one on leaving. */

import { csrfToken, HttpError, send } from "../http.js";

const EVERY = 15000;

/**
 * @param {HTMLElement} element shows the names; `data-one` and `data-many` hold the words, "%s" the names.
 * @param {string} address
 */
export function watchPresence(element, address) {
  let shown = "";
  const show = (people) => {
    const words = people.length > 1 ? element.dataset.many : element.dataset.one;
    const text = people.length ? words.replace("%s", people.join(", ")) : "";
    if (text === shown) return;
    shown = text;
    element.hidden = !text;
    element.querySelector("[data-people]").textContent = text;
  };
  const beat = async () => {
    if (document.visibilityState === "hidden") return;
    try {
      show((await send(address, { json: {} })).people);
    } catch (problem) {
      // Not worth a message: saving tells when the server is gone.
      if (!(problem instanceof HttpError)) throw problem;
    }
  };
  beat();
  setInterval(beat, EVERY);
  document.addEventListener("visibilitychange", beat);
  addEventListener("pagehide", () => {
    const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrfToken() };
    fetch(address, { method: "POST", headers, body: '{"leave": true}', keepalive: true, credentials: "same-origin" });
  });
}
