"""Pages that belong to no app: errors."""

from __future__ import annotations

import logging
import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from aiwriter.core import context
from aiwriter.core.errors import AppError, Detail
from aiwriter.core.faults import machine_fault

logger = logging.getLogger(__name__)


def error_body(code: str, message: str, details: tuple[Detail, ...] = ()) -> dict[str, object]:
    """The one error shape of the API."""
    return {
        "error": {
            "code": code,
            "message": message,
            "details": [{"field": d.field, "issue": d.issue, "remedy": d.remedy} for d in details],
        },
        "request_id": context.request_id.get(),
    }


def error_response(request: HttpRequest, error: AppError) -> HttpResponse:
    """An error as a page, or as JSON below /api/."""
    if request.path.startswith("/api/"):
        return JsonResponse(error_body(error.code, str(error), error.details), status=error.status)
    try:
        return render(request, "errors/error.html", {"error": error}, status=error.status)
    except Exception:
        # What broke the page may break this one too: static files that are not there, a context that asks the database. The
        # server would answer with two words of its own.
        logger.exception("The error page could not be drawn; a bare one was sent")
        return HttpResponse(render_to_string("errors/bare.html", {"error": error}), status=error.status)


def _plain(request: HttpRequest, status: int, code: str, title: str, remedy: str) -> HttpResponse:
    error = AppError(title, remedy=remedy)
    error.code, error.status = code, status
    return error_response(request, error)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400."""
    return _plain(request, 400, "invalid_input", "The request could not be read.", "Go back and try again.")


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403."""
    return _plain(request, 403, "permission_denied", "You may not open this.", "Ask an administrator for access.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return _plain(request, 404, "not_found", "This page does not exist.", "Check the address, or start from home.")


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """429 of the pages for signing in, from an address that asks too often."""
    response = _plain(request, 429, "too_many_requests", "Too many attempts.", "Wait a minute and try again.")
    response["Retry-After"] = "60"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that did not come from this site or was open too long."""
    return _plain(
        request,
        403,
        "csrf_failed",
        "The form could not be verified.",
        "Reload the page and send it again; what you typed is still in the form when you go back.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500; the details are in the log under the request's id. 503 or 507 where the machine is at fault.

    Django calls it from within its `except`. What a view raises is told by `AppErrorMiddleware` before it comes here; what
    middleware raises is not, and sessions are read there.
    """
    error = sys.exception()
    if error is not None and (fault := machine_fault(error)):
        return error_response(request, fault)
    return _plain(
        request,
        500,
        "internal_error",
        "Something went wrong on the server.",
        f"Try again; if it stays, tell the operator this number: {context.request_id.get()}",
    )
