"""Documents as files."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import Conflict, InvalidInput
from apps.backends.services.filestore import signed_link
from apps.content.models import Export
from apps.content.portal.requests import actor_of, is_fragment, page_of, signed_in, workspace_of
from apps.content.selectors.documents import get_document, versions_of
from apps.content.selectors.organising import tree
from apps.content.services import exports as service

_VERSIONS_SHOWN = 50


@require_GET
@signed_in
def export(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Download a document in one of the formats (`?format=`), the present text or another version (`?version=`)."""
    query = request.GET
    made = service.export_document(
        actor=actor_of(request),
        document_id=document_id,
        format=query.get("format", "md"),
        version=query.get("version", ""),
        with_sources=query.get("sources", "1") == "1",
        with_origin=query.get("origin") == "1",
    )
    disposition = content_disposition_header(as_attachment=True, filename=made.filename)
    headers = {"Content-Disposition": disposition or "attachment"}
    return HttpResponse(made.content, content_type=made.content_type, headers=headers)


@require_http_methods(["GET", "POST"])
@signed_in
def choose(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Choose format, version and what comes along; a worker makes the file."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    if request.method == "POST":
        service.start_export(
            actor=actor,
            document_id=document_id,
            format=request.POST.get("format", ""),
            version=request.POST.get("version", "current"),
            with_sources=request.POST.get("sources") == "1",
            with_origin=request.POST.get("origin") == "1",
        )
        messages.success(request, _("The file is being written."))
        return redirect("content:exports")
    context = {
        "document": document,
        "formats": Export.Format.choices,
        "versions": list(versions_of(actor=actor, document_id=document_id)[:_VERSIONS_SHOWN]),
        "published": getattr(document, "published_version", None),
    }
    return render(request, "content/export_choose.html", context)


@require_GET
@signed_in
def export_list(request: HttpRequest) -> HttpResponse:
    """Exported files and how far they are; the same address answers with the rows alone while a script watches."""
    actor, workspace = actor_of(request), workspace_of(request)
    page = page_of(request, service.exports_for(actor, workspace), ordering=("-created_at", "-id"), size=50)
    for row in page.rows:
        row.link = signed_link(actor=actor, file=row.file) if row.file else ""
    context = {
        "page": page,
        "formats": Export.Format.choices,
        "branches": tree(actor=actor, workspace=workspace, counts=False),
        "busy": sum(1 for row in page.rows if row.state in ("queued", "running")),
    }
    template = "content/parts/export_rows.html" if is_fragment(request) else "content/exports.html"
    return render(request, template, context)


@require_POST
@signed_in
def export_many(request: HttpRequest) -> HttpResponse:
    """Have a zip made of several documents, or of all."""
    actor, workspace = actor_of(request), workspace_of(request)
    try:
        service.export_documents(
            actor=actor,
            workspace=workspace,
            document_ids=request.POST.getlist("document"),
            collection_id=request.POST.get("collection") or None,
            format=request.POST.get("format", "docx"),
            version=request.POST.get("version", "current"),
            with_sources=request.POST.get("sources", "1") == "1",
            with_origin=request.POST.get("origin") == "1",
        )
    except (Conflict, InvalidInput) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The zip is being written."))
    return redirect("content:exports")


@require_POST
@signed_in
def delete(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Remove an exported file."""
    service.delete_export(actor=actor_of(request), export_id=export_id)
    messages.success(request, _("The file is removed."))
    return redirect("content:exports")
