"""Collections, tags and the bin."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError
from apps.content.portal.documents import list_context
from apps.content.portal.requests import WORKSPACE_KEY, actor_of, page_of, signed_in, workspace_of
from apps.content.selectors.organising import (
    binned_documents,
    get_collection,
    purge_day,
    tags_for,
    tree,
    way_to,
    writing_settings,
)
from apps.content.services import collections, tags, trash
from apps.content.services import documents as documents_service

PAGE_SIZE = 30


@require_http_methods(["GET", "POST"])
@signed_in
def collection_list(request: HttpRequest) -> HttpResponse:
    """All collections as a tree; posting makes one."""
    actor, workspace = actor_of(request), workspace_of(request)
    problem, entered = None, ""
    if request.method == "POST":
        entered = request.POST.get("name", "")
        try:
            made = collections.create_collection(
                actor=actor, workspace=workspace, name=entered, parent_id=request.POST.get("parent") or None
            )
        except AppError as error:
            problem = error
        else:
            return redirect("content:collection", collection_id=made.pk)
    context = {"branches": tree(actor=actor, workspace=workspace), "problem": problem, "entered": entered}
    return render(request, "content/collections.html", context, status=problem.status if problem else 200)


@require_GET
@signed_in
def collection(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """A collection: what lies in it, and where it lies."""
    actor = actor_of(request)
    found = get_collection(actor=actor, collection_id=collection_id)
    # Of another workspace of the person, from a link: that workspace is opened, as by the switcher.
    request.session[WORKSPACE_KEY] = str(found.workspace_id)
    branches = tree(actor=actor, workspace=found.workspace)
    context = list_context(request, found)
    context |= {
        "way": way_to(found),
        "inner": [branch for branch in branches if branch.collection.parent_id == found.pk],
        "branches": branches,
    }
    return render(request, "content/collection.html", context)


@require_POST
@signed_in
def change_collection(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Rename a collection and put it elsewhere."""
    try:
        collections.change_collection(
            actor=actor_of(request),
            collection_id=collection_id,
            name=request.POST.get("name"),
            parent_id=request.POST.get("parent") or None,
        )
    except AppError as error:
        if error.status in (401, 403, 404):
            raise
        messages.error(request, f"{error.message} {error.remedy}")
    else:
        messages.success(request, _("The collection is changed."))
    return redirect("content:collection", collection_id=collection_id)


@require_POST
@signed_in
def delete_collection(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Take a collection away; what lies in it goes up."""
    actor = actor_of(request)
    parent = get_collection(actor=actor, collection_id=collection_id).parent_id
    collections.delete_collection(actor=actor, collection_id=collection_id)
    messages.success(request, _("The collection is gone; what lay in it has moved up."))
    return redirect("content:collection", collection_id=parent) if parent else redirect("content:collections")


@require_http_methods(["GET", "POST"])
@signed_in
def tag_list(request: HttpRequest) -> HttpResponse:
    """Tags with how often they are used; posting makes one."""
    actor, workspace = actor_of(request), workspace_of(request)
    problem, entered = None, ""
    if request.method == "POST":
        entered = request.POST.get("name", "")
        try:
            tags.create_tag(actor=actor, workspace=workspace, name=entered)
        except AppError as error:
            problem = error
        else:
            messages.success(request, _("The tag is made."))
            return redirect("content:tags")
    context = {"tags": tags_for(actor, workspace).order_by("name"), "problem": problem, "entered": entered}
    return render(request, "content/tags.html", context, status=problem.status if problem else 200)


@require_POST
@signed_in
def change_tag(request: HttpRequest, tag_id: uuid.UUID) -> HttpResponse:
    """Rename a tag, or merge it into another when `into` names one."""
    actor, into = actor_of(request), request.POST.get("into", "")
    try:
        if into:
            tags.merge_tags(actor=actor, tag_id=tag_id, into_id=into)
        else:
            tags.rename_tag(actor=actor, tag_id=tag_id, name=request.POST.get("name", ""))
    except AppError as error:
        if error.status in (401, 403, 404):
            raise
        messages.error(request, f"{error.message} {error.remedy}")
    else:
        messages.success(request, _("The tags are merged.") if into else _("The tag is renamed."))
    return redirect("content:tags")


@require_POST
@signed_in
def delete_tag(request: HttpRequest, tag_id: uuid.UUID) -> HttpResponse:
    """Take a tag away from all documents."""
    tags.delete_tag(actor=actor_of(request), tag_id=tag_id)
    messages.success(request, _("The tag is gone. The documents are as they were."))
    return redirect("content:tags")


@require_GET
@signed_in
def trash_list(request: HttpRequest) -> HttpResponse:
    """What lies in the bin, and when it is deleted for good."""
    actor, workspace = actor_of(request), workspace_of(request)
    rows = binned_documents(actor, workspace).defer("body_markdown", "body_html", "brief").select_related("owner")
    page = page_of(request, rows, ordering=("-deleted_at", "-id"), size=PAGE_SIZE)
    settings = writing_settings(workspace)
    for row in page.rows:
        row.purge_day = purge_day(row, settings)
    return render(request, "content/trash.html", {"page": page, "settings": settings})


@require_POST
@signed_in
def restore(request: HttpRequest, binned_id: uuid.UUID) -> HttpResponse:
    """Take a document out of the bin and stay with the bin."""
    document = documents_service.undelete_document(actor=actor_of(request), document_id=binned_id)
    messages.success(request, _("“%(title)s” is back.") % {"title": document.title})
    return redirect("content:trash")


@require_POST
@signed_in
def purge(request: HttpRequest, binned_id: uuid.UUID) -> HttpResponse:
    """Delete a document for good."""
    trash.purge_document(actor=actor_of(request), document_id=binned_id)
    messages.success(request, _("The document is deleted for good."))
    return redirect("content:trash")


@require_POST
@signed_in
def empty(request: HttpRequest) -> HttpResponse:
    """Delete everything in the bin for good."""
    count = trash.empty_trash(actor=actor_of(request), workspace=workspace_of(request))
    said = ngettext("%(n)d document is deleted for good.", "%(n)d documents are deleted for good.", count)
    messages.success(request, said % {"n": count})
    return redirect("content:trash")
