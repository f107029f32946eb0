"""Turns whatever an endpoint raises into the API's one error shape."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from aiwriter.core.errors import (
    AppError,
    Detail,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    TooManyRequests,
    UnsupportedType,
)
from aiwriter.core.faults import machine_fault
from aiwriter.core.views import error_body


class MethodNotAllowed(AppError):
    """The address exists, but not for this method."""

    code, status = "method_not_allowed", 405


class NotAcceptable(AppError):
    """The client wants another format than JSON."""

    code, status = "not_acceptable", 406


def handle(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler.

    Returns:
        the answer, or None for what nobody foresaw: Django then logs it and answers 500 without any of its details.
    """
    error = as_app_error(exc)
    if error is None:
        return None
    set_rollback()
    headers: dict[str, str] = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    elif error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return Response(error_body(error.code, str(error), error.details), status=error.status, headers=headers)


def as_app_error(exc: Exception) -> AppError | None:
    """The product's error that says the same as an error of Django or DRF; None for a defect."""
    if isinstance(exc, AppError):
        return exc
    if isinstance(exc, Http404 | exceptions.NotFound):
        return NotFound("There is nothing at this address.")
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return NotAuthenticated(_text(exc.detail), remedy="Sign in, or send a valid API token.")
    if isinstance(exc, DjangoPermissionDenied | exceptions.PermissionDenied):
        text = _text(exc.detail) if isinstance(exc, exceptions.PermissionDenied) else "You may not do this."
        return PermissionDenied(text)
    if isinstance(exc, exceptions.Throttled):
        return TooManyRequests(
            "Too many requests.", retry_after=getattr(exc, "wait", None), remedy="Wait and try again."
        )
    if isinstance(exc, exceptions.ValidationError):
        details = tuple(_flatten(exc.detail))
        first = details[0] if details else Detail("", "The request is not valid.")
        message = f"{first.field}: {first.issue}" if first.field else first.issue
        return InvalidInput(message if len(details) < 2 else f"{len(details)} values cannot be used.", details=details)
    if isinstance(exc, exceptions.ParseError):
        return InvalidInput("The body could not be read.", remedy="Send JSON, or a form with files.")
    if isinstance(exc, exceptions.MethodNotAllowed):
        return MethodNotAllowed(_text(exc.detail))
    if isinstance(exc, exceptions.NotAcceptable):
        return NotAcceptable("Only JSON can be sent.", remedy="Ask for application/json.")
    if isinstance(exc, exceptions.UnsupportedMediaType):
        return UnsupportedType(_text(exc.detail), remedy="Send application/json or multipart/form-data.")
    if isinstance(exc, exceptions.APIException) and exc.status_code < 500:
        error = InvalidInput(_text(exc.detail))
        error.status = exc.status_code
        return error
    return machine_fault(exc)


def _text(detail: Any) -> str:
    return str(detail) if not isinstance(detail, list | dict) else "; ".join(d.issue for d in _flatten(detail))


def _flatten(detail: Any, path: str = "") -> Iterator[Detail]:
    """Nested serializer errors as a flat list with dotted field names."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(value, ".".join(part for part in (path, name) if part))
    elif isinstance(detail, list | tuple):
        for index, value in enumerate(detail):
            nested = isinstance(value, Mapping | list | tuple)
            yield from _flatten(value, f"{path}.{index}" if nested else path)
    else:
        yield Detail(path, str(detail))
