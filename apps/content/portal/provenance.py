"""Where a text comes from, for the editor."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from apps.content.portal.requests import actor_of, answers_json, signed_in
from apps.content.selectors.documents import get_document
from apps.content.selectors.provenance import provenance_in


@require_GET
@signed_in
@answers_json
def origins(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """The stored Markdown with its origins, for marking them in the editor."""
    document = get_document(actor=actor_of(request), document_id=document_id)
    found = provenance_in(document, document.current_version)
    return JsonResponse(
        {
            "revision": document.revision,
            "markdown": document.body_markdown,
            "spans": [[span.start, span.end, span.origin] for span in found.spans],
            "shares": found.shares,
            "summary": found.summary,
        }
    )
