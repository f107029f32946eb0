"""Documents as plain text: nothing but characters, still readable as headings, lists and tables."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it.token import Token

from apps.content.markup.exports import Reference
from apps.content.markup.markdown import parse
from apps.content.markup.pictures import alt_of


def text_file(title: str, body: str, references: Sequence[Reference], *, note: str = "") -> str:
    """The document as plain text.

    Args:
        title: stands above the text unless the text begins with it.
        body: Markdown.
        references: the list of sources, at the end.
        note: how the text came to be, after the sources.
    """
    tokens = [token for token in parse(body) if isinstance(token, Token)]
    lines: list[str] = []
    if not (len(tokens) > 1 and tokens[0].type == "heading_open" and tokens[1].content.strip() == title):
        lines += [title, "=" * min(len(title), 72), ""]
    lines += _blocks(tokens)
    if references:
        lines += ["Sources", "-------", ""]
        for entry in references:
            quote = f" – “{entry.quote}”" if entry.quote else ""
            lines.append(f"[{entry.marker}] {entry.line}{quote}")
        lines.append("")
    if note:
        lines += [note, ""]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _blocks(tokens: Sequence[Token]) -> list[str]:
    lines: list[str] = []
    prefixes: list[str] = []
    counters: list[int | None] = []
    bullet = ""
    rows: list[list[str]] = []
    position = 0

    def put(text: str) -> None:
        nonlocal bullet
        for number, line in enumerate(text.split("\n")):
            lead = "".join(prefixes[:-1]) + bullet if bullet and number == 0 else "".join(prefixes)
            lines.append(f"{lead}{line}".rstrip())
        bullet = ""

    while position < len(tokens):
        token = tokens[position]
        kind = token.type
        if kind == "heading_open":
            text = inline_text(tokens[position + 1])
            put(text)
            if not prefixes:
                lines.append(("=" if token.tag == "h1" else "-") * min(len(text), 72))
            lines.append("")
            position += 2
        elif kind == "paragraph_open":
            put(inline_text(tokens[position + 1]))
            if not token.hidden:
                lines.append("".join(prefixes).rstrip())
            position += 2
        elif kind in ("bullet_list_open", "ordered_list_open"):
            start = int(token.attrs.get("start") or 1)
            counters.append(start if kind.startswith("ordered") else None)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            counters.pop()
            if not counters and lines and lines[-1]:
                lines.append("")
        elif kind == "list_item_open":
            number = counters[-1]
            bullet = f"{number}. " if number is not None else "- "
            if number is not None:
                counters[-1] = number + 1
            prefixes.append(" " * len(bullet))
        elif kind == "list_item_close":
            prefixes.pop()
        elif kind == "blockquote_open":
            prefixes.append("> ")
        elif kind == "blockquote_close":
            prefixes.pop()
            lines.append("")
        elif kind in ("fence", "code_block"):
            put("\n".join(f"    {line}" for line in token.content.rstrip("\n").split("\n")))
            lines.append("")
        elif kind == "hr":
            put("* * *")
            lines.append("")
        elif kind == "table_open":
            rows = []
        elif kind == "tr_open":
            rows.append([])
        elif kind == "inline" and rows:
            rows[-1].append(inline_text(token).replace("\n", " "))
        elif kind == "table_close":
            for line in _table(rows):
                put(line)
            lines.append("")
            rows = []
        position += 1
    return lines


def _table(rows: list[list[str]]) -> list[str]:
    widths = [min(40, max(len(row[i]) for row in rows if i < len(row))) for i in range(max(map(len, rows)))]
    drawn = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
    drawn.insert(1, "-+-".join("-" * width for width in widths))
    return drawn


def inline_text(token: Token) -> str:
    """The words of an inline token; addresses of links stand behind their words."""
    pieces: list[str] = []
    links: list[tuple[str, int]] = []
    for child in token.children or ():
        if child.type == "link_open":
            links.append((str(child.attrs.get("href", "")), len(pieces)))
        elif child.type == "link_close" and links:
            address, start = links.pop()
            if address and "".join(pieces[start:]) != address:
                pieces.append(f" ({address})")
        elif child.type == "softbreak":
            pieces.append(" ")
        elif child.type == "hardbreak":
            pieces.append("\n")
        elif child.type == "image":
            pieces.append(f"[{alt_of(child) or child.attrs.get('src', '')}]")
        else:
            pieces.append(child.content)
    return "".join(pieces)
