/**
 * What a document may hold: exactly what Markdown can say, so that saving and opening again changes nothing.
 *
 * On top come two things of ours that are never part of the text: citations drawn as chips, and the place of a
 * suggestion that is being written.
 */

import {
  Blockquote,
  Bold,
  BulletList,
  Code,
  CodeBlock,
  Document,
  Dropcursor,
  Extension,
  Gapcursor,
  HardBreak,
  Heading,
  History,
  HorizontalRule,
  Image,
  Italic,
  Link,
  ListItem,
  OrderedList,
  Paragraph,
  Placeholder,
  Strike,
  Table,
  TableCell,
  TableHeader,
  TableRow,
  Text,
  pm,
} from "django-prose-editor/editor";
import { Changes, CommentMarks, Origins } from "./changes.js";
import { Find } from "./find.js";
import { FocusBlock } from "./focus.js";
import { SlashKeys } from "./slash.js";

const { Plugin, PluginKey } = pm.state;
const { Decoration, DecorationSet } = pm.view;
const MARKER = /\[(\d{1,3})\](?!\()/g;

/** Draws `[1]` as a chip. `known` says by marker whether the citation is verified; unknown numbers stay plain text. */
const Citations = Extension.create({
  name: "citations",
  addOptions: () => ({ known: {} }),
  addProseMirrorPlugins() {
    const { known } = this.options;
    const draw = (doc) => {
      const found = [];
      doc.descendants((node, position, parent) => {
        if (!node.isText || parent.type.spec.code || node.marks.some((mark) => mark.type.spec.code)) return;
        for (const match of node.text.matchAll(MARKER)) {
          if (!(match[1] in known)) continue;
          const from = position + match.index;
          found.push(
            Decoration.inline(from, from + match[0].length, {
              class: known[match[1]] ? "cite-inline" : "cite-inline cite-inline-unverified",
              "data-cite": match[1],
            }),
          );
        }
      });
      return DecorationSet.create(doc, found);
    };
    return [
      new Plugin({
        key: new PluginKey("citations"),
        state: {
          init: (_, state) => draw(state.doc),
          // Typing in a long text must not walk it again for every key: positions move along, and only an edit that
          // brings or breaks a bracket draws anew.
          apply(transaction, drawn, old, now) {
            if (transaction.getMeta("citations")) return draw(now.doc);
            if (!transaction.docChanged) return drawn;
            return touchesBracket(transaction, old.doc, now.doc) ? draw(now.doc) : drawn.map(transaction.mapping, now.doc);
          },
        },
        props: {
          decorations(state) {
            return this.getState(state);
          },
        },
      }),
    ];
  },
});

function touchesBracket(transaction, before, after) {
  let found = false;
  transaction.mapping.maps.forEach((map, index) => {
    const rest = transaction.mapping.slice(index + 1);
    map.forEach((start, end, newStart, newEnd) => {
      const a = Math.max(0, rest.map(newStart, -1) - 6);
      const b = Math.min(after.content.size, rest.map(newEnd, 1) + 6);
      const old = index === 0 ? before.textBetween(Math.max(0, start - 6), Math.min(before.content.size, end + 6), " ") : "[";
      found ||= /[[\]]/.test(after.textBetween(a, b, " ")) || /[[\]]/.test(old);
    });
  });
  return found;
}

export const suggestionKey = new PluginKey("suggestion");

/** Marks the words that a suggestion would replace, wherever they move to while the writer types elsewhere. */
const Suggestion = Extension.create({
  name: "suggestion",
  addProseMirrorPlugins() {
    return [
      new Plugin({
        key: suggestionKey,
        state: {
          init: () => null,
          apply(transaction, range) {
            const set = transaction.getMeta(suggestionKey);
            if (set !== undefined) return set;
            if (!range || !transaction.docChanged) return range;
            const from = transaction.mapping.map(range.from, 1);
            const to = transaction.mapping.map(range.to, -1);
            return to > from ? { from, to } : null;
          },
        },
        props: {
          decorations(state) {
            const range = this.getState(state);
            return range && DecorationSet.create(state.doc, [Decoration.inline(range.from, range.to, { class: "suggestion-range" })]);
          },
        },
      }),
    ];
  },
});

/** All extensions of the editor. */
export function documentExtensions({ placeholder, citations, slash }) {
  return [
    Document,
    Paragraph,
    Text,
    Bold,
    Italic,
    Strike,
    Code,
    CodeBlock,
    Heading.configure({ levels: [1, 2, 3, 4] }),
    BulletList,
    OrderedList,
    ListItem,
    Blockquote,
    HorizontalRule,
    HardBreak,
    // Inline, as in Markdown: a picture stands in a paragraph, alone or among words.
    Image.configure({ inline: true, allowBase64: false }),
    Link.configure({ openOnClick: false, enableTarget: false, protocols: ["http", "https", "mailto"] }),
    Table,
    TableRow,
    TableHeader,
    TableCell,
    History,
    Dropcursor,
    Gapcursor,
    Placeholder.configure({ placeholder }),
    Citations.configure({ known: citations }),
    Suggestion,
    Changes,
    Origins,
    CommentMarks,
    Find,
    FocusBlock,
    SlashKeys.configure({ open: () => slash.current }),
  ];
}
