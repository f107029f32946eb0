"""Probes."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from aiwriter.core.clients import client_address
from apps.monitoring.services import readiness
from apps.users.selectors.access import can
from apps.users.selectors.callers import actor_of


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Nothing is read or written, so it says nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether requests should be sent to this process: 200, or 503 with the names of what fails."""
    found = readiness.current()
    body: dict[str, Any] = {"status": found.status}
    if not found.ready:
        body["failing"] = [entry.key for entry in found.blocking]
    answers = not any(entry.key == "database" and entry in found.blocking for entry in found.entries)
    if _may_see_details(request, database_answers=answers):
        body["checks"] = {
            entry.key: {
                "status": entry.status,
                "required": entry.required,
                "message": entry.message,
                "remedy": entry.remedy,
                "checked_at": entry.checked_at,
            }
            for entry in found.entries
        }
    return JsonResponse(body, status=200 if found.ready else 503)


def _may_see_details(request: HttpRequest, *, database_answers: bool) -> bool:
    try:
        address = ipaddress.ip_address(client_address(request.META))
    except ValueError:
        address = None
    networks = [ipaddress.ip_network(n, strict=False) for n in settings.METRICS_NETWORKS]
    if address is not None and any(address.version == n.version and address in n for n in networks):
        return True
    # Who asks stands in the database; when that does not answer, the probe must not wait for it.
    return database_answers and can(actor_of(request), "monitoring.read")
