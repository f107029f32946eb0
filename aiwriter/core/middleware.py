"""Middleware of the kernel."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from aiwriter.core import captures, clients, context, metrics, tracing
from aiwriter.core.errors import AppError
from aiwriter.core.faults import machine_fault
from aiwriter.core.views import error_response

requests = logging.getLogger("aiwriter.requests")


class RequestContextMiddleware:
    """Gives every request an id, keeps the client's address, counts it, and answers with `X-Request-ID`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request within its context."""
        begun = time.perf_counter()
        identifier = context.accept_request_id(request.headers.get("X-Request-ID", ""))
        tokens = (
            context.request_id.set(identifier),
            context.client_ip.set(clients.client_address(request.META)),
            # Filled by whoever finds out; a thread that serves many requests must not carry it into the next.
            context.actor_id.set(""),
            context.workspace_id.set(""),
            context.trace_id.set(context.accept_trace(request.headers.get("traceparent", ""))),
        )
        try:
            with tracing.span("request", kind="SERVER", traceparent=request.headers.get("traceparent", "")) as span:
                if captures.refresh():
                    with captures.sql_lines():
                        response = self.get_response(request)
                else:
                    response = self.get_response(request)
                match = request.resolver_match
                # Not the address: with ids in it every document would be a series of its own.
                route = match.route if match else "static" if request.path.startswith("/static/") else "unmatched"
                if span:
                    _tell(span, request, route, response.status_code)
            took = time.perf_counter() - begun
            if route != "static":
                _line(request, route, response.status_code, took)
        finally:
            context.request_id.reset(tokens[0])
            context.client_ip.reset(tokens[1])
            context.actor_id.reset(tokens[2])
            context.workspace_id.reset(tokens[3])
            context.trace_id.reset(tokens[4])
        response.headers["X-Request-ID"] = identifier
        metrics.count_request(metrics.surface_of(request.path), route, response.status_code, took)
        if "HTTP_X_AW_PROBE" in request.META and request.path not in ProbeMiddleware.PATHS:
            metrics.count_probe(response.status_code, took)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        return response


def _tell(span: Any, request: HttpRequest, route: str, status: int) -> None:
    """https://opentelemetry.io/docs/specs/semconv/http/http-spans/, without the address."""
    span.update_name(f"{request.method} /{route}")
    span.set_attributes(
        {
            "http.request.method": request.method or "",
            "http.route": f"/{route}",
            "http.response.status_code": status,
            "aiwriter.request_id": context.request_id.get(),
        }
    )
    if status >= 500:
        span.set_attribute("error.type", str(status))


def _line(request: HttpRequest, route: str, status: int, took: float) -> None:
    """A line of the log. Neither address nor query: both hold what people typed."""
    user = getattr(request, "_cached_user", None)
    if user is not None and user.is_authenticated and not context.actor_id.get():
        # Pages of the console that ask no service; who is signed in was looked up for them already.
        context.actor_id.set(f"user:{user.pk}")
    facts = {"method": request.method, "route": route, "status": status, "ms": round(took * 1000, 1)}
    requests.info("%s /%s %s", request.method, route, status, extra={"facts": facts})


class ProbeMiddleware:
    """Lets probes ask for the health of this very process under any name.

    Orchestrators, proxies and load balancers ask by an address, or as "localhost"; ALLOWED_HOSTS has neither where it is set
    well. With Django's own answer, 400, a pod was killed and a slot never got traffic. These two answers use no name.
    """

    PATHS = ("/livez", "/readyz")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; a probe without the name that it was asked by."""
        if request.path in self.PATHS:
            request.get_host = lambda: "localhost"  # type: ignore[method-assign]
        return self.get_response(request)


class AppErrorMiddleware:
    """Turns errors of services that a page did not handle into an error page with the right status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, unless the request was refused before its body was read (see `aiwriter.core.handler`)."""
        refusal: AppError | None = getattr(request, "refusal", None)
        return error_response(request, refusal) if refusal else self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer an `AppError` and a fault of the machine; leave everything else to Django."""
        error = exception if isinstance(exception, AppError) else machine_fault(exception)
        return error_response(request, error) if error else None
