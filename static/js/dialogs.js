/**
 * Dialogs: `data-open-dialog="id"` opens a dialog of the page, `data-close-dialog` closes the one around it.
 * A form with `data-confirm` asks first; without JavaScript it simply does what it says.
 */

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) {
    document.getElementById(opener.dataset.openDialog)?.showModal();
    event.preventDefault();
  }
  if (event.target.closest("[data-close-dialog]")) event.target.closest("dialog").close();
  if (event.target.matches?.("dialog.dialog[data-light]")) event.target.close();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  const dialog = document.getElementById("confirm-dialog");
  dialog.querySelector("[data-confirm-title]").textContent = form.dataset.confirm;
  dialog.querySelector("[data-confirm-text]").textContent = form.dataset.confirmText || "";
  const button = dialog.querySelector("[data-confirm-yes]");
  button.textContent = form.dataset.confirmButton || event.submitter?.textContent.trim() || button.textContent;
  dialog.onclose = () => {
    if (dialog.returnValue !== "yes") return;
    form.dataset.confirmed = "1";
    form.requestSubmit(event.submitter);
  };
  dialog.returnValue = "";
  dialog.showModal();
});
