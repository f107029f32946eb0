/** What a form would cost, beside its button: asked for when the form has rested for a moment.
 *
 * Place `content/parts/estimate_place.html` in the page; a form that appears later is taken up by `watch(element)`.
 */

import { csrfToken } from "./http.js";

const REST_MS = 400;

/** @param {HTMLElement} place an element with data-estimate. @param {() => Record<string, string>} [more] further fields. */
export function watch(place, more = () => ({})) {
  const form = document.getElementById(place.dataset.form);
  if (!form) return;
  let timer = 0;
  let running;

  async function ask() {
    running?.abort();
    running = new AbortController();
    const body = new FormData(form);
    body.set("estimate_kind", place.dataset.kind);
    if (place.dataset.document) body.set("document", place.dataset.document);
    for (const [name, value] of Object.entries(more())) body.set(name, value);
    const options = {
      method: "POST",
      body,
      signal: running.signal,
      credentials: "same-origin",
      headers: { "X-CSRFToken": csrfToken(), "X-Fragment": "1" },
    };
    const response = await fetch(place.dataset.address, options).catch(() => null);
    // A brief that cannot be used yet has no estimate; the form itself says what is missing when it is sent.
    if (!response || response.redirected) return;
    const open = place.querySelector("details")?.open;
    place.innerHTML = response.ok ? await response.text() : "";
    if (open) place.querySelector("details")?.setAttribute("open", "");
  }

  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, REST_MS);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  ask();
}

for (const place of document.querySelectorAll("[data-estimate]")) watch(place);
