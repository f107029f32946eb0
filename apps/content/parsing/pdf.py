"""PDF as plain text: pages, headings from the bookmarks, paragraphs put together again from printed lines.

PDFium reads the pages: on the same 261-page manual it took 0.35 s where pypdf took 6.8 s, and it kept the spaces
between words that pypdf lost. It is C++ code over foreign files, one more reason for the guarded child.
"""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from apps.content.parsing import lines as look
from apps.content.parsing.builder import TextBuilder, clean, squeeze
from apps.content.parsing.document import Limits
from apps.content.parsing.problems import Problem

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

# PDFium joins a word that was broken at a line's end and marks the hyphen with U+FFFE or U+0002.
_BREAK = "\ue0ff"
_PRINTED = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ft", "ﬆ": "st", "\ufffe": _BREAK, "\x02": _BREAK}
)
_BROKEN_WORD = re.compile(rf"(\w*){_BREAK}(\w*)")
_SENTENCE_END = (".", "!", "?", ":", "”", ".)", '."')
_KEY = re.compile(r"[\W_]+")
_LEADING_NUMBER = re.compile(r"^(?:chapter|section|appendix)?\s*(?:\d+(?:\.\d+)*|[A-Z])[.:]?\s+", re.IGNORECASE)


def read_pdf(path: Path, builder: TextBuilder, limits: Limits) -> None:
    """Add the pages of a PDF to `builder`.

    Raises:
        Problem: "encrypted", "broken", "too_large", or "no_text" for scans.
    """
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        document = PdfDocument(path)
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise Problem("encrypted") from error
        if "security" in str(error).lower():
            raise Problem("encrypted", "an unknown kind of protection") from error
        raise Problem("broken", "its structure cannot be read") from error
    try:
        count = len(document)
        if count == 0:
            raise Problem("broken", "it has no pages")
        if count > limits.pages:
            raise Problem("too_large", f"more than {limits.pages:,} pages")
        builder.title = squeeze(document.get_metadata_value("Title"))
        bookmarks = _bookmarks(document)
        pages = [_page_lines(document, number, builder) for number in range(count)]
    finally:
        document.close()
    if not any(pages):
        raise Problem("no_text")
    empty = sum(not page for page in pages)
    if empty * 2 > count:
        builder.warn(f"{empty} of {count} pages hold no text; they may be scanned pictures.")
    _add_pages(pages, bookmarks, builder)


def _page_lines(document: PdfDocument, number: int, builder: TextBuilder) -> list[str]:
    from pypdfium2 import PdfiumError

    try:
        page = document[number]
        text_page = page.get_textpage()
        text = text_page.get_text_bounded()
        text_page.close()
        page.close()
    except PdfiumError:
        # One broken page must not cost the writer the other pages.
        builder.warn(f"Page {number + 1} could not be read.")
        return []
    return [line for line in clean(text.translate(_PRINTED)).split("\n") if line.strip()]


def _bookmarks(document: PdfDocument) -> dict[str, int]:
    """Heading level by the letters of its text."""
    from pypdfium2 import PdfiumError

    found: dict[str, int] = {}
    try:
        for bookmark in document.get_toc(max_depth=6):
            found.setdefault(_key(bookmark.get_title()), min(6, bookmark.level + 1))
    except (PdfiumError, UnicodeDecodeError, RecursionError):
        return {}  # bookmarks only help, and many files carry broken ones
    return found


def _key(text: str) -> str:
    return _KEY.sub("", _LEADING_NUMBER.sub("", text.strip())).lower()


def _add_pages(pages: list[list[str]], bookmarks: dict[str, int], builder: TextBuilder) -> None:
    running = look.running_lines(pages)
    vocabulary = look.vocabulary_of("\n".join(line for page in pages for line in page))
    pages = [[_mend(line, vocabulary) for line in page] for page in pages]
    paragraph: list[str] = []
    for number, page in enumerate(pages, start=1):
        lines = look.without_running(page, running)
        lines = [line for line in lines if not look.LEADERS.search(line) and not line.strip().isdigit()]
        if not lines:
            continue
        width = median(len(line) for line in lines)
        if paragraph and not _runs_on(paragraph[-1], lines[0]):
            _flush(paragraph, vocabulary, builder)
        if not paragraph:
            builder.page(number)
        for at, line in enumerate(lines):
            level = _level(line, bookmarks)
            if level or look.BULLET.match(line) or (paragraph and _ends(paragraph[-1], line, width)):
                _flush(paragraph, vocabulary, builder)
                if number > 1 and at == 0:
                    builder.page(number)
            if level:
                builder.heading(level, line)
            else:
                paragraph.append(line)
        # The next page's number belongs to the first block that begins there.
        if paragraph and number < len(pages) and not _runs_on(paragraph[-1], (pages[number] or [""])[0]):
            _flush(paragraph, vocabulary, builder)
    _flush(paragraph, vocabulary, builder)


def _mend(line: str, vocabulary: set[str]) -> str:
    """Broken words whole again where the text knows the whole word, else with their hyphen."""

    def whole(match: re.Match[str]) -> str:
        joined = match[1] + match[2]
        return joined if joined.lower() in vocabulary else f"{match[1]}-{match[2]}"

    return _BROKEN_WORD.sub(whole, line) if _BREAK in line else line


def _level(line: str, bookmarks: dict[str, int]) -> int:
    if bookmarks:
        key = _key(line)
        return bookmarks.get(key, 0) if len(key) >= 3 and not look.BULLET.match(line.replace(".", "", 1)) else 0
    return look.heading_level(line.strip(), indent=0, body_indent=0)


def _runs_on(last: str, following: str) -> bool:
    return not last.rstrip().endswith(_SENTENCE_END) and following.strip()[:1].islower()


def _ends(last: str, line: str, width: float) -> bool:
    """Does a paragraph end between these two printed lines? Its last line is short, or a sentence ends with it."""
    if _runs_on(last, line):
        return False
    return len(last) < 0.75 * width or (last.rstrip().endswith(_SENTENCE_END) and len(last) < 0.9 * width)


def _flush(paragraph: list[str], vocabulary: set[str], builder: TextBuilder) -> None:
    if not paragraph:
        return
    if look.BULLET.match(paragraph[0]):
        text = look.join_lines(paragraph, vocabulary)
        mark, _, rest = text.strip().partition(" ")
        builder.item(rest if not any(character.isalnum() for character in mark) else text)
    elif len(paragraph) >= 2 and look.is_figure(paragraph):
        builder.code("\n".join(paragraph))
    else:
        builder.paragraph(look.join_lines(paragraph, vocabulary))
    paragraph.clear()
