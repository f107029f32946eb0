"""Markdown as plain text with its structure, by the CommonMark parser with tables and strikethrough."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from apps.content.parsing.builder import TextBuilder

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n(?:---|\.\.\.)\s*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def read_markdown(text: str, builder: TextBuilder) -> None:
    """Add the blocks of a Markdown text to `builder`."""
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    front = _FRONT_MATTER.match(text)
    if front:
        title = _FRONT_TITLE.search(front[1])
        builder.title = title[1] if title else ""
        text = text[front.end() :]
    tokens = MarkdownIt("commonmark", {"html": True, "maxNesting": 40}).enable(["table", "strikethrough"]).parse(text)
    level = 0
    lists = quotes = 0
    cells: list[str] = []
    item_open = False
    for token in tokens:
        match token.type:
            case "heading_open":
                level = int(token.tag[1])
            case "heading_close":
                level = 0
            case "bullet_list_open" | "ordered_list_open":
                lists += 1
            case "bullet_list_close" | "ordered_list_close":
                lists -= 1
            case "list_item_open":
                item_open = True
            case "blockquote_open":
                quotes += 1
            case "blockquote_close":
                quotes -= 1
            case "tr_open":
                cells = []
            case "tr_close":
                builder.row(cells)
                cells = []
            case "th_open" | "td_open":
                cells.append("")
            case "fence" | "code_block":
                builder.code(token.content)
            case "html_block":
                builder.paragraph(_TAG.sub(" ", token.content))
            case "inline":
                content = _inline(token)
                if level:
                    builder.heading(level, content)
                elif cells:
                    cells[-1] = content
                elif lists and item_open:
                    builder.item(content)
                    item_open = False
                elif quotes:
                    builder.quote(content)
                else:
                    builder.paragraph(content)
            case _:
                pass


def _inline(token: Token) -> str:
    parts: list[str] = []
    for child in token.children or ():
        if child.type in {"text", "code_inline"}:
            parts.append(child.content)
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif child.type == "image":
            parts.append(child.content)
    return "".join(parts)
