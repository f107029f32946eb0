"""Sources and vector indexes as an operator may see them: state, size, errors; neither title nor text."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from apps.content.models import EmbeddingIndex, Source
from apps.users.admin.service_admin import ReadOnlyAdmin


@admin.register(Source)
class SourceAdmin(ReadOnlyAdmin):
    """Sources without their content."""

    list_display = ["id", "workspace", "owner", "mime", "size", "state", "error_code", "attempts", "created_at"]
    list_filter = ["state", "error_code", "kind"]
    search_fields = ["=id", "owner__email", "workspace__name"]
    search_help_text = "Id, owner's address or workspace"
    list_select_related = ["workspace", "owner"]
    date_hierarchy = "created_at"
    fields = [
        "id",
        "workspace",
        "owner",
        "kind",
        "mime",
        "size",
        "state",
        "error_code",
        "remedy",
        "word_count",
        "chunk_count",
        "page_count",
        "attempts",
        "worker",
        "created_at",
        "finished_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """Without the columns that hold content; messages of the parser name the file."""
        return super().get_queryset(request).defer("title", "uri", "text", "outline", "page_map", "error", "warnings")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All of them."""
        return self.fields  # type: ignore[return-value]

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, row: Source) -> str:
        """Size of the file."""
        return filesizeformat(row.size_bytes)


@admin.register(EmbeddingIndex)
class EmbeddingIndexAdmin(ReadOnlyAdmin):
    """What is known about the vector index of each workspace."""

    list_display = ["workspace", "embedder_id", "state", "vectors_count", "behind", "last_built_at", "verified_at"]
    list_filter = ["state", "embedder_id"]
    list_select_related = ["workspace"]
    search_fields = ["workspace__name"]

    @admin.display(description="Changes behind")
    def behind(self, row: EmbeddingIndex) -> int:
        """How many changes the vector store has not seen."""
        return row.revision - row.indexed_revision
