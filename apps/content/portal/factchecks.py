"""Claim checks: what the sources say of each statement of a draft."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.errors import Conflict, InvalidInput
from apps.content.models import CheckedClaim
from apps.content.portal.requests import actor_of, is_fragment, signed_in
from apps.content.selectors.documents import get_document
from apps.content.services import factchecks as service


@require_http_methods(["GET", "POST"])
@signed_in
def claims(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Start a check, watch it, read the last one; `?verdict=` shows one kind."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    if request.method == "POST":
        try:
            service.start_check(actor=actor, document_id=document_id)
        except (Conflict, InvalidInput) as error:
            messages.error(request, f"{error.message} {error.remedy}")
        return redirect("content:claims", document_id=document_id)
    check = service.checks_of(actor=actor, document_id=document_id).order_by("-created_at", "-id").first()
    verdict = request.GET.get("verdict", "")
    kinds = CheckedClaim.Verdict.choices
    rows = check.claims.all() if check else CheckedClaim.objects.none()
    if verdict in CheckedClaim.Verdict.values:
        rows = rows.filter(verdict=verdict)
    context = {
        "document": document,
        "check": check,
        "busy": int(check is not None and check.state in ("queued", "running")),
        "stale": check is not None and check.version_id != document.current_version_id,
        "claims": rows,
        "verdict": verdict,
        "kinds": [(key, label, getattr(check, key, 0)) for key, label in kinds],
    }
    template = "content/parts/claim_rows.html" if is_fragment(request) else "content/claims.html"
    return render(request, template, context)


@require_POST
@signed_in
def stop(request: HttpRequest, check_id: uuid.UUID) -> HttpResponse:
    """Stop a check."""
    check = service.stop_check(actor=actor_of(request), check_id=check_id)
    messages.success(request, _("The check was stopped."))
    return redirect("content:claims", document_id=check.document_id)
