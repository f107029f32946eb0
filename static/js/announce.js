/** What assistive technology hears, and what everybody sees for a moment. */

/** Say one short sentence in the page's only live region. Never called with text that streams. */
export function announce(sentence) {
  const region = document.getElementById("live");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = sentence));
}

/**
 * Show a message in the corner.
 *
 * @param {string} text
 * @param {"success"|"info"|"warning"|"error"} level errors stay until dismissed, others go after six seconds.
 */
export function toast(text, level = "info") {
  const holder = document.getElementById("toasts");
  const item = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  item.classList.add(`toast-${level}`);
  if (level === "error") item.setAttribute("role", "alert");
  holder.append(item);
  item.querySelector("p").textContent = text;
  if (level !== "error") setTimeout(() => item.remove(), 6000);
}

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast")?.remove());
