"""Pictures of a text: taken in from the editor, shown to those who may read it."""

from __future__ import annotations

import uuid
from typing import cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST, require_safe

from aiwriter.core.errors import InvalidInput
from apps.backends.services.downloads import show
from apps.content.portal.requests import actor_of, answers_json, signed_in
from apps.content.services import pictures as service


@require_POST
@signed_in
@answers_json
def add(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Keep a picture. Form in: `file`. JSON out: the `address` that the text writes, and the `name`."""
    upload = request.FILES.get("file")
    if upload is None:
        raise InvalidInput("No picture was sent.", field="file", remedy="Choose a picture.")
    file = service.add_picture(
        actor=actor_of(request), document_id=document_id, name=upload.name or "picture", stream=upload
    )
    return JsonResponse({"id": str(file.pk), "address": service.address_of(file.pk), "name": file.name}, status=201)


@require_safe
@signed_in
def picture(request: HttpRequest, picture_id: uuid.UUID) -> HttpResponse:
    """A picture; permission is asked each time, and a browser that has it is told so."""
    actor = actor_of(request)
    file = service.get_picture(actor=actor, file_id=picture_id)
    answer = show(actor, file, content_type=file.content_type, seen=request.headers.get("If-None-Match", ""))
    return cast(HttpResponse, answer)
