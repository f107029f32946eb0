"""Finding a passage: what retrieval would hand to a model, with the scores that decide."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from aiwriter.core.errors import AppError
from apps.content.portal.requests import actor_of, signed_in, workspace_of
from apps.content.selectors.sources import source_counts, sources_for
from apps.content.services.sources import search_sources

_LIMIT = 12
_MOST_CHOICES = 500


@require_GET
@signed_in
def search(request: HttpRequest) -> HttpResponse:
    """Ask a question of the sources."""
    actor, workspace = actor_of(request), workspace_of(request)
    query = request.GET.get("q", "").strip()[:500]
    chosen = request.GET.getlist("source")[:500]
    result, problem = None, None
    if query:
        try:
            result = search_sources(
                actor=actor, workspace=workspace, query=query, limit=_LIMIT, source_ids=chosen or None
            )
        except AppError as error:
            problem = error
    counts = source_counts(actor=actor, workspace=workspace)
    sources = sources_for(actor, workspace).filter(state="ready").order_by("title")
    choices = list(sources.values_list("pk", "title")[:_MOST_CHOICES])
    filters = {"chosen": set(chosen), "choices": [(str(key), title) for key, title in choices]}
    context = filters | {"query": query, "result": result, "problem": problem, "ready": counts.get("ready", 0)}
    return render(request, "content/search.html", context, status=problem.status if problem else 200)
