"""Documents as files."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from apps.content.portal.requests import actor_of, signed_in
from apps.content.services.exports import export_document


@require_GET
@signed_in
def export(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Download a document as Markdown, HTML or DOCX (`?format=`)."""
    made = export_document(actor=actor_of(request), document_id=document_id, format=request.GET.get("format", "md"))
    disposition = content_disposition_header(as_attachment=True, filename=made.filename)
    headers = {"Content-Disposition": disposition or "attachment"}
    return HttpResponse(made.content, content_type=made.content_type, headers=headers)
