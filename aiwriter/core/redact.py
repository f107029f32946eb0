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
        r"(?i)(?P<name>[\w-]*(?:password|passwd|secret|api[_-]?key|token|authorization|credential)[\w-]*)"
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
