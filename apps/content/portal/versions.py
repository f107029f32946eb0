"""Versions of a document: look, compare, name, restore."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from aiwriter.core.errors import InvalidInput
from apps.content.markup import markdown
from apps.content.portal.requests import actor_of, page_of, signed_in
from apps.content.selectors.documents import get_document, get_version, versions_of
from apps.content.services import histories as service
from apps.content.services.comparing import diff_versions

PAGE_SIZE = 50


@require_GET
@signed_in
def version_list(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Who changed the text, when, and why."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    versions = versions_of(actor=actor, document_id=document_id).select_related("author", "generation")
    page = page_of(request, versions, ordering=("-number",), size=PAGE_SIZE)
    return render(request, "content/versions.html", {"document": document, "page": page})


@require_GET
@signed_in
def version(request: HttpRequest, document_id: uuid.UUID, number: int) -> HttpResponse:
    """The text as it was."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    found = get_version(actor=actor, document_id=document_id, number=number)
    context = {"document": document, "version": found, "html": markdown.to_html(found.body_markdown)}
    return render(request, "content/version.html", context)


@require_GET
@signed_in
def compare(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Two versions, word by word: in two columns or in one."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    older, newer = sorted((_number(request, "from"), _number(request, "to")))
    view = diff_versions(actor=actor, document_id=document_id, from_number=older, to_number=newer)
    layout = "inline" if request.GET.get("view") == "inline" else "split"
    context = {
        "document": document,
        "view": view,
        "layout": layout,
        "older": older,
        "newer": newer,
        "rows": view.side_by_side() if layout == "split" else [],
        "parts": view.inline() if layout == "inline" else [],
    }
    return render(request, "content/compare.html", context)


def _number(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise InvalidInput("Two versions are needed to compare.", field=name, remedy="Choose them in the list.")
    return int(text)


@require_POST
@signed_in
def restore(request: HttpRequest, document_id: uuid.UUID, number: int) -> HttpResponse:
    """Make an old text the newest version; the versions between stay."""
    service.restore_version(actor=actor_of(request), document_id=document_id, number=number)
    messages.success(request, _("Version %(number)d is the present text again.") % {"number": number})
    return redirect("content:document", document_id=document_id)


@require_POST
@signed_in
def label(request: HttpRequest, document_id: uuid.UUID, number: int) -> HttpResponse:
    """Give a version a name."""
    words = request.POST.get("label", "").strip()[:120]
    service.label_version(actor=actor_of(request), document_id=document_id, number=number, label=words)
    return redirect("content:versions", document_id=document_id)
