"""Takes secrets out of text before it is logged, stored or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "[redacted]"
# Shapes of keys that providers give out, credentials in URLs, and name=value pairs with telling names.
_SHAPES = (
    re.compile(r"\b(sk|pk|rk|aiw|ghp|gho|xox[abp]|AIza|AKIA|ASIA)[-_A-Za-z0-9]{12,}"),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
    re.compile(
        # What stands before the telling word is not looked for: `[\w-]*` there tries every letter of a long word again and
        # again, and a word of 100,000 letters took minutes.
        r"(?i)(?P<name>(?:password|passwd|secret|api[_-]?key|token|authorization|credential)[\w-]{0,64})"
        r"(?P<sep>[\"']?\s*[=:]\s*[\"']?)(?P<value>[^\s\"',;&}]{4,})"
    ),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask secrets in a text.

    Args:
        text: anything that may leave the process.
        secrets: exact values that are known to be secret; shorter than 4 characters are left, they match everywhere.
    """
    for value in secrets:
        if len(value) >= 4:
            text = text.replace(value, MASK)
    text = _SHAPES[0].sub(MASK, text)
    text = _SHAPES[1].sub(lambda m: f"{m.group(1)} {MASK}", text)
    text = _SHAPES[2].sub(MASK, text)
    return _SHAPES[3].sub(lambda m: f"{m.group('name')}{m.group('sep')}{MASK}", text)


_LOOKED_AT = 4000
# What errors quote: a value in quotation marks, a row's values in PostgreSQL's DETAIL, addresses of people, long words with
# letters and digits that are no id.
_QUOTED = re.compile(r"""(?P<mark>['"`\u201c])(?P<text>[^'"`\u201c\u201d\n]{17,})['"`\u201d]""")
# A value so long that its end was cut off.
_QUOTED_ON = re.compile(r"""(?P<mark>['"`\u201c])[^'"`\u201c\u201d\n]{17,}\Z""")
_ROW = re.compile(r"=\([^)]*(?:\)|\Z)")
_PERSON = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,200}")
_WORD = re.compile(
    r"(?<![\w-])(?![0-9a-f]{8}-[0-9a-f]{4}-)(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9_-]{20,}(?![\w-])"
)


def redact_error(text: str) -> str:
    """What may be kept of an error's text: its words, but not the values that it quotes.

    Args:
        text: of an exception or a line of the log.
    """
    cut = len(text) > _LOOKED_AT
    text = redact(text[:_LOOKED_AT])
    text = _ROW.sub(f"=({MASK})", text)
    text = _PERSON.sub(MASK, text)
    text = _QUOTED.sub(lambda m: f"{m.group('mark')}{MASK}{m.group('mark')}", text)
    if cut:
        text = _QUOTED_ON.sub(lambda m: f"{m.group('mark')}{MASK}", text)
    return _WORD.sub(MASK, text)
