"""The list of documents, and what is done to documents as a whole."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from aiwriter.core.errors import InvalidInput
from apps.content.markup import markdown
from apps.content.models import Collection, Document
from apps.content.portal.requests import actor_of, answers_json, json_body, page_of, signed_in, workspace_of
from apps.content.selectors.documents import get_document
from apps.content.selectors.listing import Filters, kinds_in, labels_by_document, listed_documents
from apps.content.selectors.organising import tag_names, tree
from apps.content.selectors.searching import highlighted, query_words, snippets
from apps.content.services import bulk
from apps.content.services import documents as service

PAGE_SIZE = 30
BEST = "best"
ORDERS = {
    "updated": ("-updated_at", gettext_lazy("Last changed")),
    "created": ("-created_at", gettext_lazy("Newest")),
    "title": ("title", gettext_lazy("Title")),
    "words": ("-word_count", gettext_lazy("Longest")),
}


@require_GET
@signed_in
def document_list(request: HttpRequest) -> HttpResponse:
    """Documents of the workspace: searched, filtered, sorted, by pages."""
    return render(request, "content/documents.html", list_context(request))


def list_context(request: HttpRequest, collection: Collection | None = None) -> dict[str, Any]:
    """What the list of documents is drawn from.

    Args:
        request: has `q`, `kind`, `status`, `tag`, `collection`, `mine`, `sort` and `cursor` in its query.
        collection: the list of this collection only.
    """
    actor, workspace = actor_of(request), workspace_of(request)
    asked = request.GET
    filters = Filters(
        query=asked.get("q", "").strip()[:200],
        kind=asked.get("kind", ""),
        status=asked.get("status", ""),
        tags=tuple(filter(None, asked.getlist("tag")))[:10],
        collection=str(collection.pk) if collection else asked.get("collection", ""),
        owner="me" if asked.get("mine") == "1" else "",
    )
    words = query_words(filters.query)
    orders = {BEST: ("relevance", gettext_lazy("Best match")), **ORDERS} if words else ORDERS
    order = asked.get("sort", "")
    if order not in orders:
        order = next(iter(orders))
    rows, ordering = listed_documents(actor=actor, workspace=workspace, filters=filters, sort=orders[order][0])
    shown = rows.select_related("owner", "collection").defer("body_markdown", "body_html", "brief")
    page = page_of(request, shown, ordering=ordering, size=PAGE_SIZE)
    dress(page.rows, actor.user_id)
    if words:
        places = snippets(rows, [row.pk for row in page.rows], words)
        for row in page.rows:
            row.title_bits, row.snippet = highlighted(row.title, words), places.get(row.pk, [])
    return {
        "page": page,
        "filters": filters,
        "order": order,
        "orders": [(key, label) for key, (_field, label) in orders.items()],
        "kinds": kinds_in(workspace),
        "statuses": Document.Status.choices,
        "tag_names": tag_names(workspace),
        "branches": tree(actor=actor, workspace=workspace, counts=False),
        "collection": collection,
        "filtered": Filters(**{**_fields(filters), "collection": "" if collection else filters.collection}).any,
    }


def _fields(filters: Filters) -> dict[str, Any]:
    return {name: getattr(filters, name) for name in Filters.__slots__}


def dress(rows: list[Any], person: uuid.UUID | None) -> None:
    """Give the documents of a page their tags and the names of those who have them open.

    Args:
        rows: documents.
        person: who looks; not named.
    """
    ids = [row.pk for row in rows]
    tags, people = labels_by_document(ids, but=person)
    for row in rows:
        row.tag_names, row.editing = tags.get(row.pk, []), people.get(row.pk, [])


@require_POST
@signed_in
def new_document(request: HttpRequest) -> HttpResponse:
    """An empty document, opened in the editor."""
    document = service.create_document(
        actor=actor_of(request),
        workspace=workspace_of(request),
        title=_("Untitled"),
        body_markdown="",
        collection_id=request.POST.get("collection") or None,
    )
    return redirect("content:document", document_id=document.pk)


@require_POST
@signed_in
@answers_json
def copy_document(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Copy a document; or, with JSON of `title` and `html`, keep that text as a document of its own beside it."""
    actor = actor_of(request)
    if request.content_type != "application/json":
        copy = service.duplicate_document(actor=actor, document_id=document_id)
        return redirect("content:document", document_id=copy.pk)
    document, body = get_document(actor=actor, document_id=document_id), json_body(request)
    copy = service.create_document(
        actor=actor,
        workspace=document.workspace,
        title=_("%(title)s (copy)") % {"title": str(body.get("title") or document.title)[:280]},
        body_markdown=markdown.to_markdown(str(body["html"])) if "html" in body else document.body_markdown,
        kind=document.kind,
        language=document.language,
        collection_id=document.collection_id,
    )
    return JsonResponse({"address": reverse("content:document", args=[copy.pk])})


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


@require_POST
@signed_in
def many(request: HttpRequest) -> HttpResponse:
    """Do one thing to the documents that were ticked: move, tag, untag or delete them."""
    actor, ids, act = actor_of(request), request.POST.getlist("document"), request.POST.get("act", "")
    if not ids:
        messages.warning(request, _("No document is chosen. Tick the ones that are meant."))
        return redirect(_back(request))
    if act == "move":
        count = bulk.move_documents(actor=actor, document_ids=ids, collection_id=request.POST.get("collection") or None)
        said = ngettext("%(n)d document was moved.", "%(n)d documents were moved.", count)
    elif act in ("tag", "untag"):
        names = [name for name in request.POST.get("tags", "").split(",") if name.strip()]
        if not names:
            messages.warning(request, _("No tag is named. Write one or more, separated by commas."))
            return redirect(_back(request))
        count = bulk.tag_documents(
            actor=actor,
            document_ids=ids,
            add=names if act == "tag" else (),
            remove=names if act == "untag" else (),
        )
        said = ngettext("The tags of %(n)d document are changed.", "The tags of %(n)d documents are changed.", count)
    elif act == "trash":
        count = bulk.bin_documents(actor=actor, document_ids=ids)
        said = ngettext("%(n)d document is in the bin.", "%(n)d documents are in the bin.", count)
    else:
        raise InvalidInput("The page sent no known act.", field="act", remedy="Reload the page and try again.")
    messages.success(request, said % {"n": count})
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The list that was looked at, with its filters."""
    target = request.POST.get("next", "")
    # Only a path: a plain word would be taken for the name of a route.
    if target.startswith("/") and url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return reverse("content:documents")
