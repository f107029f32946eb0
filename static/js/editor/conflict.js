/** Two people saved the same text. Both texts are shown, and each of the three ways out keeps both. */

import { toast } from "../announce.js";
import { send } from "../http.js";
import { drawTimes } from "../times.js";

/**
 * @param {HTMLDialogElement} dialog
 * @param {import("./saving.js").Saver} saver
 * @param {{read: () => {title: string, html: string}, replace: (title: string, html: string) => void}} text
 */
export function watchConflicts(dialog, saver, text) {
  let theirs = null;
  const part = (name) => dialog.querySelector(`[data-conflict="${name}"]`);

  saver.conflict = (body) => {
    theirs = body.theirs;
    part("who").textContent = theirs.who || part("who").dataset.somebody;
    part("when").dateTime = theirs.when;
    part("when").dataset.relative = "";
    drawTimes(dialog);
    // Differences are rendered and escaped by the server.
    part("differences").innerHTML = body.differences;
    dialog.showModal();
  };
  // There is no fourth way out by Escape: closing would leave a text that cannot be saved.
  dialog.addEventListener("cancel", (event) => event.preventDefault());

  part("mine").addEventListener("click", () => {
    dialog.close();
    saver.resume(theirs.revision);
    saver.touch();
    saver.save("manual");
  });
  part("theirs").addEventListener("click", async () => {
    if (!(await copyMine())) return;
    dialog.close();
    saver.resume(theirs.revision);
    text.replace(theirs.title, theirs.html);
    saver.accept(theirs.revision);
    saver.show("saved", {});
    toast(dialog.dataset.copied, "success");
  });
  part("copy").addEventListener("click", async () => {
    const copy = await copyMine();
    if (!copy) return;
    saver.draft.drop();
    saver.saved = saver.changes;
    location.assign(copy.address);
  });

  async function copyMine() {
    try {
      return await send(dialog.dataset.copy, { json: text.read() });
    } catch (problem) {
      toast(`${problem.message} ${problem.remedy}`, "error");
      return null;
    }
  }
}
