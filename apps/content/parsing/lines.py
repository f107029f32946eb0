"""What lines of typewritten or printed text say by their look: page furniture, headings, figures, wrapped prose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

NUMBERED = re.compile(
    r"^(?P<number>(?:\d{1,3}(?:\.\d{1,3})*|[A-Z](?:\.\d{1,3})+)\.?|Appendix [A-Z][.:]?|[A-Z]\.)\s+(?P<text>\S.*)$"
)
BULLET = re.compile(r"^\s*(?:[-*•·‣▪◦+–]|o|\(?\d{1,3}[.)]|\(?[a-z][.)]|\[[\w.-]{1,16}\])\s+\S")
LEADERS = re.compile(r"(?:\.\s?){4,}\s*\S{0,6}$")
_DIGITS = re.compile(r"\d+")
_GAP = re.compile(r"\S {3,}\S")
_RULE = re.compile(r"^\s*([-=_*~#+^.])\1{2,}\s*$")
_WORD = re.compile(r"[A-Za-z][a-z']+")
_PROMPT = re.compile(r"^\s*(\$|#|>|>>>|%) \S")


def indent_of(line: str) -> int:
    """Spaces at the start of a line."""
    return len(line) - len(line.lstrip(" "))


def is_rule(line: str) -> bool:
    """A line that only draws a line."""
    return bool(_RULE.match(line))


def running_lines(pages: Sequence[Sequence[str]]) -> set[str]:
    """Signatures of headers and footers: what stands first or last on many pages, numbers aside."""
    if len(pages) < 3:
        return set()
    seen: Counter[str] = Counter()
    for page in pages:
        written = [line for line in page if line.strip()]
        seen.update({signature(line) for line in (*written[:2], *written[-2:])})
    # Authors and dates stand on every page but the first; chapter titles change, so two pages of five are enough.
    return {text for text, count in seen.items() if text and count >= max(3, len(pages) * 0.4)}


def signature(line: str) -> str:
    """A line with its numbers and spacing taken out, to compare page furniture."""
    return " ".join(_DIGITS.sub("0", line).split())


def without_running(page: Sequence[str], running: set[str]) -> list[str]:
    """The lines of a page without its headers and footers and the empty lines around them."""
    lines = list(page)
    for end in (0, -1):
        for _ in range(3):
            while lines and not lines[end].strip():
                lines.pop(end)
            if lines and signature(lines[end]) in running:
                lines.pop(end)
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def has_columns(line: str) -> bool:
    """Two texts with a wide gap between them."""
    return bool(_GAP.search(line.strip()))


def is_figure(lines: Sequence[str]) -> bool:
    """Drawings, tables in columns, syntax and programs: half of the lines or more look like it."""
    odd = 0
    for line in lines:
        body = line.strip()
        letters = sum(character.isalpha() or character == " " for character in body)
        odd += bool(_GAP.search(body)) or letters < len(body) * 0.6 or bool(_PROMPT.match(line)) or is_rule(line)
    return odd * 2 >= len(lines)


def is_prose(text: str) -> bool:
    """Reads like a sentence: several ordinary words, or an end mark."""
    words = _WORD.findall(text)
    return len(words) >= 6 or (len(words) >= 3 and text.rstrip().endswith((".", ":", "!", "?", ";")))


def heading_level(line: str, *, indent: int, body_indent: int) -> int:
    """The level of a heading that stands alone on a line, or 0.

    Args:
        line: without its indentation.
        indent: its indentation.
        body_indent: the usual indentation of running text.
    """
    words = line.split()
    if not 1 <= len(words) <= 14 or len(line) > 100 or line.endswith((".", ",", ";", "!")) or LEADERS.search(line):
        return 0
    if indent > body_indent or (indent == body_indent and body_indent > 0):
        return 0
    if not (line[0].isalnum() or line[0] in "\"'“‘(`"):
        return 0
    numbered = NUMBERED.match(line)
    text = numbered["text"] if numbered else line
    if sum(character.isalpha() for character in text) < len(text) * 0.5 or _GAP.search(line):
        return 0
    if numbered:
        if not (text[0].isupper() or text[0] in "\"'(`<" or text[0].isdigit()) or text.endswith(":"):
            return 0
        return min(6, len([part for part in re.split(r"[.\s]+", numbered["number"]) if part]) or 1)
    if line.endswith(":"):
        return 0
    letters = [character for character in line if character.isalpha()]
    if len(letters) >= 3 and all(character.isupper() for character in letters) and len(words) <= 9:
        return 1
    # Nothing but headings stands to the left of indented running text.
    return 1 if body_indent >= 2 and indent < body_indent and words[0][0].isupper() and len(words) <= 9 else 0


def join_lines(lines: Sequence[str], vocabulary: frozenset[str] | set[str] = frozenset()) -> str:
    """Wrapped lines as one. A hyphen at a line's end goes when the joined word stands elsewhere in the text.

    Args:
        lines: at least one.
        vocabulary: lower-case words of the whole text.
    """
    text = lines[0].strip()
    for line in lines[1:]:
        line = line.strip()
        if text.endswith("-") and line[:1].islower() and not text.endswith(" -"):
            left = re.search(r"([^\W\d_]+)-$", text)
            right = re.match(r"[^\W\d_]+", line)
            joined = f"{left[1]}{right[0]}".lower() if left and right else ""
            text = (text[:-1] if joined in vocabulary else text) + line
        else:
            text = f"{text} {line}"
    return text


def vocabulary_of(text: str) -> set[str]:
    """Lower-case words of a text."""
    return {word.lower() for word in re.findall(r"[^\W\d_]{4,}", text)}
