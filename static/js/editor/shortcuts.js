/** Keys of the editor: what they do, and the dialog that lists them. */

/**
 * @param {HTMLDialogElement} dialog lists the keys.
 * @param {Record<string, () => void>} acts by key: "mod+f" and the like; "mod" is Ctrl, or Command on a Mac.
 */
export function watchShortcuts(dialog, acts) {
  const mac = /Mac|iPhone|iPad/.test(navigator.platform);
  if (mac) for (const key of dialog.querySelectorAll("kbd")) if (key.textContent === "Ctrl") key.textContent = "⌘";
  for (const button of document.querySelectorAll("[data-shortcuts]")) button.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const mod = mac ? event.metaKey : event.ctrlKey;
    const name = [mod && "mod", event.shiftKey && "shift", event.altKey && "alt", event.key.toLowerCase()];
    // On many keyboards "/" needs Shift.
    const act = acts[name.filter(Boolean).join("+")] || (mod && event.key === "/" && acts["mod+/"]);
    if (!act) return;
    event.preventDefault();
    act();
  });
}
