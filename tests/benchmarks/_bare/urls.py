"""The product's routes, and the bare view."""

import orjson
from django.http import HttpRequest, HttpResponse
from django.urls import path

from aiwriter.urls import urlpatterns as product
from apps.content.models import Document

FIELDS = ("id", "title", "kind", "status", "language", "word_count", "revision", "created_at", "updated_at")


def documents(request: HttpRequest) -> HttpResponse:
    """Fifty documents, no permission, no page, no envelope."""
    rows = list(Document.objects.filter(deleted_at=None).order_by("-updated_at").values(*FIELDS)[:50])
    return HttpResponse(orjson.dumps(rows), content_type="application/json")


urlpatterns = [*product, path("bare/documents", documents)]
