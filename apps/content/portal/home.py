"""Home: what to do next, and what is going on."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from aiwriter.core.errors import NotFound
from apps.content.models import Generation
from apps.content.portal.requests import WORKSPACE_KEY, actor_of, signed_in, workspace_of
from apps.content.selectors.documents import documents_for
from apps.content.selectors.generations import generations_for
from apps.content.selectors.sources import source_counts
from apps.users.selectors.access import get_workspace

_RECENT = 6
_KINDS_WITH_PAGES = (Generation.Kind.DRAFT, Generation.Kind.OUTLINE, Generation.Kind.SECTION)


@require_GET
@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """The first page after signing in."""
    actor = actor_of(request)
    try:
        workspace = workspace_of(request)
    except NotFound:
        return render(request, "content/no_workspace.html")
    counts = source_counts(actor=actor, workspace=workspace)
    generations = generations_for(actor, workspace).filter(kind__in=_KINDS_WITH_PAGES)
    unfinished = list(generations.exclude(state__in=Generation.FINAL_STATES).order_by("-created_at")[:5])
    # A draft that failed or was never taken over into a document is work that would otherwise be out of sight.
    waiting = generations.filter(state__in=Generation.FINAL_STATES, applied_version=None, document=None)
    documents = documents_for(actor, workspace).defer("body_markdown", "body_html")
    return render(
        request,
        "content/home.html",
        {
            "documents": documents.select_related("owner").order_by("-updated_at", "-id")[:_RECENT],
            "unfinished": unfinished,
            "waiting": waiting.order_by("-created_at")[:3],
            "counts": counts,
            "sources_total": sum(counts.values()),
            "sources_busy": sum(counts.get(state, 0) for state in ("pending", "parsing", "embedding")),
        },
    )


@require_POST
@signed_in
def open_workspace(request: HttpRequest, workspace_id: uuid.UUID) -> HttpResponseRedirect:
    """Work in another workspace from now on, in this browser."""
    workspace = get_workspace(actor_of(request), workspace_id)
    request.session[WORKSPACE_KEY] = str(workspace.pk)
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = "content:home"
    return redirect(target)
