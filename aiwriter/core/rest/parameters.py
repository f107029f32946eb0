"""The query of a request: a misspelt filter must not look like one that found everything."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from aiwriter.core.errors import Detail, InvalidInput

_PAGE = ("limit", "cursor")


class KnownParameters(BasePermission):
    """Refuses names that the operation does not document, and values that its documentation excludes.

    It stands among the permissions because DRF asks these last before the view, when it is known who asks.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Let it through.

        Raises:
            InvalidInput: naming each parameter that is wrong.
        """
        if not request.query_params:
            return True
        known = _documented(view, request.method or "GET")
        names = {*known, *(_PAGE if getattr(view, "pagination_class", None) and request.method == "GET" else ())}
        problems = []
        for name, values in request.query_params.lists():
            if name not in names:
                remedy = f"Use {', '.join(sorted(names))}." if names else "Leave it out."
                problems.append(Detail(name[:60], f"The parameter '{name[:60]}' is not known here.", remedy))
            elif problem := next((found for value in values if (found := _problem(known.get(name), value))), ""):
                problems.append(Detail(name, f"{name} is '{values[-1][:40]}'.", problem))
        if problems:
            first = problems[0]
            raise InvalidInput(first.issue, remedy=first.remedy, details=problems)
        return True


_known: dict[tuple[type, str], dict[str, OpenApiParameter]] = {}


def _documented(view: Any, method: str) -> dict[str, OpenApiParameter]:
    """What `extend_schema` says of the operation's query; looked up once for each."""
    key = (type(view), method)
    if key not in _known:
        handler = getattr(view, method.lower(), None)
        described = getattr(handler, "kwargs", {}).get("schema")
        given: list[Any] = []
        if described is not None:
            schema = described()
            schema.view, schema.method = view, method
            given = schema.get_override_parameters()
        _known[key] = {each.name: each for each in given if each.location == "query"}
    return _known[key]


def _problem(parameter: OpenApiParameter | None, value: str) -> str:
    """What to do about a value, or ""."""
    if parameter is None or value == "":
        return ""
    if parameter.enum and value not in [str(choice) for choice in parameter.enum]:
        return f"Use one of {', '.join(str(choice) for choice in parameter.enum)}."
    if "\0" in value:
        return "Leave the NUL character out."
    if parameter.type is uuid.UUID:
        try:
            uuid.UUID(value)
        except ValueError:
            return "Send an id."
    if parameter.type is bool and value not in ("true", "false"):
        return "Use true or false."
    return ""
