"""Documents as an operator may see them: whose, how large, when; neither title nor text."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from apps.content.models import Batch, Document, Export
from apps.users.admin.service_admin import ReadOnlyAdmin


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    """Documents without their content, which is private to their workspace."""

    list_display = ["id", "workspace", "owner", "kind", "words", "versions_kept", "created_at", "updated_at", "binned"]
    list_filter = ["kind", "status"]
    search_fields = ["=id", "owner__email", "workspace__name"]
    search_help_text = "Id, owner's address or workspace"
    fields = ["id", "workspace", "owner", "kind", "status", "language", "word_count", "revision", "created_at"]
    list_select_related = ["workspace", "owner"]
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        """Without the columns that hold content, so that a page cannot show them by mistake."""
        found = super().get_queryset(request)
        return found.defer("title", "body_markdown", "body_html", "brief", "slug").annotate(kept=Count("versions"))

    @admin.display(description="Words", ordering="word_count")
    def words(self, row: Document) -> str:
        """Size."""
        return f"{row.word_count:,}"

    @admin.display(description="Versions", ordering="kept")
    def versions_kept(self, row: Any) -> int:
        """How many versions are kept."""
        return row.kept

    @admin.display(description="In the bin", boolean=True)
    def binned(self, row: Document) -> bool:
        """Whether it was deleted."""
        return row.deleted_at is not None


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Files that workers make of documents."""

    list_display = ["id", "requested_by", "format", "state", "attempts", "created_at", "finished_at", "expires_at"]
    list_filter = ["state", "format"]
    search_fields = ["=id", "requested_by__email"]
    fields = ["id", "requested_by", "format", "state", "attempts", "worker", "error", "remedy", "created_at"]
    list_select_related = ["requested_by"]


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    """Tables whose rows become documents; what stands in them is not shown."""

    list_display = ["id", "workspace", "requested_by", "state", "failures", "created_at", "started_at", "finished_at"]
    list_filter = ["state"]
    search_fields = ["=id", "requested_by__email", "workspace__name"]
    fields = ["id", "workspace", "requested_by", "state", "failures", "error", "remedy", "created_at", "finished_at"]
    list_select_related = ["workspace", "requested_by"]
