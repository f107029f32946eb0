"""Sources: bring files, watch them being read in, read them."""

from __future__ import annotations

import uuid
from typing import BinaryIO, cast

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError, Detail, InvalidInput
from aiwriter.core.views import error_body
from apps.content.models import Source
from apps.content.portal.forms import SCHEDULES, OriginalForm, TextSourceForm
from apps.content.portal.requests import actor_of, is_fragment, page_of, signed_in, workspace_of
from apps.content.selectors.documents import documents_for
from apps.content.selectors.sources import get_source, source_counts, sources_for
from apps.content.services import sources as service

PAGE_SIZE = 50
BUSY = ("pending", "parsing", "embedding")
STATES = {"busy": BUSY, "ready": ("ready",), "failed": ("failed",)}
_PAGE_CHARACTERS = 60_000


@require_GET
@signed_in
def source_list(request: HttpRequest) -> HttpResponse:
    """Sources of the workspace; the same address answers with the rows alone while a script watches them."""
    actor, workspace = actor_of(request), workspace_of(request)
    query, state = request.GET.get("q", "").strip()[:200], request.GET.get("state", "")
    found = sources_for(actor, workspace)
    for word in query.split()[:8]:
        found = found.filter(Q(title__icontains=word) | Q(uri__icontains=word))
    if state in STATES:
        found = found.filter(state__in=STATES[state])
    shown = found.defer("text", "page_map", "outline")
    page = page_of(request, shown, ordering=("-created_at", "-id"), size=PAGE_SIZE)
    counts = source_counts(actor=actor, workspace=workspace)
    context = {
        "page": page,
        "query": query,
        "state": state,
        "counts": counts,
        "total": sum(counts.values()),
        "busy": sum(counts.get(name, 0) for name in BUSY),
        "form": TextSourceForm(),
    }
    return render(
        request, "content/parts/source_rows.html" if is_fragment(request) else "content/sources.html", context
    )


@require_POST
@signed_in
def upload(request: HttpRequest) -> HttpResponse:
    """Take files in. A script sends them one by one and reads JSON; a plain form may send many at once."""
    actor, workspace = actor_of(request), workspace_of(request)
    files = request.FILES.getlist("files")
    by_script = "application/json" in request.headers.get("Accept", "")
    try:
        if not files:
            raise InvalidInput("No file was sent.", remedy="Choose at least one file.")
        results = service.add_file_sources(
            actor=actor,
            workspace=workspace,
            files=[(f.name or "file", cast(BinaryIO, f), f.content_type or "") for f in files],
        )
    except AppError as error:
        if by_script:
            details = error.details or (Detail("", error.message, error.remedy),)
            return JsonResponse(error_body(error.code, error.message, details), status=error.status)
        messages.error(request, str(error))
        return redirect("content:sources")
    if by_script:
        items = [_upload_item(request, result) for result in results]
        failed = [item for item in items if "error" in item]
        return JsonResponse({"items": items}, status=422 if len(failed) == len(items) else 201)
    added = sum(1 for result in results if result.source)
    if added:
        words = ngettext("%(count)d source added.", "%(count)d sources added.", added)
        messages.success(request, words % {"count": added})
    for result in results:
        if result.error:
            messages.error(request, f"{result.name}: {result.error}")
    return redirect("content:sources")


def _upload_item(request: HttpRequest, result: service.SourceResult) -> dict[str, str]:
    if result.source is None:
        problem = result.error
        return {
            "name": result.name,
            "error": getattr(problem, "message", str(problem)),
            "remedy": getattr(problem, "remedy", ""),
        }
    row = render_to_string("content/parts/source_row.html", {"source": result.source}, request=request)
    return {"name": result.name, "id": str(result.source.pk), "row": row}


@require_http_methods(["GET", "POST"])
@signed_in
def add_text(request: HttpRequest) -> HttpResponse:
    """Pasted text as a source."""
    form = TextSourceForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                service.add_text_source(actor=actor_of(request), workspace=workspace_of(request), **form.cleaned_data)
            except AppError as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
                status = error.status
            else:
                messages.success(request, _("The text is a source now."))
                return redirect("content:sources")
    return render(request, "content/add_text.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@signed_in
def add_page(request: HttpRequest) -> HttpResponse:
    """A web page, or one of the workspace's documents, as a source."""
    actor, workspace = actor_of(request), workspace_of(request)
    form = OriginalForm(request.POST or None, documents=_documents(request))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            values = form.cleaned_data
            hours = int(values["refresh_hours"]) if values["refresh_hours"] else None
            try:
                if values["document"]:
                    service.add_document_source(actor=actor, document_id=values["document"], refresh_hours=hours)
                else:
                    service.add_url_source(actor=actor, workspace=workspace, url=values["url"], refresh_hours=hours)
            except AppError as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
                status = error.status
            else:
                messages.success(request, _("It is being fetched and read in."))
                return redirect("content:sources")
    return render(request, "content/add_page.html", {"form": form}, status=status)


def _documents(request: HttpRequest) -> list[tuple[str, str]]:
    found = documents_for(actor_of(request), workspace_of(request)).filter(word_count__gt=0).order_by("-updated_at")
    return [(str(key), title) for key, title in found.values_list("pk", "title")[:500]]


@require_POST
@signed_in
def refresh(request: HttpRequest, source_id: uuid.UUID) -> HttpResponse:
    """Look at a web page or document again."""
    service.refresh_source(actor=actor_of(request), source_id=source_id)
    messages.success(request, _("The source is being looked at again."))
    return redirect("content:source", source_id=source_id)


@require_POST
@signed_in
def schedule(request: HttpRequest, source_id: uuid.UUID) -> HttpResponse:
    """How often a web page or document is looked at again."""
    text = request.POST.get("refresh_hours", "")
    hours = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
    service.change_source(actor=actor_of(request), source_id=source_id, refresh_hours=hours)
    messages.success(request, _("Saved."))
    return redirect("content:source", source_id=source_id)


@require_GET
@signed_in
def source(request: HttpRequest, source_id: uuid.UUID) -> HttpResponse:
    """A source's text, with one passage marked when the address names it."""
    actor = actor_of(request)
    found = get_source(actor=actor, source_id=source_id)
    start, end = _marked_span(found, request.GET.get("passage", ""))
    window = _window(found.text, start)
    context = {
        "source": found,
        "before": found.text[window[0] : start] if start is not None else found.text[window[0] : window[1]],
        "marked": found.text[start:end] if start is not None else "",
        "after": found.text[end : window[1]] if start is not None else "",
        "cut_before": window[0] > 0,
        "cut_after": window[1] < len(found.text),
        "page_number": _page_at(found, start) if start is not None else None,
        "changes": found.kind in ("url", "document"),
        "schedules": SCHEDULES,
    }
    return render(request, "content/source.html", context)


def _marked_span(source: Source, passage: str) -> tuple[int | None, int | None]:
    """The characters of the passage that the address names; nothing when it is not one of this source."""
    if not passage:
        return None, None
    try:
        key = uuid.UUID(passage)
    except ValueError:
        return None, None
    chunk = source.chunks.filter(pk=key).first()
    return (chunk.char_start, chunk.char_end) if chunk else (None, None)


def _window(text: str, start: int | None) -> tuple[int, int]:
    """Which characters to show: a page of a megabyte helps nobody find the marked passage."""
    if len(text) <= _PAGE_CHARACTERS:
        return 0, len(text)
    first = max(0, (start or 0) - _PAGE_CHARACTERS // 3)
    if first:
        # Begin with a line, not in the middle of a word.
        first = max(first, text.find("\n", first, start) + 1)
    return first, min(len(text), first + _PAGE_CHARACTERS)


def _page_at(source: Source, position: int) -> int | None:
    number = None
    for start, page in source.page_map:
        if start > position:
            break
        number = page
    return number


@require_POST
@signed_in
def retry(request: HttpRequest, source_id: uuid.UUID) -> HttpResponse:
    """Read a source in once more."""
    service.retry_source(actor=actor_of(request), source_id=source_id)
    messages.success(request, _("The source is being read in again."))
    return redirect("content:sources")


@require_POST
@signed_in
def delete(request: HttpRequest, source_id: uuid.UUID) -> HttpResponse:
    """Remove a source; texts that cite it keep the quotes."""
    service.delete_source(actor=actor_of(request), source_id=source_id)
    messages.success(request, _("The source is deleted. Texts that cite it keep their quotes."))
    return redirect("content:sources")
