/**
 * AI on a selection: asks for one or several answers, shows them while they are written, and hands the chosen one to the
 * panel of changes. The text itself is touched by nothing here.
 */

import { pm } from "django-prose-editor/editor";
import { announce, toast } from "../announce.js";
import { send } from "../http.js";
import { listen } from "../stream/events.js";
import { LiveMarkdown } from "../stream/markdown.js";
import { suggestionKey } from "./schema.js";

const { DOMSerializer } = pm.model;
const REMEMBERED = "aiwriter.editor.answers";

/** Enter in a field would press the dialog's first button, which cancels; press the one that goes on. */
export function enterPresses(event, value) {
  if (event.key !== "Enter" || event.target.tagName !== "INPUT" || event.isComposing) return;
  event.preventDefault();
  event.currentTarget.querySelector(`[value=${value}]`).click();
}

export class Rewriter {
  /**
   * @param {object} context of the editor: `editor`, `canvas`, `saver`, and `changes` once its panel has started.
   */
  constructor(context) {
    this.context = context;
    this.editor = context.editor;
    this.canvas = context.canvas;
    this.bar = this.canvas.querySelector("[data-selection-bar]");
    this.card = this.canvas.querySelector("[data-suggestion]");
    this.columns = this.card.querySelector("[data-answers]");
    this.count = this.bar.querySelector("[data-candidates]");
    this.words = this.card.dataset;
    this.answers = [];
    this.watchSelection();
    this.rememberCount();
    this.bar.addEventListener("click", (event) => this.choose(event.target.closest("[data-action]")));
    this.ask = document.getElementById("ask");
    this.ask.addEventListener("close", () => this.custom());
    this.values = document.getElementById("values");
    this.values?.addEventListener("close", () => this.answered());
    this.values?.addEventListener("keydown", (event) => enterPresses(event, "go"));
    this.card.addEventListener("click", (event) => this.decide(event));
    this.card.addEventListener("keydown", (event) => event.key === "Escape" && this.discard());
  }

  rememberCount() {
    try {
      this.count.value = localStorage.getItem(REMEMBERED) || "1";
    } catch {
      // Storage may be switched off.
    }
    this.count.addEventListener("change", () => {
      try {
        localStorage.setItem(REMEMBERED, this.count.value);
      } catch {
        // See above.
      }
    });
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
      if (this.bar.hidden) this.offerFor(false);
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

  /** Open the list of actions from the keyboard or the toolbar; without a selection for the whole text. */
  open() {
    if (!this.select()) return undefined;
    this.bar.hidden = false;
    this.place(this.bar, this.editor.view.coordsAtPos(this.editor.state.selection.from), -1);
    const menu = this.bar.querySelector("details");
    menu.open = true;
    return menu.querySelector("[data-action]:not([hidden])").focus({ preventScroll: true });
  }

  /** Make sure that something is selected: the whole text when nothing is. */
  select() {
    const whole = this.editor.state.selection.empty;
    if (whole) this.editor.commands.selectAll();
    this.offerFor(whole);
    if (!this.editor.state.selection.empty) return true;
    this.tellNothing();
    return false;
  }

  tellNothing() {
    toast(this.words.nothing, "info");
  }

  /** What works on a passage only is not offered when nothing was selected. */
  offerFor(whole) {
    for (const button of this.bar.querySelectorAll('[data-scope="selection"]')) button.hidden = whole;
  }

  choose(button) {
    if (!button) return;
    this.bar.querySelector("details").open = false;
    const { action, prompt, scope, asks } = button.dataset;
    if (scope === "whole") this.editor.commands.selectAll();
    const label = (button.querySelector("[data-name]") || button).textContent.trim();
    if (action === "custom") this.ask.showModal();
    else if (asks) this.askFor({ action, label, prompt, scope }, asks.split(" "));
    else this.start({ action, label, prompt, scope });
  }

  /** A dialog with a field for each variable of a prompt action. */
  askFor(wish, names) {
    this.wish = wish;
    this.values.returnValue = "";
    this.values.querySelector("h2").textContent = wish.label;
    for (const field of this.values.querySelectorAll("[data-variable]")) {
      const asked = names.includes(field.dataset.variable);
      field.hidden = !asked;
      const input = field.querySelector("input, textarea");
      input.disabled = !asked;
      input.required = asked;
    }
    this.values.showModal();
    this.values.querySelector("input:enabled, textarea:enabled").focus();
  }

  answered() {
    if (this.values.returnValue !== "go") return;
    const variables = Object.fromEntries(new FormData(this.values.querySelector("form")));
    this.start({ ...this.wish, variables });
  }

  custom() {
    const instruction = this.ask.querySelector("textarea").value.trim();
    if (this.ask.returnValue === "go" && instruction) this.start({ action: "custom", label: instruction, instruction });
  }

  /** @param {{action: string, label: string, instruction?: string, prompt?: string, variables?: object}} wish */
  async start(wish) {
    const { label, scope, ...asked } = wish;
    const { from, to } = this.passage();
    this.last = wish;
    this.setRange({ from, to });
    this.bar.hidden = true;
    this.card.hidden = false;
    this.card.dataset.state = "running";
    this.card.querySelector("[data-label]").textContent = label;
    this.card.querySelector("[data-model]").textContent = "";
    this.answers = [];
    this.columns.replaceChildren();
    this.place(this.card, this.editor.view.coordsAtPos(to), 1);
    this.card.scrollIntoView({ block: "nearest", behavior: "smooth" });
    announce(this.words.running);
    try {
      // The server looks for the passage in what it holds, so it must hold what the editor shows.
      if (this.context.saver.isDirty && !(await this.context.saver.save("autosave"))) return this.discard();
      const json = {
        ...asked,
        html: this.htmlOf(from, to, scope !== "selection"),
        occurrence: this.equalBefore(from, to),
        candidates: Number(this.count.value),
        key: crypto.randomUUID?.() || `${Date.now()}`,
      };
      const job = await send(this.words.address, { json });
      this.answers = job.answers.map((answer, index) => this.column(answer, index, job.answers.length));
    } catch (problem) {
      this.fail(this.columns, problem.message, problem.remedy);
      this.card.dataset.state = "failed";
    }
    return undefined;
  }

  /** One answer: its text while it comes, then a button to see its changes. */
  column(answer, index, count) {
    const place = document.createElement("div");
    place.className = "suggestion-answer";
    if (count > 1) {
      const head = document.createElement("h3");
      head.className = "side-title";
      head.textContent = this.words.answer.replace("%s", String(index + 1));
      place.append(head);
    }
    const text = document.createElement("div");
    text.className = "prose suggestion-text";
    place.append(text);
    this.columns.append(place);
    const live = new LiveMarkdown(text, (marker) => document.createTextNode(`[${marker}]`));
    const column = { ...answer, place, text, live, state: "running" };
    column.unlisten = listen(answer.events, {
      attempt: (data) => data.state === "started" && (this.card.querySelector("[data-model]").textContent = data.label),
      delta: (data) => live.append(data.text),
      text: (data) => live.reset(data.text),
      error: (data) => this.fail(text, data.message, data.remedy),
      done: (data) => this.finish(column, data.state),
    });
    return column;
  }

  async finish(column, state) {
    column.live.draw();
    column.state = state;
    if (state === "succeeded") {
      try {
        column.suggestion = await send(column.address, { method: "GET" });
      } catch (problem) {
        this.fail(column.text, problem.message, problem.remedy);
      }
    }
    if (this.answers.length > 1 && column.suggestion?.state === "open") this.offer(column);
    if (this.answers.some((each) => each.state === "running")) return;
    const usable = this.answers.filter((each) => each.suggestion?.state === "open");
    this.card.dataset.state = usable.length ? "done" : "failed";
    if (usable.length === 1) this.take(usable[0]);
    else if (usable.length) {
      announce(this.words.done);
      this.columns.querySelector("button").focus({ preventScroll: true });
    } else if (this.answers.some((each) => each.suggestion)) {
      this.close();
      toast(this.words.same, "info");
    } else announce(this.words.failed);
  }

  offer(column) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm btn-primary";
    button.textContent = this.words.choose;
    button.dataset.take = column.id;
    column.place.append(button);
  }

  take(column) {
    this.close();
    this.context.changes?.add(column.suggestion);
  }

  fail(place, message, remedy = "") {
    const note = document.createElement("p");
    note.className = "field-error";
    note.textContent = `${message} ${remedy}`.trim();
    place.replaceChildren(note);
    announce(this.words.failed);
  }

  decide(event) {
    const taken = event.target.closest("[data-take]")?.dataset.take;
    if (taken) this.take(this.answers.find((each) => each.id === taken));
    const choice = event.target.closest("[data-decide]")?.dataset.decide;
    if (choice === "discard") this.discard();
    else if (choice === "again") this.again();
    else if (choice === "stop") this.stop();
  }

  stop() {
    for (const each of this.answers) {
      if (each.state === "running") send(each.stop).catch((problem) => toast(problem.message, "error"));
    }
  }

  again() {
    const range = this.range();
    if (!range) return this.discard();
    this.leave();
    this.editor.commands.setTextSelection(range);
    return this.start(this.last);
  }

  discard() {
    this.stop();
    this.leave();
    this.close();
    this.editor.view.focus();
  }

  /** What was not chosen is turned down, so that it does not wait for ever. */
  leave() {
    for (const each of this.answers) {
      each.unlisten();
      if (each.suggestion?.state === "open") send(`${each.address}/reject`, { json: {} }).catch(() => {});
    }
  }

  close() {
    for (const each of this.answers) each.unlisten();
    this.card.hidden = true;
    this.setRange(null);
  }

  /** The selection; in a heading, a list or a table the whole block, whose Markdown cannot be cut. */
  passage() {
    const { doc, selection } = this.editor.state;
    const whole = (place) => place.parent.type.name !== "paragraph" || place.depth > 1;
    const { $from, $to } = selection;
    const from = whole($from) && $from.parent.isTextblock ? $from.start() : selection.from;
    const to = whole($to) && $to.parent.isTextblock ? $to.end() : selection.to;
    return { from: Math.max(0, from), to: Math.min(doc.content.size, to) };
  }

  /** The passage as HTML; "" says the whole text. */
  htmlOf(from, to, shorten = true) {
    if (shorten && from <= 1 && to >= this.editor.state.doc.content.size - 1) return "";
    const holder = document.createElement("div");
    const serializer = DOMSerializer.fromSchema(this.editor.schema);
    holder.append(serializer.serializeFragment(this.editor.state.doc.slice(from, to).content));
    return holder.innerHTML;
  }

  /** How often the same words stand before the selection: which one of them is meant. */
  equalBefore(from, to) {
    const { doc } = this.editor.state;
    const words = doc.textBetween(from, to, "\n");
    const before = doc.textBetween(0, from, "\n");
    let count = 0;
    for (let at = before.indexOf(words); at >= 0 && words; at = before.indexOf(words, at + 1)) count += 1;
    return count;
  }

  range() {
    return suggestionKey.getState(this.editor.state);
  }

  setRange(range) {
    this.editor.view.dispatch(this.editor.state.tr.setMeta(suggestionKey, range).setMeta("addToHistory", false));
  }
}
