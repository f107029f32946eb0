"""What every page of the writers needs from a request: who acts, in which workspace, and an answer that programs read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import orjson
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request

from aiwriter.core.errors import AppError, Detail, InvalidInput
from aiwriter.core.rest.pagination import CursorPage
from aiwriter.core.views import error_body
from apps.users.portal.requests import WORKSPACE_KEY, workspace_of
from apps.users.selectors.callers import actor_of

__all__ = [
    "WORKSPACE_KEY",
    "actor_of",
    "answers_json",
    "is_fragment",
    "json_body",
    "page_of",
    "signed_in",
    "workspace_of",
]


def signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Send visitors to the sign-in page, or answer 401 when a script asks."""
    guarded = login_required(view)

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated and "application/json" in request.headers.get("Accept", ""):
            body = error_body("not_authenticated", "You are signed out. Sign in again in another tab, then go on here.")
            return JsonResponse(body, status=401)
        return guarded(request, *args, **kwargs)

    return wrapped


def answers_json(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Turn the errors of services into the error shape of the API; pages turn them into an error page instead."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except AppError as error:
            return JsonResponse(error_body(error.code, error.message, _details(error)), status=error.status)

    return wrapped


def _details(error: AppError) -> Any:

    return error.details or (Detail("", error.message, error.remedy),)


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        InvalidInput: it is none.
    """
    try:
        found = orjson.loads(request.body)
    except ValueError as error:
        raise InvalidInput("The request is not JSON.", remedy="Reload the page and try again.") from error
    if not isinstance(found, dict):
        raise InvalidInput("The request is not a JSON object.", remedy="Reload the page and try again.")
    return found


def is_fragment(request: HttpRequest) -> bool:
    """Whether a script asks for the inner part of a page only."""
    return request.headers.get("X-Fragment") == "1"


class Page:
    """One page of a list: its rows and the cursor of the next."""

    def __init__(self, rows: list[Any], next_cursor: str | None, first: bool) -> None:
        self.rows, self.next_cursor, self.first = rows, next_cursor, first


def page_of(request: HttpRequest, queryset: QuerySet[Any], *, ordering: tuple[str, ...], size: int) -> Page:
    """The rows that the request's `cursor` asks for.

    Args:
        request: has `cursor` in its query.
        queryset: filtered to what the person may see.
        ordering: fields, the last one unique.
        size: rows of a page.

    Raises:
        InvalidInput: the cursor belongs to another list.
    """
    pages = CursorPage()
    pages.default_limit = size
    view = type("Ordered", (), {"ordering": ordering})
    rows = pages.paginate_queryset(queryset, Request(request), view)
    return Page(rows, pages.next_cursor, first=not request.GET.get("cursor"))
