/**
 * Places in the text by their words: what the server knows as Markdown is found in the editor's document.
 *
 * The text of the document is laid out as one string, a line break between blocks, with the position of each character.
 */

const CONTEXT = [30, 15, 8, 4, 0];

const BLOCK = "\u2029";

/** The words of a piece of Markdown, without its signs: a line break between blocks, a blank for one within a block. */
export function plain(markdown) {
  return markdown
    .replace(/\n{2,}/g, BLOCK)
    .replace(/\n(?=[ \t]*(?:#{1,6}|>|[-*+]|\d+[.)])[ \t])/g, BLOCK)
    .replace(/(^|\u2029)[ \t]*(?:#{1,6}|>|[-*+]|\d+[.)])[ \t]+/g, "$1")
    .replaceAll("\n", " ")
    .replaceAll(BLOCK, "\n")
    .replace(/!?\[([^\]\n]*)\]\([^)\n]*\)/g, "$1")
    .replace(/\*\*|__|~~|`/g, "")
    .replace(/(^|[\s(])[*_](?=\S)|(\S)[*_](?=[\s).,;:!?]|$)/g, "$1$2")
    .replace(/\\([\\`*_{}[\]()#+\-.!>~|])/g, "$1");
}

/** @returns {{text: string, at: (index: number) => number}} the document's words and where each character stands. */
export function wordsOf(doc) {
  const parts = [];
  const starts = [];
  let length = 0;
  const add = (text, position) => {
    starts.push([length, position]);
    parts.push(text);
    length += text.length;
  };
  doc.descendants((node, position) => {
    if (node.isTextblock && length) add("\n", position);
    if (node.isText) add(node.text, position);
    else if (node.type.name === "hardBreak") add("\n", position);
    return true;
  });
  const at = (index) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle][0] <= index) low = middle;
      else high = middle - 1;
    }
    return starts.length ? starts[low][1] + (index - starts[low][0]) : 1;
  };
  return { text: parts.join(""), at };
}

/**
 * Where words stand.
 *
 * @param {{text: string, at: (index: number) => number}} words of `wordsOf`.
 * @param {{before: string, prefix: string, suffix: string}} change as the server tells it, in Markdown.
 * @returns {{from: number, to: number}|null}
 */
export function placeOf(words, { before, prefix, suffix }) {
  const exact = plain(before).replace(/^\n+|\n+$/g, "");
  const head = plain(prefix).replace(/^\S*\s/, "");
  const tail = plain(suffix);
  for (const length of CONTEXT) {
    const left = length ? head.slice(-length) : "";
    const right = length ? tail.slice(0, length) : "";
    for (const [start, end] of [
      [left, right],
      [left, ""],
      ["", right],
    ]) {
      if (!exact && (start + end).trim().length < 3) continue;
      const looked = start + exact + end;
      if (!looked) continue;
      const first = words.text.indexOf(looked);
      if (first < 0) continue;
      if (words.text.indexOf(looked, first + 1) >= 0) break;
      const from = first + start.length;
      const begin = words.at(from);
      // The last character's place plus one, so that the end does not slip into the next block.
      return { from: begin, to: exact ? words.at(from + exact.length - 1) + 1 : begin };
    }
  }
  return null;
}
