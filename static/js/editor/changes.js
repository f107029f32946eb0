/** Tracked changes in the text: what would go is struck through, what would come stands beside it, nothing is touched. */

import { Extension, pm } from "django-prose-editor/editor";

const { Plugin, PluginKey } = pm.state;
const { Decoration, DecorationSet } = pm.view;
const { DOMParser } = pm.model;

export const changesKey = new PluginKey("changes");

/** Draws the changes that were set with `setChanges`; they move along while the writer types. */
export const Changes = Extension.create({
  name: "changes",
  addProseMirrorPlugins: () => [drawing(changesKey)],
});

/** A plugin that shows what was set last and moves it along with the text. */
function drawing(key) {
  return new Plugin({
    key,
    state: {
      init: () => DecorationSet.empty,
      apply(transaction, drawn) {
        const next = transaction.getMeta(key);
        return next === undefined ? drawn.map(transaction.mapping, transaction.doc) : next;
      },
    },
    props: {
      decorations(state) {
        return this.getState(state);
      },
    },
  });
}

function set(editor, key, decorations) {
  const drawn = DecorationSet.create(editor.state.doc, decorations);
  editor.view.dispatch(editor.state.tr.setMeta(key, drawn).setMeta("addToHistory", false));
}

export const originsKey = new PluginKey("origins");

/** Marks where words come from; set with `setOrigins`. */
export const Origins = Extension.create({
  name: "origins",
  addProseMirrorPlugins: () => [drawing(originsKey)],
});

/** @param {{from: number, to: number, origin: string}[]} spans */
export function setOrigins(editor, spans) {
  const found = spans.map(({ from, to, origin }) => Decoration.inline(from, to, { class: `origin origin-${origin}` }));
  set(editor, originsKey, found);
}

export const commentsKey = new PluginKey("comments");

/** Marks passages that somebody commented on; set with `setComments`. */
export const CommentMarks = Extension.create({
  name: "commentMarks",
  addProseMirrorPlugins: () => [drawing(commentsKey)],
});

/** @param {{id: string, from: number, to: number, label: string}[]} places */
export function setComments(editor, places) {
  const found = [];
  for (const { id, from, to, label } of places) {
    found.push(Decoration.inline(from, to, { class: "comment-mark", "data-thread": id }));
    const draw = () => {
      const dot = document.createElement("button");
      dot.type = "button";
      dot.className = "comment-dot";
      // With the keyboard the thread is reached in the panel; Tab in the text stays with the text.
      dot.tabIndex = -1;
      dot.dataset.thread = id;
      dot.setAttribute("aria-label", label);
      dot.title = label;
      return dot;
    };
    found.push(Decoration.widget(from, draw, { side: -1, key: `comment ${id} ${label}` }));
  }
  set(editor, commentsKey, found);
}

/**
 * Draw these and no others.
 *
 * @param {object} editor
 * @param {{id: string, from: number, to: number, after: string}[]} changes
 */
export function setChanges(editor, changes) {
  const found = [];
  for (const { id, from, to, after } of changes) {
    if (to > from) found.push(Decoration.inline(from, to, { class: "change-del", "data-change": id }));
    if (!after) continue;
    const draw = () => {
      const words = document.createElement("ins");
      words.className = "change-ins";
      words.dataset.change = id;
      words.textContent = after;
      return words;
    };
    found.push(Decoration.widget(to, draw, { side: 1, key: `${id} ${after}` }));
  }
  set(editor, changesKey, found);
}

/**
 * Make the editor hold what the server holds: only the stretch that differs is replaced, in one step to undo, and the
 * cursor stays where it is.
 */
export function takeOver(editor, html) {
  const holder = document.createElement("div");
  holder.innerHTML = html;
  const { doc, tr } = editor.state;
  const next = DOMParser.fromSchema(editor.schema).parse(holder);
  const start = doc.content.findDiffStart(next.content);
  if (start === null) return;
  let { a, b } = doc.content.findDiffEnd(next.content);
  const overlap = start - Math.min(a, b);
  if (overlap > 0) {
    a += overlap;
    b += overlap;
  }
  editor.view.dispatch(tr.replace(start, a, next.slice(start, b)));
}
