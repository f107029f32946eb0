"""Finding a passage: what retrieval would hand to a model, with the scores that decide."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from aiwriter.core.errors import AppError
from apps.content.portal.requests import actor_of, signed_in, workspace_of
from apps.content.selectors.sources import source_counts
from apps.content.services.sources import search_sources

_LIMIT = 12


@require_GET
@signed_in
def search(request: HttpRequest) -> HttpResponse:
    """Ask a question of the sources."""
    actor, workspace = actor_of(request), workspace_of(request)
    query = request.GET.get("q", "").strip()[:500]
    result, problem = None, None
    if query:
        try:
            result = search_sources(actor=actor, workspace=workspace, query=query, limit=_LIMIT)
        except AppError as error:
            problem = error
    counts = source_counts(actor=actor, workspace=workspace)
    context = {"query": query, "result": result, "problem": problem, "ready": counts.get("ready", 0)}
    return render(request, "content/search.html", context, status=problem.status if problem else 200)
