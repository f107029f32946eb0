"""The list of documents, and what is done to a document as a whole."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from apps.content.markup import markdown
from apps.content.models import Document
from apps.content.portal.requests import actor_of, answers_json, json_body, page_of, signed_in, workspace_of
from apps.content.selectors.documents import documents_for, get_document
from apps.content.services import documents as service

PAGE_SIZE = 30
ORDERS = {
    "updated": (("-updated_at", "-id"), gettext_lazy("Last changed")),
    "created": (("-created_at", "-id"), gettext_lazy("Newest")),
    "title": (("title", "id"), gettext_lazy("Title")),
    "words": (("-word_count", "-id"), gettext_lazy("Longest")),
}


@require_GET
@signed_in
def document_list(request: HttpRequest) -> HttpResponse:
    """Documents of the workspace: searched, filtered, sorted, by pages."""
    actor, workspace = actor_of(request), workspace_of(request)
    everything = documents_for(actor, workspace)
    query = request.GET.get("q", "").strip()[:200]
    kind = request.GET.get("kind", "")
    mine = request.GET.get("mine") == "1"
    order = request.GET.get("sort", "updated")
    if order not in ORDERS:
        order = "updated"
    found = everything
    for word in query.split()[:8]:
        found = found.filter(Q(title__icontains=word) | Q(body_markdown__icontains=word))
    if kind:
        found = found.filter(kind=kind)
    if mine:
        found = found.filter(owner_id=actor.user_id)
    ordering = ORDERS[order][0]
    shown = found.select_related("owner").defer("body_markdown", "body_html", "brief")
    page = page_of(request, shown, ordering=ordering, size=PAGE_SIZE)
    return render(
        request,
        "content/documents.html",
        {
            "page": page,
            "query": query,
            "kind": kind,
            "mine": mine,
            "order": order,
            "orders": [(key, label) for key, (_fields, label) in ORDERS.items()],
            "kinds": everything.order_by("kind").values_list("kind", flat=True).distinct(),
            "filtered": bool(query or kind or mine),
        },
    )


@require_POST
@signed_in
def new_document(request: HttpRequest) -> HttpResponse:
    """An empty document, opened in the editor."""
    document = service.create_document(
        actor=actor_of(request), workspace=workspace_of(request), title=_("Untitled"), body_markdown=""
    )
    return redirect("content:document", document_id=document.pk)


@require_POST
@signed_in
@answers_json
def copy_document(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Keep a text as a document of its own: the way out of a conflict in which nobody's words are lost.

    The body is JSON with `title` and `html`, or empty: then the stored text is copied.
    """
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    body = json_body(request) if request.content_type == "application/json" else {}
    text = markdown.to_markdown(str(body["html"])) if "html" in body else document.body_markdown
    copy = service.create_document(
        actor=actor,
        workspace=document.workspace,
        title=_("%(title)s (copy)") % {"title": str(body.get("title") or document.title)[:280]},
        body_markdown=text,
        kind=document.kind,
        language=document.language,
    )
    address = reverse("content:document", args=[copy.pk])
    return JsonResponse({"address": address}) if body else redirect(address)


@require_POST
@signed_in
def delete(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Put a document into the bin, and offer to take it out again."""
    actor = actor_of(request)
    document: Document = get_document(actor=actor, document_id=document_id)
    service.delete_document(actor=actor, document_id=document_id)
    messages.success(
        request,
        format_html(
            '{} <a href="{}">{}</a>',
            _("“%(title)s” is deleted.") % {"title": document.title},
            reverse("content:undelete-document", args=[document_id]),
            _("Undo"),
        ),
    )
    return redirect("content:documents")


@signed_in
def undelete(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Take a document out of the bin; asked for by GET it shows the button only, since a link must change nothing."""
    if request.method != "POST":
        return render(request, "content/undelete.html", {"document_id": document_id})
    document = service.undelete_document(actor=actor_of(request), document_id=document_id)
    return redirect("content:document", document_id=document.pk)
