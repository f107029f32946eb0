"""HTML to Markdown.

Written by ourselves because citations decide it: a general converter either escapes every bracket ("\\[1\\]" instead of
"[1]") or none at all, and then "# not a heading" becomes one. Here a character is escaped only where it would mean
something. 50,000 words take about 0.2 s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_BLOCKS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "hr", "table", "div"}
)
_VOID = frozenset({"br", "hr", "img"})
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*", "s": "~~", "del": "~~", "strike": "~~"}
_SPACE = re.compile(r"[ \t\n\r\f]+")
_INLINE = re.compile(
    r"[\\`]"
    r"|(?<!\s)\*|\*(?!\s)"  # nor does an asterisk between spaces: 2 * 3
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore between letters marks nothing: snake_case stays readable
    r"|~(?=~)|(?<=~)~"
    r"|<(?=[A-Za-z/!?])"
    r"|&(?=#?\w+;)"
    r"|\](?=\()"
)
_LINE_START = re.compile(r"(#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|=+\s*$|-+\s*$|[|:\-][|:\- ]*$|\[(?=[^\]]*\]:))")
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_LANGUAGE = re.compile(r"(?:^|\s)language-(\S+)")


@dataclass(slots=True)
class _Node:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[_Node | str] = field(default_factory=list)


class _Tree(HTMLParser):
    """Builds the tree of clean, well-formed HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Node("div")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = _Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        for position in range(len(self._open) - 1, 0, -1):
            if self._open[position].tag == tag:
                del self._open[position:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def convert(html: str) -> str:
    """Markdown of clean HTML; ends with one newline unless it is empty."""
    tree = _Tree()
    tree.feed(html)
    tree.close()
    text = "\n\n".join(_blocks(tree.root))
    return f"{text}\n" if text else ""


# ---------------------------------------------------------------- blocks
def _blocks(node: _Node) -> list[str]:
    """The blocks inside a node as Markdown, each without a newline at its end."""
    found: list[str] = []
    loose: list[_Node | str] = []
    previous = ""
    alternate = False

    def flush() -> None:
        nonlocal previous
        if loose and (text := _paragraph(loose)):
            found.append(text)
            previous = "p"
        loose.clear()

    for child in node.children:
        if isinstance(child, str) or child.tag not in _BLOCKS:
            loose.append(child)
            continue
        flush()
        if child.tag in ("ul", "ol"):
            # Two lists of one kind in a row would be read back as one; another bullet keeps them apart.
            alternate = previous == child.tag and not alternate
            text = _list(child, alternate=alternate)
        else:
            text = "\n\n".join(_blocks(child)) if child.tag in ("div", "li") else _block(child)
        if text:
            found.append(text)
            previous = child.tag
    flush()
    return found


def _block(node: _Node) -> str:
    if node.tag == "p":
        return _paragraph(node.children)
    if node.tag == "hr":
        return "---"
    if node.tag == "pre":
        return _code_block(node)
    if node.tag == "blockquote":
        inner = "\n\n".join(_blocks(node))
        return "\n".join(f"> {line}" if line else ">" for line in inner.split("\n")) if inner else ""
    if node.tag == "table":
        return _table(node)
    text = _paragraph(node.children, one_line=True)
    # A heading's closing run of # is dropped when read; escape it when it is text.
    text = re.sub(r"(?:(?<=\s)|^)(#+)$", r"\\\1", text)
    return f"{'#' * int(node.tag[1])} {text}" if text else ""


def _paragraph(children: list[_Node | str], *, one_line: bool = False) -> str:
    text = _inline(children, one_line=one_line).strip()
    if one_line:
        return text
    return "\n".join(_start_of_line(line.strip()) for line in text.split("\n"))


def _start_of_line(line: str) -> str:
    """Escape what would begin another block."""
    if _LINE_START.match(line):
        return f"\\{line}"
    return _NUMBERED.sub(r"\1\\\2", line, count=1) if _NUMBERED.match(line) else line


def _code_block(node: _Node) -> str:
    code = next((c for c in node.children if isinstance(c, _Node) and c.tag == "code"), None)
    language = _LANGUAGE.search(code.attributes.get("class", "")) if code else None
    text = _plain(node).removesuffix("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    name = language[1].replace("`", "") if language else ""
    return f"{fence}{name}\n{text}\n{fence}" if text else f"{fence}{name}\n{fence}"


def _list(node: _Node, *, alternate: bool) -> str:
    items = [c for c in node.children if isinstance(c, _Node) and c.tag == "li"]
    bodies = [_blocks(item) for item in items]
    # A list is loose when one of its items has two blocks of which the second is not a list.
    loose = any(
        len([c for c in item.children if isinstance(c, _Node) and c.tag in _BLOCKS - {"ul", "ol"}]) > 1
        for item in items
    )
    start = node.attributes.get("start", "1")
    number = int(start) if start.isdigit() and len(start) < 9 else 1
    lines = []
    for position, body in enumerate(bodies):
        if node.tag == "ol":
            bullet = f"{number + position}{')' if alternate else '.'} "
        else:
            bullet = "* " if alternate else "- "
        text = ("\n\n" if loose else "\n").join(body)
        indent = " " * len(bullet)
        first, *rest = text.split("\n")
        lines.append("\n".join([(bullet + first).rstrip(), *(indent + line if line else "" for line in rest)]))
    return ("\n\n" if loose else "\n").join(lines)


def _table(node: _Node) -> str:
    rows = [
        [_cell(c) for c in row.children if isinstance(c, _Node) and c.tag in ("th", "td")]
        for row in _descendants(node, "tr")
    ]
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    rows = [row + [""] * (width - len(row)) for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, f"|{' --- |' * width}")
    return "\n".join(lines)


def _cell(node: _Node) -> str:
    text = " ".join(_paragraph_of_cell(node).split("\n"))
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _paragraph_of_cell(node: _Node) -> str:
    parts = []
    loose: list[_Node | str] = []
    for child in node.children:
        if isinstance(child, _Node) and child.tag in _BLOCKS:
            parts.append(_inline(loose, one_line=True).strip())
            loose = []
            parts.append(_paragraph_of_cell(child))
        else:
            loose.append(child)
    parts.append(_inline(loose, one_line=True).strip())
    return " ".join(part for part in parts if part)


def _descendants(node: _Node, tag: str) -> list[_Node]:
    found: list[_Node] = []
    for child in node.children:
        if isinstance(child, _Node):
            if child.tag == tag:
                found.append(child)
            elif child.tag in ("thead", "tbody", "tfoot"):
                found += _descendants(child, tag)
    return found


def _plain(node: _Node) -> str:
    return "".join(c if isinstance(c, str) else "\n" if c.tag == "br" else _plain(c) for c in node.children)


# ---------------------------------------------------------------- inside a block
def _inline(children: list[_Node | str], *, one_line: bool) -> str:
    """The text of a block. Emphasis that Markdown could not read back is left out, its text stays."""
    pieces: list[str] = []
    merged = _merged(children)
    for position, child in enumerate(merged):
        if isinstance(child, str):
            pieces.append(_escape(_SPACE.sub(" ", child)))
        elif child.tag == "br":
            if pieces:
                pieces[-1] = pieces[-1].rstrip(" ")
            pieces.append(" " if one_line else "\\\n")
        elif child.tag == "code":
            pieces.append(_code(_plain(child)))
        elif child.tag == "img":
            pieces.append(_image(child))
        elif child.tag == "a":
            if pieces and pieces[-1].endswith("!"):
                # An exclamation mark before a link would make it an image.
                pieces[-1] = f"{pieces[-1][:-1]}\\!"
            pieces.append(_link(child, one_line=one_line))
        elif child.tag in _MARKS:
            after = _first_character(merged[position + 1 :])
            pieces.append(_emphasis(child, "".join(pieces)[-1:], after, one_line=one_line))
        else:
            pieces.append(_inline(child.children, one_line=one_line))
    text = "".join(pieces)
    # A break at the end of a block means nothing and would be read as a backslash.
    return re.sub(r"(\\\n\s*)+$", "", text)


def _merged(children: list[_Node | str]) -> list[_Node | str]:
    """Neighbours of one mark become one: "**a****b**" would not be read back."""
    merged: list[_Node | str] = []
    for child in children:
        last = merged[-1] if merged else None
        if isinstance(child, str) and isinstance(last, str):
            merged[-1] = last + child
        elif (
            isinstance(child, _Node)
            and isinstance(last, _Node)
            and child.tag in _MARKS
            and last.tag in _MARKS
            and _MARKS[child.tag] == _MARKS[last.tag]
        ):
            merged[-1] = _Node(last.tag, last.attributes, [*last.children, *child.children])
        else:
            merged.append(child)
    return merged


def _emphasis(node: _Node, before: str, after: str, *, one_line: bool) -> str:
    mark = _MARKS[node.tag]
    inner = _inline(node.children, one_line=one_line)
    text = inner.strip()
    if not text or "\\\n" in (inner[:2], inner[-2:]):
        return inner
    lead, trail = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
    opens = _may_flank(lead or before, text[0])
    closes = _may_flank(trail or after, text[-1])
    # The neighbour's own mark would run into ours: "**a***b*" has several readings.
    clash = (before == mark[0] and not lead) or (text[0] == mark[0] or text[-1] == mark[0])
    if not opens or not closes or clash:
        return inner
    return f"{lead}{mark}{text}{mark}{trail}"


def _may_flank(outside: str, inside: str) -> bool:
    """Whether a mark between these two characters is one: not punctuation inside against a letter outside."""
    return inside.isalnum() or not outside or not outside[-1:].isalnum()


def _first_character(nodes: list[_Node | str]) -> str:
    for node in nodes:
        if isinstance(node, str):
            text = node
        elif node.tag in ("br", "img"):
            text = " " if node.tag == "br" else "!"
        elif node.tag in _MARKS or node.tag == "code" or node.tag == "a":
            text = "*" if node.tag in _MARKS else "`" if node.tag == "code" else "["
        else:
            text = _first_character(node.children)
        if text:
            return text[0]
    return ""


def _escape(text: str) -> str:
    return _INLINE.sub(lambda match: f"\\{match[0]}", text)


def _code(text: str) -> str:
    text = _SPACE.sub(" ", text)
    if not text.strip():
        return text
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    padded = text[0] == "`" or text[-1] == "`" or (text[0] == " " and text[-1] == " ")
    return f"{fence} {text} {fence}" if padded else f"{fence}{text}{fence}"


def _address(url: str) -> str:
    url = re.sub(r"\s", "%20", url.strip())
    if not url or re.search(r"[()<>\\]", url):
        return f"<{url.replace('<', '%3C').replace('>', '%3E')}>"
    return url


def _title(node: _Node) -> str:
    title = _SPACE.sub(" ", node.attributes.get("title", "")).strip()
    if not title:
        return ""
    quoted = title.replace("\\", "\\\\").replace('"', '\\"')
    return f' "{quoted}"'


def _link(node: _Node, *, one_line: bool) -> str:
    inner = _inline(node.children, one_line=one_line)
    text = inner.strip()
    if not text or "href" not in node.attributes:
        return inner
    lead, trail = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
    return f"{lead}[{_brackets(text)}]({_address(node.attributes['href'])}{_title(node)}){trail}"


def _image(node: _Node) -> str:
    source = node.attributes.get("src", "")
    alt = _escape(_SPACE.sub(" ", node.attributes.get("alt", "")).strip())
    return f"![{_brackets(alt)}]({_address(source)}{_title(node)})" if source else alt


def _brackets(text: str) -> str:
    """Balanced brackets may stand in a link's text; any other must be escaped."""
    depth = 0
    for match in re.finditer(r"(?<!\\)[\[\]]", text):
        depth += 1 if match[0] == "[" else -1
        if depth < 0:
            break
    return text if depth == 0 else re.sub(r"(?<!\\)([\[\]])", r"\\\1", text)
