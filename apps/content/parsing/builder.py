"""Puts the normalised text together and remembers where everything stands in it."""

from __future__ import annotations

import re
import unicodedata

from apps.content.parsing.document import Block, BlockKind, Heading, Limits, PageStart, ParsedDocument
from apps.content.parsing.problems import Problem

_SPACE = re.compile(r"\s+")
# C0 and C1 controls but tab and newline, soft hyphens, zero-width characters, direction marks that hide text.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """NFC without control, invisible and unpaired surrogate characters; newlines and tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", _UNSEEN.sub("", text)))


def squeeze(text: str) -> str:
    """One line: every run of white space becomes one space."""
    return _SPACE.sub(" ", clean(text.replace("\n", " "))).strip()


class TextBuilder:
    """Collects blocks in reading order.

    Args:
        limits: `text_chars` is enforced while adding, so that a small file cannot grow without end.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._headings: list[Heading] = []
        self._pages: list[PageStart] = []
        self._pending_page: int | None = None
        self._warnings: list[str] = []
        self.title = ""

    def heading(self, level: int, text: str) -> None:
        """Add a heading; `level` counts from 1."""
        text = squeeze(text)[:300]
        if start := self._add("heading", text):
            self._headings.append(Heading(max(1, min(6, level)), text, start - 1))

    def paragraph(self, text: str) -> None:
        """Add running text."""
        self._add("paragraph", squeeze(text))

    def item(self, text: str) -> None:
        """Add one entry of a list; neighbours stand on neighbouring lines."""
        if text := squeeze(text):
            self._add("item", text if text[:2] in {"- ", "* "} else f"- {text}")

    def row(self, cells: list[str]) -> None:
        """Add one row of a table, cells parted by bars."""
        cells = [squeeze(cell) for cell in cells]
        if sum(bool(cell) for cell in cells) == 1:
            self.paragraph("".join(cells))  # a box, not a table
        elif any(cells):
            self._add("table", " | ".join(cells))

    def quote(self, text: str) -> None:
        """Add a quotation."""
        self._add("quote", squeeze(text))

    def code(self, text: str) -> None:
        """Add text whose lines and spaces matter."""
        lines = [line.rstrip() for line in clean(text).expandtabs(4).split("\n")]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
        self._add("code", "\n".join(line[indent:] for line in lines))

    def page(self, number: int) -> None:
        """What is added from now on stands on this page."""
        self._pending_page = number

    def warn(self, sentence: str) -> None:
        """Tell the writer something about this file; once each."""
        if sentence not in self._warnings:
            self._warnings.append(sentence)

    def _add(self, kind: BlockKind, text: str) -> int:
        """Append a block. Returns its first character plus one, so that nothing added is false."""
        if not text:
            return 0
        if self._parts:
            tight = kind in {"item", "table"} and self._blocks[-1].kind == kind
            separator = "\n" if tight else "\n\n"
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        if start + len(text) > self._limits.text_chars:
            raise Problem("too_large", f"more than {self._limits.text_chars:,} characters of text")
        if self._pending_page is not None:
            self._pages.append(PageStart(start, self._pending_page))
            self._pending_page = None
        self._parts.append(text)
        self._length += len(text)
        self._blocks.append(Block(kind, start, self._length))
        return start + 1

    def finish(self, *, kind: str, mime: str, fallback_title: str) -> ParsedDocument:
        """The document.

        Args:
            kind, mime: see `ParsedDocument`.
            fallback_title: when the file names no title and has no heading.

        Raises:
            Problem: "no_text" when nothing but white space was found.
        """
        text = "".join(self._parts)
        if not any(character.isalnum() for character in text):
            raise Problem("no_text")
        title = squeeze(self.title) or (self._headings[0].text if self._headings else "") or fallback_title
        return ParsedDocument(
            kind=kind,
            mime=mime,
            title=title[:300],
            text=text,
            headings=tuple(self._headings),
            pages=tuple(self._pages),
            blocks=tuple(self._blocks),
            warnings=tuple(self._warnings),
        )
