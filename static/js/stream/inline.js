/** Markdown inside a block, as DOM nodes. Text never becomes HTML here: every piece goes through createTextNode. */

const TOKEN = new RegExp(
  [
    "(?<escape>\\\\[\\\\`*_{}\\[\\]()#+\\-.!|~<>])",
    "(?<code>`+)(?<codeText>.+?)\\k<code>(?!`)",
    "(?<image>!)?\\[(?<label>[^\\]\\[]*)\\]\\((?<href>[^()\\s]*)(?:\\s+\"[^\"]*\")?\\)",
    "\\[(?<cite>\\d{1,3})\\]",
    "\\*\\*(?<strong>\\S(?:.*?\\S)?)\\*\\*",
    "~~(?<strike>\\S(?:.*?\\S)?)~~",
    "\\*(?<em>[^\\s*](?:[^*]*[^\\s*])?)\\*",
    "(?<![\\p{L}\\p{N}])_(?<under>[^\\s_](?:[^_]*[^\\s_])?)_(?![\\p{L}\\p{N}])",
  ].join("|"),
  "gu",
);
const SAFE = /^(https?:|mailto:)/i;

/**
 * Put the rendering of `text` into `parent`.
 *
 * @param {HTMLElement} parent
 * @param {string} text
 * @param {(marker: string) => Node} chip makes the element of a citation.
 */
export function renderInline(parent, text, chip) {
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > last) parent.append(text.slice(last, match.index));
    last = match.index + match[0].length;
    const part = match.groups;
    if (part.escape) parent.append(part.escape[1]);
    else if (part.code) parent.append(make("code", part.codeText.trim()));
    else if (part.href !== undefined) parent.append(link(part, chip));
    else if (part.cite) parent.append(chip(part.cite));
    else parent.append(nested(part, chip));
  }
  if (last < text.length) parent.append(text.slice(last));
}

function nested(part, chip) {
  const [tag, inner] = part.strong ? ["strong", part.strong] : part.strike ? ["s", part.strike] : ["em", part.em ?? part.under];
  const element = document.createElement(tag);
  renderInline(element, inner, chip);
  return element;
}

function link(part, chip) {
  if (part.image || !SAFE.test(part.href)) return document.createTextNode(part.label);
  const element = document.createElement("a");
  element.href = part.href;
  element.rel = "noopener noreferrer nofollow";
  renderInline(element, part.label, chip);
  return element;
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
