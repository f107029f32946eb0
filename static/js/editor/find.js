/** Find and replace: every place is marked, one after another or all at once; replacing all is one step to undo. */

import { Extension, pm } from "django-prose-editor/editor";
import { announce } from "../announce.js";

const { Plugin, PluginKey, TextSelection } = pm.state;
const { Decoration, DecorationSet } = pm.view;
const { closeHistory } = pm.history;

// More are counted and replaced, but not drawn: so many boxes would make typing slow.
const DRAWN = 2000;
const MOST = 50_000;
// Stands for a picture or a line break, so that an index in the words is a place in the block.
const LEAF = "\ufffc";

export const findKey = new PluginKey("find");

/** Draws what was found; the marks move along while the writer types. */
export const Find = Extension.create({
  name: "find",
  addProseMirrorPlugins: () => [
    new Plugin({
      key: findKey,
      state: {
        init: () => DecorationSet.empty,
        apply(transaction, drawn) {
          const next = transaction.getMeta(findKey);
          return next === undefined ? drawn.map(transaction.mapping, transaction.doc) : next;
        },
      },
      props: {
        decorations(state) {
          return this.getState(state);
        },
      },
    }),
  ],
});

/**
 * The pattern that was asked for.
 *
 * @param {string} text
 * @param {{regex: boolean, matchCase: boolean, words: boolean}} how
 * @throws {SyntaxError} the expression cannot be read.
 */
export function patternOf(text, { regex, matchCase, words }) {
  let source = regex ? text : text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  if (words) source = `(?<![\\p{L}\\p{N}_])(?:${source})(?![\\p{L}\\p{N}_])`;
  return new RegExp(source, matchCase ? "gu" : "giu");
}

/** @returns {{from: number, to: number, match: RegExpMatchArray}[]} all places, in the order of the text. */
export function findIn(doc, pattern) {
  const found = [];
  doc.descendants((node, position) => {
    if (!node.isTextblock) return true;
    const text = node.textBetween(0, node.content.size, undefined, LEAF);
    for (const match of text.matchAll(pattern)) {
      if (!match[0]) continue;
      const from = position + 1 + match.index;
      found.push({ from, to: from + match[0].length, match });
      if (found.length >= MOST) break;
    }
    return false;
  });
  return found;
}

/** What stands in place of a match: the words as typed, or with $1, $<name> and $& when it is an expression. */
export function replacementFor(match, text, regex) {
  if (!regex) return text;
  return text.replace(/\$(?:(\$)|(&)|(\d{1,2})|<([^>]*)>)/g, (whole, dollar, all, number, name) => {
    if (dollar) return "$";
    if (all) return match[0];
    if (number) return Number(number) > 0 && Number(number) < match.length ? match[Number(number)] || "" : whole;
    return match.groups?.[name] || "";
  });
}

export class FindBar {
  /** @param {{editor: object, page: HTMLElement}} context */
  constructor({ editor, page }) {
    this.editor = editor;
    this.bar = page.querySelector("[data-find]");
    this.words = this.bar.dataset;
    const part = (name) => this.bar.querySelector(`[name=${name}]`);
    [this.text, this.replacement] = [part("find"), part("replacement")];
    this.options = { regex: part("regex"), matchCase: part("case"), words: part("words") };
    this.count = this.bar.querySelector("[data-find-count]");
    this.second = this.bar.querySelector("[data-replace-row]");
    this.found = [];
    this.at = -1;
    this.bar.addEventListener("input", () => {
      this.replaced = false;
      this.search();
    });
    this.bar.addEventListener("submit", (event) => event.preventDefault());
    this.bar.addEventListener("keydown", (event) => this.key(event));
    this.bar.addEventListener("click", (event) => this.clicked(event.target.closest("button")?.dataset.do));
    this.timer = 0;
    editor.on("update", () => {
      clearTimeout(this.timer);
      if (!this.bar.hidden) this.timer = setTimeout(() => this.search({ move: false }), 300);
    });
  }

  /** Show the bar; a short selection is what is looked for. */
  open({ replace = false } = {}) {
    const { doc, selection } = this.editor.state;
    const chosen = doc.textBetween(selection.from, selection.to, "\n");
    if (chosen && chosen.length < 200 && !chosen.includes("\n")) this.text.value = chosen;
    this.bar.hidden = false;
    this.replaced = false;
    if (replace) this.more(true);
    this.text.focus();
    this.text.select();
    this.search();
  }

  /** Show or hide the second line. */
  more(shown) {
    this.second.hidden = !shown;
    this.bar.querySelector("[data-do=more]").setAttribute("aria-expanded", String(shown));
  }

  close() {
    this.bar.hidden = true;
    clearTimeout(this.timer);
    this.found = [];
    this.draw();
    // Not editor.commands.focus(), which waits for the next frame: keys until then would be lost.
    this.editor.view.focus();
  }

  search({ move = true } = {}) {
    let pattern = null;
    this.text.setCustomValidity("");
    try {
      if (this.text.value) pattern = patternOf(this.text.value, this.how());
    } catch {
      this.text.setCustomValidity(this.words.wrong);
    }
    this.found = pattern ? findIn(this.editor.state.doc, pattern) : [];
    const cursor = this.editor.state.selection.from;
    const next = this.found.findIndex(({ from }) => from >= cursor);
    if (move || this.at >= this.found.length) this.at = this.found.length ? Math.max(0, next) : -1;
    this.draw();
    if (move) this.reveal();
    // What was replaced stays said until the next thing is looked for.
    if (!this.replaced) this.tell();
  }

  how() {
    return Object.fromEntries(Object.entries(this.options).map(([name, box]) => [name, box.checked]));
  }

  tell() {
    const { length } = this.found;
    this.text.setAttribute("aria-invalid", String(!this.text.validity.valid));
    if (!this.text.validity.valid) this.count.textContent = this.words.wrong;
    else if (!this.text.value) this.count.textContent = "";
    else if (!length) this.count.textContent = this.words.none;
    else this.count.textContent = this.words.place.replace("%s", String(this.at + 1)).replace("%s", length.toLocaleString());
    for (const button of this.bar.querySelectorAll("[data-needs-match]")) button.disabled = !length;
  }

  draw() {
    const start = Math.max(0, Math.min(this.at - DRAWN / 2, this.found.length - DRAWN));
    const marks = this.found.slice(start, start + DRAWN).map(({ from, to }, index) =>
      Decoration.inline(from, to, { class: start + index === this.at ? "found found-now" : "found" }),
    );
    const { state, view } = this.editor;
    view.dispatch(state.tr.setMeta(findKey, DecorationSet.create(state.doc, marks)).setMeta("addToHistory", false));
  }

  reveal() {
    const place = this.found[this.at];
    if (!place) return;
    const { node } = this.editor.view.domAtPos(place.from);
    (node.nodeType === 1 ? node : node.parentElement).scrollIntoView({ block: "center" });
  }

  step(by) {
    if (!this.found.length) return;
    this.at = (this.at + by + this.found.length) % this.found.length;
    const { from, to } = this.found[this.at];
    const { state, view } = this.editor;
    view.dispatch(state.tr.setSelection(TextSelection.create(state.doc, from, to)).setMeta("addToHistory", false));
    this.draw();
    this.reveal();
    this.tell();
  }

  /** Replace this place and go on to the next. */
  replace() {
    const place = this.found[this.at];
    if (!place || !this.editor.isEditable) return;
    const { at } = this;
    this.write([place]);
    this.search({ move: false });
    this.at = this.found.length ? at % this.found.length : -1;
    this.draw();
    this.reveal();
    this.tell();
    if (!this.found.length) this.text.focus();
  }

  replaceAll() {
    const count = this.found.length;
    if (!count || !this.editor.isEditable) return;
    this.write(this.found);
    this.search();
    this.replaced = true;
    // The button is switched off now, and a key on it would be lost.
    this.text.focus();
    this.count.textContent = this.words.replaced.replace("%s", count.toLocaleString());
    announce(this.count.textContent);
  }

  /** One transaction, so one step to undo; from the end, so that the places before keep their numbers. */
  write(places) {
    const { tr } = this.editor.state;
    const regex = this.options.regex.checked;
    for (const { from, to, match } of [...places].reverse()) {
      const text = replacementFor(match, this.replacement.value, regex);
      // insertText keeps bold, links and the like of the words that it replaces.
      if (text) tr.insertText(text, from, to);
      else tr.delete(from, to);
    }
    this.editor.view.dispatch(closeHistory(tr));
  }

  key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.target === this.text) this.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Enter" && event.target === this.replacement) this.replace();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  clicked(what) {
    if (what === "next") this.step(1);
    else if (what === "previous") this.step(-1);
    else if (what === "replace") this.replace();
    else if (what === "all") this.replaceAll();
    else if (what === "more") this.more(this.second.hidden);
    else if (what === "close") this.close();
  }
}
