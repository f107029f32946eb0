/** Loaded by every page: theme, menus, dialogs, messages, copying, times. Pages load their own module beside it. */

import "./theme.js";
import "./menus.js";
import "./dialogs.js";
import "./announce.js";
import "./copying.js";
import "./guard.js";
import { drawTimes } from "./times.js";

drawTimes();
setInterval(drawTimes, 60000);

// A second click on a button that sends a form must not send it twice.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || !button || event.target.method === "dialog") return;
  requestAnimationFrame(() => button.setAttribute("aria-busy", "true"));
  setTimeout(() => button.removeAttribute("aria-busy"), 8000);
});
for (const item of document.querySelectorAll("select[data-submit]")) item.addEventListener("change", () => item.form.requestSubmit());
