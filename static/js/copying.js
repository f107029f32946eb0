/** `data-copy-text="id"` puts the text of an element on the clipboard; without that right it selects it for Ctrl-C. */

import { toast } from "./announce.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-text]");
  if (!button) return;
  const element = document.getElementById(button.dataset.copyText);
  try {
    await navigator.clipboard.writeText(element.textContent);
    toast(button.dataset.copied, "success");
  } catch {
    getSelection().selectAllChildren(element);
  }
});
