"""What the portal itself writes: model calls and the file store. Read only, and without what writers wrote."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from apps.backends.models import ModelCall, StoredBlob, StoredFile
from apps.users.admin.service_admin import ReadOnlyAdmin


@admin.register(ModelCall)
class ModelCallAdmin(ReadOnlyAdmin):
    """Attempts, newest first."""

    list_display = (
        "started_at",
        "subject",
        "number",
        "purpose",
        "profile_name",
        "model",
        "state",
        "error_kind",
        "input_tokens",
        "output_tokens",
        "price",
        "ttft_ms",
        "duration_ms",
    )
    list_filter = ("state", "purpose", "profile_name", "model", "error_kind", "usage_source")
    search_fields = ("=subject",)
    date_hierarchy = "started_at"
    show_full_result_count = False

    @admin.display(description="Cost", ordering="cost")
    def price(self, call: ModelCall) -> str:
        """The cost, or that it is not known."""
        return "not known" if call.cost is None else f"{call.cost:.6f} {call.currency}".strip()


@admin.register(StoredBlob)
class StoredBlobAdmin(ReadOnlyAdmin):
    """Bytes in the storages."""

    list_display = ("sha256", "bytes", "profile", "encrypted", "condemned_at", "damaged_at", "created_at")
    list_filter = ("profile", "encrypted", ("damaged_at", admin.EmptyFieldListFilter))
    list_select_related = ("profile",)
    search_fields = ("^sha256",)
    show_full_result_count = False

    @admin.display(description="Size", ordering="size")
    def bytes(self, blob: StoredBlob) -> str:
        """Readable."""
        return filesizeformat(blob.size)


@admin.register(StoredFile)
class StoredFileAdmin(ReadOnlyAdmin):
    """Files, without the names that writers gave them."""

    list_display = ("id", "purpose", "bytes", "version", "workspace_id", "created_at", "damaged")
    list_filter = ("purpose",)
    list_select_related = ("blob",)
    list_display_links = None
    show_full_result_count = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The list only: a page of one file would show its name."""
        return obj is None and super().has_view_permission(request)

    @admin.display(description="Size", ordering="blob__size")
    def bytes(self, file: StoredFile) -> str:
        """Readable."""
        return filesizeformat(file.blob.size)

    @admin.display(description="Damaged", boolean=True)
    def damaged(self, file: StoredFile) -> bool:
        """Whether its bytes were found changed or missing."""
        return file.blob.damaged_at is not None
