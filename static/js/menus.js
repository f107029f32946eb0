/**
 * Menus are details elements: here they close on Escape, on a choice or a click
 * elsewhere, and move with the arrow keys.
 */

const openMenus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  // A choice closes its menu as well; a form in it is sent all the same.
  for (const menu of openMenus()) {
    if (!menu.contains(event.target) || event.target.closest(".menu-item")) setTimeout(() => (menu.open = false));
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (!menu) return;
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const items = [...menu.querySelectorAll(".menu-item")];
    const step = event.key === "ArrowDown" ? 1 : -1;
    const next = (items.indexOf(document.activeElement) + step + items.length) % items.length;
    items[next]?.focus();
    event.preventDefault();
  }
});
document.addEventListener("focusout", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});
