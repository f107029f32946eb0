/**
 * The slash menu: "/" at the beginning of a word opens a list of what can be put in or asked for; typing filters it.
 *
 * The cursor stays in the text; which entry is chosen is told by aria-activedescendant, after the combobox pattern.
 */

import { Extension, pm } from "django-prose-editor/editor";

const { Plugin, PluginKey } = pm.state;
const QUERY = /(?:^|\s)\/((?:[\p{L}\p{N}][\p{L}\p{N} -]{0,29})?)$/u;
const slashKey = new PluginKey("slash");

/** Gives the keys to an open menu before the editor has them. */
export const SlashKeys = Extension.create({
  name: "slashKeys",
  priority: 1000,
  /** `open` tells the open menu. A function, since options that are objects are copied. */
  addOptions: () => ({ open: () => null }),
  addProseMirrorPlugins() {
    const { open } = this.options;
    return [new Plugin({ key: slashKey, props: { handleKeyDown: (_view, event) => open()?.key(event) || false } })];
  },
});

const INSERT = {
  heading1: (chain) => chain.setHeading({ level: 1 }),
  heading2: (chain) => chain.setHeading({ level: 2 }),
  heading3: (chain) => chain.setHeading({ level: 3 }),
  text: (chain) => chain.setParagraph(),
  bulletList: (chain) => chain.toggleBulletList(),
  orderedList: (chain) => chain.toggleOrderedList(),
  blockquote: (chain) => chain.toggleBlockquote(),
  codeBlock: (chain) => chain.toggleCodeBlock(),
  table: (chain) => chain.insertTable({ rows: 3, cols: 3, withHeaderRow: true }),
  rule: (chain) => chain.setHorizontalRule(),
  addRow: (chain) => chain.addRowAfter(),
  addColumn: (chain) => chain.addColumnAfter(),
  deleteRow: (chain) => chain.deleteRow(),
  deleteColumn: (chain) => chain.deleteColumn(),
  deleteTable: (chain) => chain.deleteTable(),
};

export class SlashMenu {
  /** @param {object} context of the editor, with `rewriter`, `pictures` and `slash`, where the open menu is kept. */
  constructor(context) {
    this.context = context;
    this.editor = context.editor;
    this.list = context.page.querySelector("[data-slash]");
    this.list.append(...this.actions());
    this.options = [...this.list.querySelectorAll("[role=option]")];
    this.options.forEach((option, index) => (option.id ||= `slash-${index}`));
    this.shown = [];
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => this.choose(event.target.closest("[role=option]")));
    this.editor.on("transaction", ({ transaction }) => this.follow(transaction));
    this.editor.on("blur", () => this.close());
  }

  /** The AI actions of the selection's menu as entries. */
  actions() {
    const template = this.list.querySelector("template");
    const buttons = [...this.context.canvas.querySelectorAll("[data-selection-bar] [data-action]")];
    return buttons.map((button) => {
      const option = template.content.firstElementChild.cloneNode(true);
      option.append((button.querySelector("[data-name]") || button).textContent.trim());
      option.button = button;
      return option;
    });
  }

  follow(transaction) {
    if (!transaction.docChanged && !transaction.selectionSet) return;
    const { selection } = this.editor.state;
    const { $from, empty } = selection;
    const usable = empty && this.editor.isEditable && $from.parent.isTextblock && !$from.parent.type.spec.code;
    const before = usable ? $from.parent.textBetween(0, $from.parentOffset, undefined, "\ufffc") : "";
    const match = before.match(QUERY);
    const start = match ? $from.pos - match[1].length - 1 : -1;
    // Opened by typing only: a cursor that passes a slash opens nothing, and Escape keeps it closed.
    if (!match || start === this.dismissed || (this.list.hidden && !transaction.docChanged)) {
      if (!match) this.dismissed = -1;
      return this.close();
    }
    this.start = start;
    return this.show(match[1].trim().toLowerCase());
  }

  show(query) {
    const inTable = this.editor.isActive("table");
    this.shown = this.options.filter((option) => {
      const { words = "", table } = option.dataset;
      const fits = table === undefined || (table === "in") === inTable;
      option.hidden = !(fits && `${option.textContent} ${words}`.toLowerCase().includes(query));
      return !option.hidden;
    });
    if (!this.shown.length) return this.close();
    this.list.hidden = false;
    this.context.slash.current = this;
    this.context.rewriter.place(this.list, this.editor.view.coordsAtPos(this.start), 1);
    this.editor.view.dom.setAttribute("aria-controls", this.list.id);
    return this.mark(0);
  }

  mark(index) {
    this.at = (index + this.shown.length) % this.shown.length;
    this.shown.forEach((option, each) => option.setAttribute("aria-selected", String(each === this.at)));
    this.shown[this.at].scrollIntoView({ block: "nearest" });
    this.editor.view.dom.setAttribute("aria-activedescendant", this.shown[this.at].id);
  }

  close() {
    if (this.list.hidden) return;
    this.list.hidden = true;
    this.context.slash.current = null;
    this.editor.view.dom.removeAttribute("aria-activedescendant");
    this.editor.view.dom.removeAttribute("aria-controls");
  }

  /** @returns {boolean} whether the key was for the menu. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
    if (event.key === "ArrowDown") this.mark(this.at + 1);
    else if (event.key === "ArrowUp") this.mark(this.at - 1);
    else if (event.key === "Home") this.mark(0);
    else if (event.key === "End") this.mark(-1);
    else if (event.key === "Enter" || event.key === "Tab") this.choose(this.shown[this.at]);
    else if (event.key === "Escape") {
      this.dismissed = this.start;
      this.close();
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  choose(option) {
    if (!option) return;
    const range = { from: this.start, to: this.editor.state.selection.from };
    this.close();
    const chain = this.editor.chain().focus().deleteRange(range);
    const { insert } = option.dataset;
    if (INSERT[insert]) {
      INSERT[insert](chain).run();
      return;
    }
    chain.run();
    if (insert === "image") this.context.pictures.open();
    else this.ask(option.button);
  }

  /** An AI action works on the paragraph of the cursor, or on the one before when that is empty. */
  ask(button) {
    const { doc, selection } = this.editor.state;
    let { $from } = selection;
    if (!$from.parent.textContent.trim()) {
      let last = null;
      doc.nodesBetween(0, $from.pos, (node, position) => {
        if (node.isTextblock && node.textContent.trim()) last = position + 1;
        return !node.isTextblock;
      });
      if (last === null) {
        this.context.rewriter.tellNothing();
        return;
      }
      $from = doc.resolve(last);
    }
    this.editor.commands.setTextSelection({ from: $from.start(), to: $from.end() });
    this.context.rewriter.choose(button);
  }
}
