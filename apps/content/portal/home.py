"""Home: what to do next, and what is going on."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from aiwriter.core.errors import NotFound
from apps.content.portal.documents import dress
from apps.content.portal.requests import WORKSPACE_KEY, actor_of, signed_in, workspace_of
from apps.content.selectors.home import drafts_to_continue, next_steps
from apps.content.selectors.listing import listed_documents
from apps.content.selectors.sources import source_counts
from apps.users.selectors.access import get_workspace

_RECENT, _STEPS = 6, 8


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
    drafts = drafts_to_continue(actor, workspace)
    rows, ordering = listed_documents(actor=actor, workspace=workspace)
    shown = rows.select_related("owner").defer("body_markdown", "body_html", "brief").order_by(*ordering)
    recent = list(shown[:_RECENT])
    dress(recent, actor.user_id)
    return render(
        request,
        "content/home.html",
        {
            "documents": recent,
            "draft": drafts[0] if drafts else None,
            "steps": next_steps(actor, workspace)[:_STEPS],
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
    if not target.startswith("/") or not url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    ):
        target = "content:home"
    return redirect(target)
