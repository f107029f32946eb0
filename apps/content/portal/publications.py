"""Documents at places outside: publish, look, try again, take down."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import Conflict, InvalidInput, ResidencyRefused
from apps.backends.services.publishing import targets
from apps.content.models import Publication
from apps.content.portal.requests import actor_of, is_fragment, page_of, signed_in, workspace_of
from apps.content.selectors.documents import get_document, versions_of
from apps.content.services import publishing

_VERSIONS_SHOWN = 50
BUSY = ("queued", "running")


@require_http_methods(["GET", "POST"])
@signed_in
def publish(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Choose a place and what the document is to be there; below stands where it is already."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    problem, status = None, 200
    if request.method == "POST":
        try:
            row = publishing.publish_document(actor=actor, document_id=document_id, **_wishes(request))
        except (Conflict, InvalidInput, ResidencyRefused) as error:
            problem, status = error, error.status
        else:
            messages.success(request, _("The document is on its way to %(place)s.") % {"place": row.target.name})
            return redirect("content:publish-to", document_id=document_id)
    rows = list(publishing.publications_for(actor, document_id=document.pk))
    context = {
        "document": document,
        "problem": problem,
        "targets": targets(),
        "versions": list(versions_of(actor=actor, document_id=document_id)[:_VERSIONS_SHOWN]),
        "approved": document.approved_version,
        "published": document.published_version,
        "rows": rows,
        "busy": sum(1 for row in rows if row.state in BUSY),
        "sent": request.POST,
        "may_manage": request.user.is_staff,
    }
    template = "content/parts/publication_rows.html" if is_fragment(request) else "content/publish.html"
    return render(request, template, context, status=status)


def _wishes(request: HttpRequest) -> dict[str, Any]:
    sent = request.POST
    moment = parse_datetime(sent.get("publish_at", "")) if sent.get("publish_at") else None
    if moment is not None and timezone.is_naive(moment):
        moment = moment.replace(tzinfo=dt.UTC)
    return {
        "target_id": sent.get("target", ""),
        "version": sent.get("version", "current"),
        "wish": sent.get("wish", "publish"),
        "publish_at": moment,
        "categories": sent.get("categories", "").split(","),
        "tags": sent.get("tags", "").split(","),
        "with_sources": sent.get("sources") == "1",
    }


@require_GET
@signed_in
def publication_list(request: HttpRequest) -> HttpResponse:
    """Everything of the workspace that stands somewhere outside."""
    actor, workspace = actor_of(request), workspace_of(request)
    state = request.GET.get("state", "")
    state = state if state in Publication.State.values else ""
    found = publishing.publications_for(actor, workspace, state=state)
    found = found.defer("document__body_markdown", "document__body_html")
    page = page_of(request, found, ordering=("-created_at", "-id"), size=50)
    context = {
        "page": page,
        "rows": page.rows,
        "state": state,
        "states": Publication.State.choices,
        "busy": sum(1 for row in page.rows if row.state in BUSY),
        "with_titles": True,
        "targets": targets(),
    }
    template = "content/parts/publication_rows.html" if is_fragment(request) else "content/publications.html"
    return render(request, template, context)


@require_POST
@signed_in
def retry(request: HttpRequest, publication_id: uuid.UUID) -> HttpResponse:
    """Try it again at once."""
    return _then_back(request, publishing.retry(actor=actor_of(request), publication_id=publication_id))


@require_POST
@signed_in
def withdraw(request: HttpRequest, publication_id: uuid.UUID) -> HttpResponse:
    """Take the document down there."""
    return _then_back(request, publishing.withdraw(actor=actor_of(request), publication_id=publication_id))


def _then_back(request: HttpRequest, row: Publication) -> HttpResponse:
    messages.success(request, _("%(place)s is being told.") % {"place": row.target.name})
    if request.POST.get("back") == "document":
        return redirect("content:publish-to", document_id=row.document_id)
    return redirect("content:publications")
