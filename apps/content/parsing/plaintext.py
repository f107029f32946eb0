"""Plain text: finds paragraphs, headings, lists, figures and pages in text that was set for a typewriter.

RFCs, manual pages and README files are the models. Page headers and footers, dot-leader tables of contents and
overstrikes are taken out; wrapped lines become paragraphs; drawings and tables keep their lines.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from typing import NamedTuple

from apps.content.parsing import lines as look
from apps.content.parsing.builder import TextBuilder, clean
from apps.content.parsing.problems import Problem

_OVERSTRIKE = re.compile(r"[^\n]\x08")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PAGE_FOOT = re.compile(r"\[Page (\d+|[ivxl]+)\]\s*$", re.IGNORECASE)
_RFC_NUMBER = re.compile(r"^(?:Request for Comments|RFC)[: ]\s*#?(\d{1,5})", re.MULTILINE | re.IGNORECASE)
_CONTENTS = re.compile(r"^(table of contents|contents|list of (figures|tables))$", re.IGNORECASE)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class _Line(NamedTuple):
    text: str
    page: int


def decode(data: bytes, builder: TextBuilder) -> str:
    """Bytes as text: by byte order mark, else UTF-8, else Windows-1252 with a warning.

    Raises:
        Problem: "broken" for text that claims an encoding and breaks it.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise Problem("broken", f"it is not valid {encoding}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        builder.warn("The text is not UTF-8; it was read as Western European (Windows-1252).")
        return data.decode("cp1252", "replace")


def read_text(text: str, builder: TextBuilder) -> None:
    """Add the blocks of a plain text to `builder`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ")
    while "\x08" in text and (shorter := _OVERSTRIKE.sub("", text)) != text:
        text = shorter
    text = _ANSI.sub("", text).expandtabs(8)
    lines, paged = _paginate(text)
    groups = _group(lines)
    body_indent = _body_indent(groups)
    vocabulary = look.vocabulary_of(text)
    state = _State(builder, body_indent, vocabulary, paged)
    for group in groups:
        state.add(group)
    number = _RFC_NUMBER.search(text[:3000])
    if number and state.centred:
        builder.title = f"RFC {number[1]}: {state.centred}"
    elif state.centred:
        builder.title = state.centred


def _paginate(text: str) -> tuple[list[_Line], bool]:
    """Lines without page furniture, and whether there were pages at all."""
    raw = text.split("\f")
    if len(raw) == 1 and len(_PAGE_FOOT.findall(text[:200_000])) == 0:
        foot_lines = [line for line in text.split("\n") if _PAGE_FOOT.search(line)]
        raw = _split_after(text, foot_lines) if len(foot_lines) >= 2 else raw
    pages = [page.split("\n") for page in raw]
    if len(pages) == 1:
        return [_Line(line.rstrip(), 1) for line in pages[0]], False
    running = look.running_lines(pages)
    found: list[_Line] = []
    footed = False
    for position, page in enumerate(pages, start=1):
        foot = next((match for line in reversed(page) if (match := _PAGE_FOOT.search(line))), None)
        number = int(foot[1]) if foot and foot[1].isdigit() else position
        kept = [line.rstrip() for line in look.without_running(page, running) if not _PAGE_FOOT.search(line)]
        if footed and kept and look.has_columns(kept[0]):
            kept = _below_header(kept)
        footed = foot is not None
        while kept and not kept[-1]:
            kept.pop()
        if not kept:
            continue
        if found and not _continues(found[-1].text, kept):
            found.append(_Line("", number))
        found.extend(_Line(line, number) for line in kept)
    return found, True


def _below_header(page: list[str]) -> list[str]:
    """A page without its first line, the header of a text whose pages are too few to tell it by repetition."""
    rest = page[1:]
    while rest and not rest[0]:
        rest.pop(0)
    return rest


def _split_after(text: str, ends: list[str]) -> list[str]:
    pages: list[str] = []
    rest = text
    for end in ends:
        before, _, rest = rest.partition(end)
        pages.append(before + end)
    return [*pages, rest]


def _continues(last: str, page: list[str]) -> bool:
    """A paragraph runs on over the page's end: no end mark before, the same indentation and no list or heading after."""
    first = page[0]
    return (
        bool(last.strip())
        and not last.rstrip().endswith((".", ":", "!", "?"))
        and look.indent_of(last) == look.indent_of(first)
        and first.strip()[:1].islower()
        and not look.BULLET.match(first)
    )


def _group(lines: list[_Line]) -> list[list[_Line]]:
    groups: list[list[_Line]] = []
    current: list[_Line] = []
    for line in lines:
        if line.text.strip():
            current.append(line)
        elif current:
            groups.append(current)
            current = []
    return [*groups, current] if current else groups


def _body_indent(groups: list[list[_Line]]) -> int:
    counts: Counter[int] = Counter()
    for group in groups:
        if len(group) >= 2 and not look.is_figure([line.text for line in group]):
            counts.update(look.indent_of(line.text) for line in group)
    return counts.most_common(1)[0][0] if counts else 0


def _may_be_title(line: str) -> bool:
    return len(line) <= 100 and (line[0].isalnum() or line[0] in "\"'“‘(`")


class _State:
    """Sorts groups of lines into blocks; remembers what only the neighbourhood tells."""

    def __init__(self, builder: TextBuilder, body_indent: int, vocabulary: set[str], paged: bool) -> None:
        self.builder = builder
        self.body_indent = body_indent
        self.vocabulary = vocabulary
        self.paged = paged
        self.page = 0
        self.centred = ""
        self.in_contents = False
        self.prose_seen = False

    def add(self, group: list[_Line]) -> None:
        if self.paged and group[0].page != self.page:
            self.page = group[0].page
            self.builder.page(self.page)
        texts = [clean(line.text).replace("\n", " ") for line in group]
        texts = [text for text in texts if text.strip()]
        if texts:
            self._sort(texts)

    def _sort(self, texts: list[str]) -> None:
        if self._skip_contents(texts):
            return
        if not self.prose_seen and not self.centred and any(look.has_columns(text) for text in texts):
            self.builder.code("\n".join(texts))  # the two columns of authors and dates at the top of an RFC
            return
        if not self.prose_seen and not self.centred and self._is_centred(texts):
            self.centred = look.join_lines(texts)
            return
        if len(texts) >= 2 and look.is_rule(texts[1]) and _may_be_title(texts[0].strip()):
            level = 1 if texts[1].strip()[0] in "=#*" else 2
            self.builder.heading(level, texts[0].strip())
            if texts[2:]:
                self._sort(texts[2:])
            return
        level = look.heading_level(
            texts[0].strip(), indent=look.indent_of(texts[0]), body_indent=self._heading_indent(texts)
        )
        if level and (len(texts) == 1 or look.indent_of(texts[1]) > look.indent_of(texts[0])):
            self.in_contents = bool(_CONTENTS.match(texts[0].strip()))
            if not self.in_contents:
                self.builder.heading(level, texts[0].strip())
            if texts[1:]:
                self._sort(texts[1:])
            return
        self._add_body(texts)

    def _heading_indent(self, texts: list[str]) -> int:
        """Text that is not indented has headings only alone on their line."""
        return self.body_indent if self.body_indent or len(texts) == 1 else -1

    def _skip_contents(self, texts: list[str]) -> bool:
        leaders = sum(bool(look.LEADERS.search(text)) for text in texts)
        numbered = [match["number"] for text in texts if (match := look.NUMBERED.match(text.strip()))]
        listed = len(numbered) >= 0.7 * len(texts) and sum("." in number[:-1] for number in numbered) >= 2
        if leaders * 2 >= len(texts) or (len(texts) >= 4 and listed and not any(t.endswith(".") for t in texts)):
            return True
        return self.in_contents and len(texts) >= 2 and len(numbered) * 2 >= len(texts)

    def _is_centred(self, texts: list[str]) -> bool:
        return (
            len(texts) <= 4
            and all(look.indent_of(text) >= 6 and look.indent_of(text) > self.body_indent + 2 for text in texts)
            and all(abs(look.indent_of(text) - (72 - len(text.rstrip()))) <= 14 for text in texts)
            and not look.is_figure(texts)
            and look.signature(look.join_lines(texts)).lower() != "status of this memo"
        )

    def _add_body(self, texts: list[str]) -> None:
        bullets = [number for number, text in enumerate(texts) if look.BULLET.match(text)]
        if look.is_figure(texts) and not (bullets and look.is_prose(look.join_lines(texts))):
            self.builder.code("\n".join(texts))
            return
        if bullets and bullets[0] == 0:
            self._add_items(texts)
            return
        text = look.join_lines(texts, self.vocabulary)
        deep = look.indent_of(texts[0]) >= self.body_indent + 4
        if deep and not look.is_prose(text):
            self.builder.code("\n".join(texts))
            return
        self.prose_seen = True
        self.in_contents = False
        self.builder.paragraph(text)

    def _add_items(self, texts: list[str]) -> None:
        first = look.indent_of(texts[0])
        item: list[str] = []
        for text in texts:
            if item and look.BULLET.match(text) and look.indent_of(text) <= first + 2:
                self._add_item(item)
                item = []
            item.append(text)
        self._add_item(item)

    def _add_item(self, texts: list[str]) -> None:
        text = look.join_lines(texts, self.vocabulary)
        mark, _, rest = text.partition(" ")
        self.prose_seen = True
        self.builder.item(rest if mark in {"-", "*", "•", "·", "‣", "▪", "◦", "+", "–", "o"} else text)
