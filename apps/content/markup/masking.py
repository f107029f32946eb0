"""Markdown with its marks blanked: only the words are left, each where it was.

Every measure that names a place in a text works on the masked text, so that a place found there is the same place in the
Markdown. Code, addresses, citation markers and tables' rules become blanks, never shorter.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"^(?P<mark>```|~~~).*?(?:^(?P=mark)[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_PIECES = re.compile(
    r"`[^`\n]+`"
    r"|\[\d{1,4}(?:\s*,\s*\d{1,4})*\](?!\()"
    r"|(?<=\])\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)"
    r"|\bhttps?://[^\s<>)]+"
    r"|<[^<>\n]{1,300}>"
    r"|^[ \t]*\|?(?:[ \t]*:?-{3,}:?[ \t]*\|)+[ \t:-]*$"
    r"|^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+(?:\[[ xX]\][ \t]+)?|\d{1,3}[.)][ \t]+)+"
    r"|!?\[|\]|\*+|~~|(?<!\w)_+|_+(?!\w)|\||\\(?=[!-/:-@\[-`{-~])",
    re.MULTILINE,
)
_NOT_SPACE = re.compile(r"\S")


def mask(markdown: str) -> str:
    """The words of a Markdown text at their own places; the result has the same length.

    Args:
        markdown: Markdown or plain text.
    """
    return _PIECES.sub(_blank, _FENCE.sub(_blank, markdown))


def _blank(match: re.Match[str]) -> str:
    return _NOT_SPACE.sub(" ", match[0])
