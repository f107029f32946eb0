/** The theme switch: system, light, dark. The choice is a cookie, so that the server draws the next page right at once. */

const ORDER = ["auto", "light", "dark"];
const root = document.documentElement;

function show() {
  const chosen = root.dataset.theme || "auto";
  for (const icon of document.querySelectorAll("[data-theme-icon]")) icon.hidden = icon.dataset.themeIcon !== chosen;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const next = ORDER[(ORDER.indexOf(root.dataset.theme || "auto") + 1) % ORDER.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${next}; Path=/; Max-Age=${next === "auto" ? 0 : 31536000}; SameSite=Lax${secure}`;
  show();
});
show();
