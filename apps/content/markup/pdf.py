"""Documents as PDF files, set by Typst: bookmarks, page numbers, tags for screen readers, letters of most scripts.

The text is handed over as data (JSON) to a fixed template, so nothing that a writer or a model wrote is read as code of
the typesetter. 50,000 words take about half a second.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from markdown_it.token import Token

from aiwriter.core.errors import InvalidInput
from apps.content.markup.exports import Reference
from apps.content.markup.markdown import parse
from apps.content.markup.pictures import ENDINGS, Picture, Pictures, alt_of

_TEMPLATE = Path(__file__).with_name("document.typ")
_FONT_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
_MARKER = re.compile(r"\[(\d{1,4})\](?!\()")
_SCRIPTS = (
    *("Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Gujarati", "Gurmukhi", "Kannada", "Malayalam"),
    *("Oriya", "Sinhala", "Thai", "Lao", "Khmer", "Myanmar", "Georgian", "Armenian", "Ethiopic", "Symbols"),
)
# One shape of a Chinese character belongs to each of these languages.
_CJK = {"ja": "JP", "ko": "KR", "zh-tw": "TC", "zh-hant": "TC", "zh-hk": "HK"}
_MARKS = {"strong": "strong", "em": "em", "s": "strike"}
# Deeper nesting than any person writes; the typesetter gives up at some twenty.
_DEEPEST = 12


def pdf_file(
    title: str,
    body: str,
    references: Sequence[Reference],
    *,
    language: str = "en",
    pictures: Pictures | None = None,
    note: str = "",
) -> bytes:
    """The document as a tagged PDF; markers are links to the list of sources.

    Args:
        title: the file's title, and a heading unless the text begins with it.
        body: Markdown.
        references: the list of sources.
        language: language tag; decides about hyphens and the shapes of Chinese characters.
        pictures: by address; a picture that is not among them is named in the text.
        note: how the text came to be, after the sources.

    Raises:
        InvalidInput: the text cannot be set.
    """
    import typst  # 7 MB in each process, and few make a PDF

    tokens = [token for token in parse(body) if isinstance(token, Token)]
    known = {entry.marker for entry in references}
    try:
        return _set(title, tokens, references, known, language, dict(pictures or {}), note)
    except typst.TypstError:
        if not pictures:
            raise InvalidInput(
                "The text could not be set as PDF.", field="format", remedy="Export it as Word or HTML instead."
            ) from None
    # A damaged picture stops the typesetter; the text is worth more than the picture.
    return pdf_file(title, body, references, language=language, note=note)


def _set(
    title: str,
    tokens: list[Token],
    references: Sequence[Reference],
    known: set[str],
    language: str,
    pictures: dict[str, Picture],
    note: str,
) -> bytes:
    import typst

    with tempfile.TemporaryDirectory(prefix="aiwriter-pdf-") as name:
        folder = Path(name)
        tree = _Tree(pictures, known)
        blocks = tree.blocks(tokens)
        for path, picture in tree.used.items():
            (folder / path).write_bytes(picture.content)
        shutil.copyfile(_TEMPLATE, folder / "main.typ")
        begins = bool(blocks) and blocks[0]["t"] == "h" and _plain(blocks[0]["c"]).strip() == title
        tag = language.lower().split("-")
        data = {
            "title": title,
            "heading": not begins,
            "lang": tag[0][:3] if tag[0][:3].isalpha() else "en",
            "region": tag[1].upper() if len(tag) > 1 and len(tag[1]) == 2 and tag[1].isalpha() else None,
            "fonts": _fonts(language),
            "blocks": blocks,
            "sources": [{"marker": r.marker, "line": r.line, "quote": r.quote} for r in references],
            "sources_level": 2,
            "words": {"sources": "Sources"},
            "note": note,
        }
        (folder / "document.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        options: dict[str, Any] = {"root": folder, "font_paths": _font_folders()}
        try:
            # PDF/UA asks for more than tags, an unbroken order of headings among it, which a writer may not keep.
            return bytes(typst.compile(folder / "main.typ", pdf_standards=["ua-1"], **options))
        except typst.TypstError:
            return bytes(typst.compile(folder / "main.typ", **options))


@cache
def _font_folders() -> list[Path]:
    """Folders of the fonts that come with the portal; the machine's own fonts stand in for what these lack."""
    specs = [find_spec(package) for package in _FONT_PACKAGES]
    return [Path(spec.origin).parent for spec in specs if spec and spec.origin]


def _fonts(language: str) -> list[str]:
    tag = language.lower()
    shape = next((s for prefix, s in _CJK.items() if tag.startswith(prefix)), "SC")
    return [
        "Libertinus Serif",
        "Noto Sans",
        f"Noto Sans CJK {shape}",
        *(f"Noto Sans {script}" for script in _SCRIPTS),
        "Noto Emoji",
    ]


def _plain(nodes: list[dict[str, Any]]) -> str:
    return "".join(n.get("v", "") if n["t"] in ("text", "code") else _plain(n.get("c", [])) for n in nodes)


class _Tree:
    """Markdown tokens as the template's nodes."""

    def __init__(self, pictures: dict[str, Picture], known: set[str]) -> None:
        self.pictures = pictures
        self.known = known
        self.used: dict[str, Picture] = {}

    def blocks(self, tokens: list[Token], depth: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            end = _end_of(tokens, position)
            inner = tokens[position + 1 : end]
            kind = token.type
            if kind == "heading_open":
                found.append({"t": "h", "l": int(token.tag[1]), "c": self.inline(inner[0])})
            elif kind == "paragraph_open":
                found.append({"t": "plain" if token.hidden else "p", "c": self.inline(inner[0])})
            elif kind in ("bullet_list_open", "ordered_list_open", "blockquote_open") and depth >= _DEEPEST:
                found += self.blocks([t for t in inner if not t.type.startswith("list_item")], depth)
            elif kind in ("bullet_list_open", "ordered_list_open"):
                node: dict[str, Any] = {
                    "t": "ul" if kind.startswith("bullet") else "ol",
                    "items": self._items(inner, depth),
                }
                node["tight"] = any(t.hidden for t in inner if t.type == "paragraph_open")
                node["start"] = int(token.attrs.get("start") or 1)
                found.append(node)
            elif kind == "blockquote_open":
                found.append({"t": "quote", "c": self.blocks(inner, depth + 1)})
            elif kind in ("fence", "code_block"):
                words = token.info.split()
                found.append({"t": "code", "v": token.content.rstrip("\n"), "lang": words[0] if words else None})
            elif kind == "hr":
                found.append({"t": "hr"})
            elif kind == "table_open":
                found.append(self._table(inner))
            position = end + 1
        return found

    def _items(self, tokens: list[Token], depth: int) -> list[list[dict[str, Any]]]:
        items, position = [], 0
        while position < len(tokens):
            end = _end_of(tokens, position)
            items.append(self.blocks(tokens[position + 1 : end], depth + 1) or [{"t": "plain", "c": []}])
            position = end + 1
        return items

    def _table(self, tokens: list[Token]) -> dict[str, Any]:
        rows: list[list[list[dict[str, Any]]]] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(self.inline(token))
        columns = max(len(row) for row in rows)
        rows = [row + [[]] * (columns - len(row)) for row in rows]
        # Cells are wrapped, since the template flattens the rows.
        return {"t": "table", "columns": columns, "head": rows[0], "rows": [[{"c": c} for c in r] for r in rows[1:]]}

    def inline(self, token: Token) -> list[dict[str, Any]]:
        stack: list[list[dict[str, Any]]] = [[]]
        for child in token.children or []:
            kind = child.type
            if kind == "link_open":
                stack[-1].append({"t": "link", "to": str(child.attrs.get("href", "")), "c": []})
                stack.append(stack[-1][-1]["c"])
            elif kind.endswith("_open") and kind[:-5] in _MARKS:
                stack[-1].append({"t": _MARKS[kind[:-5]], "c": []})
                stack.append(stack[-1][-1]["c"])
            elif kind.endswith("_close"):
                stack.pop()
                last = stack[-1][-1]
                if not last["c"]:
                    stack[-1].pop()
                elif last["t"] == "link" and not re.match(r"(?:https?|mailto):", last["to"]):
                    # Addresses within the portal lead nowhere in a file.
                    stack[-1][-1:] = last["c"]
            elif kind == "image":
                stack[-1].append(self._picture(child))
            elif kind == "hardbreak":
                stack[-1].append({"t": "break"})
            elif kind == "code_inline":
                stack[-1].append({"t": "code", "v": child.content})
            elif kind == "softbreak":
                stack[-1].append({"t": "text", "v": " "})
            elif child.content:
                stack[-1] += self._cited(child.content) if len(stack) == 1 else [{"t": "text", "v": child.content}]
        return stack[0]

    def _cited(self, text: str) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = []
        last = 0
        for match in _MARKER.finditer(text):
            if match[1] not in self.known:
                continue
            if match.start() > last:
                nodes.append({"t": "text", "v": text[last : match.start()]})
            nodes.append({"t": "cite", "v": match[1]})
            last = match.end()
        return [*nodes, {"t": "text", "v": text[last:]}] if last < len(text) else nodes

    def _picture(self, child: Token) -> dict[str, Any]:
        address, alt = str(child.attrs.get("src", "")), alt_of(child)
        picture = self.pictures.get(address)
        if picture is None:
            return {"t": "text", "v": f"[{alt or address}]"}
        path = f"picture-{len(self.used)}.{ENDINGS[picture.content_type]}"
        self.used[path] = picture
        return {"t": "image", "path": path, "alt": alt or picture.name}


def _end_of(tokens: list[Token], start: int) -> int:
    """Where the element that begins at `start` ends."""
    if tokens[start].nesting != 1:
        return start
    level = 0
    for position in range(start, len(tokens)):
        level += tokens[position].nesting
        if level == 0:
            return position
    return len(tokens) - 1
