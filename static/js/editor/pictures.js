/**
 * Pictures: chosen, pasted or dropped; described in words before they go into the text; kept by the portal.
 *
 * Nothing is put into the text before the server has the picture, so a text never names one that does not exist.
 */

import { announce } from "../announce.js";
import { send } from "../http.js";

const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];

export class PictureDialog {
  /**
   * @param {object} editor Tiptap's editor.
   * @param {HTMLDialogElement} dialog
   */
  constructor(editor, dialog) {
    Object.assign(this, { editor, dialog, words: dialog.dataset, waiting: [] });
    this.form = dialog.querySelector("form");
    this.preview = dialog.querySelector("img");
    this.problem = dialog.querySelector("[data-problem]");
    [this.file, this.alt, this.plain] = ["file", "alt", "decorative"].map((name) => this.form.elements[name]);
    this.file.addEventListener("change", () => this.choose(this.file.files[0]));
    this.plain.addEventListener("change", () => this.check());
    this.form.addEventListener("submit", (event) => this.submit(event));
    dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
    dialog.querySelector("[data-remove]").addEventListener("click", () => this.remove());
    dialog.addEventListener("close", () => this.closed());
    // Capturing: the editor's own handling of pasted HTML must not come first.
    editor.view.dom.addEventListener("paste", (event) => this.taken(event, event.clipboardData), true);
    editor.view.dom.addEventListener("drop", (event) => this.taken(event, event.dataTransfer), true);
    editor.view.dom.addEventListener("dblclick", (event) => event.target.tagName === "IMG" && this.open());
  }

  /** For a new picture, or for the one that is selected. */
  open() {
    const { node } = this.editor.state.selection;
    this.show(node?.type.name === "image" ? node.attrs : null);
  }

  show(present, file = null) {
    this.present = present;
    this.chosen = null;
    this.form.reset();
    this.problem.hidden = true;
    this.dialog.querySelector("[data-choose]").hidden = Boolean(present || file);
    this.dialog.querySelector("[data-remove]").hidden = !present;
    this.dialog.querySelector("h2").textContent = present ? this.words.change : this.words.insert;
    this.form.querySelector("[value=go]").textContent = present ? this.words.keep : this.words.insert;
    this.file.required = !present && !file;
    this.alt.value = present?.alt || "";
    this.plain.checked = Boolean(present && !present.alt);
    this.look(present?.src || "");
    if (file) this.choose(file);
    this.check();
    if (!this.dialog.open) this.dialog.showModal();
    (present || file ? this.alt : this.file).focus();
  }

  choose(file) {
    this.chosen = file || null;
    this.look(file && KINDS.includes(file.type) ? URL.createObjectURL(file) : "");
  }

  look(address) {
    if (this.preview.src.startsWith("blob:")) URL.revokeObjectURL(this.preview.src);
    this.preview.hidden = !address;
    if (address) this.preview.src = address;
    else this.preview.removeAttribute("src");
  }

  /** A picture that tells something needs words for those who do not see it. */
  check() {
    this.alt.required = !this.plain.checked;
    this.alt.disabled = this.plain.checked;
  }

  /** Pictures among what was pasted or dropped. Text that brings a picture of itself, as Word does, stays text. */
  taken(event, data) {
    const files = [...(data?.files || [])].filter((file) => file.type.startsWith("image/"));
    const html = data?.getData("text/html") || "";
    const bare = !html || new DOMParser().parseFromString(html, "text/html").body.textContent.trim() === "";
    if (!files.length || !bare || !this.editor.isEditable) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.type === "drop") {
      const place = this.editor.view.posAtCoords({ left: event.clientX, top: event.clientY });
      if (place) this.editor.commands.setTextSelection(place.pos);
    }
    this.waiting = files;
    this.show(null, this.waiting.shift());
  }

  async submit(event) {
    event.preventDefault();
    const button = this.form.querySelector("[value=go]");
    const alt = this.plain.checked ? "" : this.alt.value.trim().replace(/\s+/g, " ");
    button.disabled = true;
    try {
      if (this.present) this.editor.commands.updateAttributes("image", { alt });
      else await this.upload(alt);
      this.dialog.close();
    } catch (problem) {
      this.problem.textContent = `${problem.message} ${problem.remedy || ""}`.trim();
      this.problem.hidden = false;
      this.dialog.querySelector("[data-choose]").hidden = false;
    } finally {
      button.disabled = false;
    }
  }

  async upload(alt) {
    const form = new FormData();
    form.append("file", this.chosen, this.chosen.name || "picture");
    announce(this.words.sending);
    const kept = await send(this.words.address, { form });
    // Where the cursor is now: the text may have moved while the picture was on its way.
    this.editor.commands.insertContent({ type: "image", attrs: { src: kept.address, alt } });
    announce(this.words.done);
  }

  remove() {
    this.editor.commands.deleteSelection();
    this.dialog.close();
  }

  closed() {
    this.look("");
    const next = this.waiting.shift();
    if (next) this.show(null, next);
    else this.editor.view.focus();
  }
}
