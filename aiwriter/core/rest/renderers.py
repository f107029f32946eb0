"""JSON out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def _other(value: Any) -> Any:
    # Money and costs keep every digit: a JSON number would become a float in most clients.
    if isinstance(value, Decimal):
        return format(value, "f")  # str() would write a sum of nothing as 0E-9
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def to_json(data: Any) -> bytes:
    """JSON text of plain values, dates, UUIDs, decimals (as text) and anything iterable."""
    return orjson.dumps(data, default=_other, option=_OPTIONS)


class OrjsonRenderer(BaseRenderer):
    """The API's only renderer; 4 to 10 times as fast as the standard library's JSON on lists."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """JSON text; nothing for an answer without content."""
        return b"" if data is None else to_json(data)
