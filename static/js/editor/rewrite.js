/**
 * AI on a selection. The answer is a suggestion beside the text: nothing is replaced before the writer accepts, and
 * accepting is one step to undo.
 */

import { pm } from "django-prose-editor/editor";
import { announce, toast } from "../announce.js";
import { send } from "../http.js";
import { listen } from "../stream/events.js";
import { LiveMarkdown } from "../stream/markdown.js";
import { suggestionKey } from "./schema.js";

const { DOMSerializer } = pm.model;

export class Rewriter {
  /**
   * @param {object} editor
   * @param {HTMLElement} canvas the positioned element around the text.
   * @param {(generationId: string) => void} accepted the text has changed by an accepted suggestion.
   */
  constructor(editor, canvas, accepted) {
    this.editor = editor;
    this.canvas = canvas;
    this.accepted = accepted;
    this.bar = canvas.querySelector("[data-selection-bar]");
    this.card = canvas.querySelector("[data-suggestion]");
    this.preview = this.card.querySelector("[data-preview]");
    this.words = this.card.dataset;
    this.watchSelection();
    this.bar.addEventListener("click", (event) => this.choose(event.target.closest("[data-action]")));
    this.ask = document.getElementById("ask");
    this.ask.addEventListener("close", () => this.custom());
    this.card.addEventListener("click", (event) => this.decide(event.target.closest("[data-decide]")?.dataset.decide));
    this.card.addEventListener("keydown", (event) => event.key === "Escape" && this.discard());
  }

  watchSelection() {
    const update = () => {
      const { from, to, empty } = this.editor.state.selection;
      const wanted = !empty && this.editor.isEditable && !this.editor.isActive("codeBlock") && this.card.hidden;
      const usable = wanted && this.editor.state.doc.textBetween(from, to, " ").trim().length > 2;
      if (!usable) {
        if (!this.bar.contains(document.activeElement)) this.bar.hidden = true;
        return;
      }
      this.bar.hidden = false;
      this.place(this.bar, this.editor.view.coordsAtPos(from), -1);
    };
    let timer = 0;
    this.editor.on("selectionUpdate", () => {
      clearTimeout(timer);
      timer = setTimeout(update, 150);
    });
    this.editor.on("blur", () => setTimeout(() => !this.bar.contains(document.activeElement) && (this.bar.hidden = true), 150));
  }

  /** Put a floating part above (-1) or below (1) a place of the text, within the canvas. */
  place(element, coordinates, side) {
    const frame = this.canvas.getBoundingClientRect();
    const width = element.offsetWidth;
    const left = Math.min(Math.max(0, coordinates.left - frame.left - 12), Math.max(0, frame.width - width));
    const top = side < 0 ? coordinates.top - frame.top - element.offsetHeight - 8 : coordinates.bottom - frame.top + 10;
    element.style.left = `${left}px`;
    element.style.top = `${top}px`;
  }

  /** Open the list of actions from the keyboard or the toolbar. */
  open() {
    const { empty } = this.editor.state.selection;
    if (empty) return toast(this.words.nothing, "info");
    this.bar.hidden = false;
    this.place(this.bar, this.editor.view.coordsAtPos(this.editor.state.selection.from), -1);
    const menu = this.bar.querySelector("details");
    menu.open = true;
    return menu.querySelector("[data-action]").focus({ preventScroll: true });
  }

  choose(button) {
    if (!button) return;
    this.bar.querySelector("details").open = false;
    const { action } = button.dataset;
    if (action === "custom") this.ask.showModal();
    else this.start(action, button.textContent.trim());
  }

  custom() {
    const instruction = this.ask.querySelector("textarea").value.trim();
    if (this.ask.returnValue === "go" && instruction) this.start("custom", instruction, instruction);
  }

  async start(action, label, instruction = "") {
    const { from, to } = this.editor.state.selection;
    this.last = { action, label, instruction };
    this.setRange({ from, to });
    this.bar.hidden = true;
    this.card.hidden = false;
    this.card.dataset.state = "running";
    this.card.querySelector("[data-label]").textContent = label;
    this.card.querySelector("[data-model]").textContent = "";
    this.html = null;
    this.live = new LiveMarkdown(this.preview, (marker) => document.createTextNode(`[${marker}]`));
    this.place(this.card, this.editor.view.coordsAtPos(to), 1);
    this.card.scrollIntoView({ block: "nearest", behavior: "smooth" });
    announce(this.words.running);
    try {
      const json = { action, instruction, html: this.htmlOf(from, to), key: crypto.randomUUID?.() || `${Date.now()}` };
      this.job = await send(this.words.address, { json });
    } catch (problem) {
      return this.fail(problem.message, problem.remedy);
    }
    this.unlisten = listen(this.job.events, {
      attempt: (data) => data.state === "started" && (this.card.querySelector("[data-model]").textContent = data.label),
      delta: (data) => this.live.append(data.text),
      text: (data) => this.live.reset(data.text),
      error: (data) => this.fail(data.message, data.remedy),
      done: (data) => this.finish(data.state),
    });
    return undefined;
  }

  async finish(state) {
    this.live.draw();
    if (state === "failed") return;
    try {
      const answer = await send(this.job.text, { method: "GET" });
      this.html = answer.html;
      this.preview.innerHTML = answer.html;
    } catch (problem) {
      this.fail(problem.message, problem.remedy);
      return;
    }
    this.card.dataset.state = this.html.trim() ? "done" : "failed";
    announce(this.words.done);
    this.card.querySelector('[data-decide="accept"]').focus({ preventScroll: true });
  }

  fail(message, remedy = "") {
    this.card.dataset.state = "failed";
    const note = document.createElement("p");
    note.className = "field-error";
    note.textContent = `${message} ${remedy}`.trim();
    this.preview.replaceChildren(note);
    announce(this.words.failed);
  }

  decide(choice) {
    if (choice === "accept") this.accept();
    else if (choice === "discard") this.discard();
    else if (choice === "again") this.again();
    else if (choice === "stop") send(this.job.stop).catch((problem) => toast(problem.message, "error"));
  }

  accept() {
    const range = this.range();
    if (!range || !this.html) {
      toast(this.words.lost, "warning");
      return;
    }
    this.editor.chain().focus().insertContentAt(range, this.fitting(range)).run();
    this.close();
    this.accepted(this.job.id);
    announce(this.words.accepted);
  }

  /** One paragraph that replaces a part of a paragraph goes in as its words, so that no new paragraph begins. */
  fitting({ from, to }) {
    const { doc } = this.editor.state;
    const holder = document.createElement("div");
    holder.innerHTML = this.html;
    const single = holder.children.length === 1 && holder.firstElementChild.tagName === "P";
    return single && doc.resolve(from).sameParent(doc.resolve(to)) ? holder.firstElementChild.innerHTML : this.html;
  }

  again() {
    const range = this.range();
    if (!range) return this.discard();
    this.unlisten?.();
    this.editor.commands.setTextSelection(range);
    return this.start(this.last.action, this.last.label, this.last.instruction);
  }

  discard() {
    if (this.card.dataset.state === "running" && this.job) send(this.job.stop).catch(() => {});
    this.close();
    this.editor.commands.focus();
  }

  close() {
    this.unlisten?.();
    this.card.hidden = true;
    this.setRange(null);
  }

  htmlOf(from, to) {
    const holder = document.createElement("div");
    const serializer = DOMSerializer.fromSchema(this.editor.schema);
    holder.append(serializer.serializeFragment(this.editor.state.doc.slice(from, to).content));
    return holder.innerHTML;
  }

  range() {
    return suggestionKey.getState(this.editor.state);
  }

  setRange(range) {
    this.editor.view.dispatch(this.editor.state.tr.setMeta(suggestionKey, range).setMeta("addToHistory", false));
  }
}
