/**
 * Markdown that grows: draws a text while it arrives.
 *
 * Blocks that are complete keep their DOM; only the last one is drawn anew, so a delta costs the same at word 10,000 as
 * at word 10. When the text is finished the page takes the server's rendering instead, which knows all of CommonMark.
 */

import { renderInline } from "./inline.js";

const FENCE = /^\s{0,3}(```+|~~~+)\s*(\S*)/;
const HEADING = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const TABLE_LINE = /^\s*\|?(\s*:?-{2,}:?\s*\|)+\s*:?-*:?\s*\|?\s*$/;

/** Cut a text into blocks; each keeps where it starts. */
export function splitBlocks(text, from = 0) {
  const blocks = [];
  let fence = "";
  let start = -1;
  let position = from;
  for (const line of text.slice(from).split("\n")) {
    const opening = FENCE.exec(line);
    if (fence) {
      if (line.trim().startsWith(fence)) fence = "";
    } else if (opening) {
      if (start >= 0) blocks.push([start, position]);
      start = position;
      fence = opening[1];
    } else if (!line.trim()) {
      if (start >= 0) blocks.push([start, position]);
      start = -1;
    } else if (start < 0) start = position;
    else if (HEADING.test(line) || HEADING.test(text.slice(start, position).trimEnd())) {
      blocks.push([start, position]);
      start = position;
    }
    position += line.length + 1;
  }
  if (start >= 0) blocks.push([start, text.length]);
  return blocks.map(([a, b]) => ({ start: a, source: text.slice(a, b).trimEnd() }));
}

export class LiveMarkdown {
  /**
   * @param {HTMLElement} container
   * @param {(marker: string) => Node} chip
   */
  constructor(container, chip) {
    this.container = container;
    this.chip = chip;
    this.reset("");
  }

  /** Begin again with this text. */
  reset(text) {
    this.text = text;
    this.blocks = [];
    this.container.replaceChildren();
    this.draw();
  }

  /** Add what arrived; it shows with the next frame. */
  append(piece) {
    this.text += piece;
    this.pending ??= setTimeout(() => this.draw(), 60);
  }

  /** Draw everything that is not drawn yet, now. */
  draw() {
    // A drawing that still waits would come after the page has put the server's rendering in, and double the text.
    clearTimeout(this.pending);
    this.pending = undefined;
    const last = this.blocks.at(-1);
    const fresh = splitBlocks(this.text, last ? last.start : 0);
    if (last) {
      this.blocks.pop();
      last.node.remove();
    }
    for (const block of fresh) {
      const node = renderBlock(block.source, this.chip);
      this.container.append(node);
      this.blocks.push({ ...block, node });
    }
  }
}

function renderBlock(source, chip) {
  const lines = source.split("\n");
  const fence = FENCE.exec(lines[0]);
  if (fence) return codeBlock(lines);
  const heading = HEADING.exec(lines[0]);
  if (heading && lines.length === 1) return withInline(`h${heading[1].length}`, heading[2], chip);
  if (lines.length === 1 && RULE.test(lines[0])) return document.createElement("hr");
  if (lines[0].trimStart().startsWith(">")) {
    const quote = document.createElement("blockquote");
    const inner = lines.map((line) => line.replace(/^\s*>\s?/, "")).join("\n");
    for (const block of splitBlocks(inner)) quote.append(renderBlock(block.source, chip));
    return quote;
  }
  if (ITEM.test(lines[0])) return list(lines, chip);
  if (lines.length > 1 && TABLE_LINE.test(lines[1]) && lines[0].includes("|")) return table(lines, chip);
  return withInline("p", lines.map((line) => line.trim()).join(" "), chip);
}

function withInline(tag, text, chip) {
  const element = document.createElement(tag);
  renderInline(element, text, chip);
  return element;
}

function codeBlock(lines) {
  const pre = document.createElement("pre");
  const code = document.createElement("code");
  const closed = lines.length > 1 && /^\s*(```+|~~~+)\s*$/.test(lines.at(-1));
  code.textContent = lines.slice(1, closed ? -1 : undefined).join("\n");
  pre.append(code);
  return pre;
}

function list(lines, chip) {
  const [, indent, bullet] = ITEM.exec(lines[0]);
  const element = document.createElement(/\d/.test(bullet) ? "ol" : "ul");
  if (element.tagName === "OL" && Number.parseInt(bullet, 10) !== 1) element.start = Number.parseInt(bullet, 10);
  let nested = [];
  let item = null;
  const flush = () => {
    if (nested.length && item) item.append(ITEM.test(nested[0]) ? list(nested, chip) : withInline("p", nested.join(" "), chip));
    nested = [];
  };
  for (const line of lines) {
    const match = ITEM.exec(line);
    if (match && match[1].length <= indent.length + 1) {
      flush();
      item = withInline("li", match[3], chip);
      element.append(item);
    } else if (match || nested.length) nested.push(line);
    else if (item) {
      item.append(" ");
      renderInline(item, line.trim(), chip);
    }
  }
  flush();
  return element;
}

function table(lines, chip) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/);
  const element = document.createElement("table");
  lines.forEach((line, index) => {
    if (index === 1) return;
    const row = element.appendChild(document.createElement("tr"));
    for (const cell of cells(line)) row.append(withInline(index ? "td" : "th", cell.trim().replaceAll("\\|", "|"), chip));
  });
  return element;
}
