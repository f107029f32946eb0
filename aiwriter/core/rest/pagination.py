"""Lists in pages that do not shift while rows come and go.

A cursor holds the ordering values of the last row seen; the next page is "after these values". That is an index range
scan on any page, where an offset would read and drop every row before it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from aiwriter.core.errors import InvalidInput

_SALT = "aiwriter.cursor"
DEFAULT_ORDERING = ("-created_at", "-id")


class CursorPage(BasePagination):
    """`{"data": [...], "pagination": {"limit", "next_cursor", "has_more"}}`.

    A view names its order in `ordering` (default newest first); its last field must be unique, no field may be null,
    and a `.values()` queryset must contain all of them. Query: `limit` 1 to 200, `cursor` from the page before.
    """

    default_limit = 50
    max_limit = 200

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: Any = None
    ) -> list[Any]:
        """The rows of the page that the request asks for.

        Raises:
            InvalidInput: the limit is no number from 1 to 200, or the cursor belongs to another list.
        """
        self.ordering: Sequence[str] = getattr(view, "ordering", None) or DEFAULT_ORDERING
        self.limit = limit_of(request, default=self.default_limit, most=self.max_limit)
        self._list = _identity(request, self.ordering)
        queryset = queryset.order_by(*self.ordering)
        if text := request.query_params.get("cursor", ""):
            queryset = queryset.filter(_after(self.ordering, self._read(text)))
        rows = list(queryset[: self.limit + 1])
        self.has_more = len(rows) > self.limit
        rows = rows[: self.limit]
        self.next_cursor = self._write(rows[-1]) if self.has_more else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """The page around its rows."""
        pagination = {"limit": self.limit, "next_cursor": self.next_cursor, "has_more": self.has_more}
        return Response({"data": data, "pagination": pagination})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The page in OpenAPI."""
        return {
            "type": "object",
            "required": ["data", "pagination"],
            "properties": {
                "data": schema,
                "pagination": {
                    "type": "object",
                    "required": ["limit", "next_cursor", "has_more"],
                    "properties": {
                        "limit": {"type": "integer", "minimum": 1, "maximum": self.max_limit},
                        "next_cursor": {"type": ["string", "null"]},
                        "has_more": {"type": "boolean"},
                    },
                },
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The query in OpenAPI."""
        limit = {"type": "integer", "minimum": 1, "maximum": self.max_limit, "default": self.default_limit}
        return [
            {"name": "limit", "in": "query", "required": False, "description": "Rows of a page.", "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "next_cursor of the page before; the first page when left out.",
                "schema": {"type": "string"},
            },
        ]

    def _write(self, row: Any) -> str:
        values = [_dump(_value(row, name.lstrip("-"))) for name in self.ordering]
        return signing.dumps([self._list, *values], salt=_SALT)

    def _read(self, text: str) -> list[Any]:
        try:
            identity, *values = signing.loads(text, salt=_SALT)
        except (signing.BadSignature, ValueError, TypeError):
            identity, values = "", []
        if identity != self._list:
            raise InvalidInput(
                "The cursor does not belong to this list.",
                field="cursor",
                remedy="Leave it out to start at the first page, and keep filters the same from page to page.",
            )
        return [_load(value) for value in values]


def limit_of(request: Request, *, default: int, most: int) -> int:
    """How many rows a page is asked to have.

    Args:
        request: whose query may say so.
        default: when it does not.
        most: of them.

    Raises:
        InvalidInput: it is no number, or too many.
    """
    text = request.query_params.get("limit", "")
    if not text:
        return default
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= limit <= most:
        raise InvalidInput(f"limit is '{text[:20]}'.", field="limit", remedy=f"Use 1 to {most}.")
    return limit


def paginated(
    request: Request,
    queryset: QuerySet[Any],
    *,
    ordering: Sequence[str] = DEFAULT_ORDERING,
    row: Callable[[Any], Any] | None = None,
    prepare: Callable[[list[Any]], list[Any]] | None = None,
) -> Response:
    """A page of a queryset, for views that are no generic views.

    Args:
        request: has `limit` and `cursor`.
        queryset: models or `.values()`, already filtered to what the actor may see.
        ordering: as for `CursorPage`.
        row: makes the answer's row of a database row; left out for `.values()`.
        prepare: adds to all rows of the page what takes a query.
    """
    page = CursorPage()
    view = type("Ordered", (), {"ordering": ordering})
    rows = page.paginate_queryset(queryset, request, view)
    if prepare:
        rows = prepare(rows)
    return page.get_paginated_response([row(item) for item in rows] if row else rows)


def _identity(request: Request, ordering: Sequence[str]) -> str:
    """Names a list: its address, filters and order. A cursor means nothing in another one."""
    filters = sorted((k, v) for k, v in request.query_params.items() if k not in ("cursor", "limit"))
    return hashlib.sha256(repr((request.path, filters, tuple(ordering))).encode()).hexdigest()[:16]


def _value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, Mapping) else getattr(row, name)


def _dump(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return {"t": value.isoformat()}
    if isinstance(value, dt.date):
        return {"d": value.isoformat()}
    return str(value) if isinstance(value, uuid.UUID) else value


def _load(value: Any) -> Any:
    if isinstance(value, dict):
        return dt.datetime.fromisoformat(value["t"]) if "t" in value else dt.date.fromisoformat(value["d"])
    return value


def _after(ordering: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows behind the given ordering values: (a > x) or (a = x and b > y) or …, by each field's direction."""
    condition, equal = Q(pk__in=[]), Q()
    for name, value in zip(ordering, values, strict=True):
        field = name.lstrip("-")
        condition |= equal & Q(**{f"{field}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal &= Q(**{field: value})
    # Implied by the rest, but written out the planner sees one range on the first field and uses the index for it.
    first = ordering[0]
    return Q(**{f"{first.lstrip('-')}__{'lte' if first.startswith('-') else 'gte'}": values[0]}) & condition
