/**
 * Two people saved the same text. What does not meet is joined without asking; where both changed the same words the
 * writer chooses. The server has kept the writer's own text as a version before this begins.
 */

import { announce, toast } from "../announce.js";
import { HttpError, send } from "../http.js";
import { drawTimes } from "../times.js";

/**
 * @param {HTMLDialogElement} dialog
 * @param {import("./saving.js").Saver} saver
 * @param {{read: () => {title: string, html: string}, replace: (title: string, html: string) => void}} text
 */
export function watchConflicts(dialog, saver, text) {
  let theirs = null;
  let mine = null;
  let places = [];
  const part = (name) => dialog.querySelector(`[data-conflict="${name}"]`);
  const form = dialog.querySelector("form");

  saver.conflict = (body, taken) => {
    theirs = body.theirs;
    mine = taken;
    if (!body.merge.open) {
      settle({}, "");
      return;
    }
    part("who").textContent = theirs.who || part("who").dataset.somebody;
    part("when").dateTime = theirs.when;
    part("when").dataset.relative = "";
    // Rendered and escaped by the server.
    part("merge").innerHTML = body.merge.html;
    places = [...form.querySelectorAll(".merge-conflict")];
    drawTimes(dialog);
    draw();
    if (!dialog.open) dialog.showModal();
    announce(dialog.querySelector("h2").textContent);
    places[0].scrollIntoView({ block: "nearest" });
  };
  // There is no way out by Escape: closing would leave a text that cannot be saved.
  dialog.addEventListener("cancel", (event) => event.preventDefault());

  const draw = () => {
    const open = places.filter((place) => !place.querySelector(":checked")).length;
    part("save").disabled = open > 0;
    part("open").textContent = open ? part("open").dataset.open.replace("%s", open) : part("open").dataset.ready;
  };
  form.addEventListener("change", draw);
  for (const side of ["mine", "theirs"]) {
    part(`all-${side}`).addEventListener("click", () => {
      for (const input of form.querySelectorAll(`input[value="${side}"]`)) input.checked = true;
      draw();
    });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = new FormData(form);
    const choices = {};
    for (const { dataset } of places) if (dataset.place !== "title") choices[dataset.place] = chosen.get(`place-${dataset.place}`);
    settle(choices, chosen.get("title") || "");
  });
  part("copy").addEventListener("click", async () => {
    try {
      const copy = await send(dialog.dataset.copy, { json: text.read() });
      saver.draft.drop();
      saver.saved = saver.changes;
      location.assign(copy.address);
    } catch (problem) {
      toast(`${problem.message} ${problem.remedy}`, "error");
    }
  });

  async function settle(choices, title) {
    const taken = saver.changes;
    try {
      const json = { revision: theirs.revision, base: saver.base, mine, choices, title };
      const merged = await send(dialog.dataset.merge, { json });
      if (dialog.open) dialog.close();
      const now = text.read();
      if (saver.changes !== taken || now.html !== mine.html || now.title !== mine.title) {
        // Somebody typed on meanwhile: what was sent is in the stored text now, so the next save merges the rest from there.
        saver.base = mine;
        saver.resume(saver.revision);
        saver.schedule(0);
        return;
      }
      text.replace(merged.title, merged.html);
      saver.resume(merged.revision);
      saver.base = text.read();
      saver.accept(merged.revision);
      saver.show("saved", {});
      toast(dialog.dataset.merged.replace("%s", theirs.who || part("who").dataset.somebody), "success");
    } catch (problem) {
      if (!(problem instanceof HttpError)) throw problem;
      if (problem.status === 409 && problem.body.merge) saver.conflict(problem.body, mine);
      else {
        toast(`${problem.message} ${problem.remedy}`, "error");
        if (!dialog.open) {
          // Nothing is shown that could be tried again: the saver tries by itself.
          saver.resume(saver.revision);
          saver.schedule(5000);
        }
      }
    }
  }
}
