"""Content types in the console: the common ones, which every workspace has."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.content.models import ContentType, ContentTypeVersion
from apps.content.services import content_types
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor


class VersionInline(admin.TabularInline):
    """Who changed it when."""

    model = ContentTypeVersion
    fields = readonly_fields = ("number", "author", "created_at")
    extra = 0
    can_delete = False
    ordering = ("-number",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: versions are made by changes."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sees the type."""
        return True


@admin.register(ContentType)
class ContentTypeAdmin(ServiceAdmin):
    """The common templates; those of a workspace are its own affair."""

    list_display = ("name", "category", "writes", "length", "is_active", "revision", "updated_at")
    list_filter = ("category", "is_active", "writes")
    search_fields = ("name", "slug", "description")
    fields = ("name", "category", "description", "instructions", "fields", "writes", "length", "is_active")
    inlines = (VersionInline,)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContentType]:
        """Without those of workspaces, which are private."""
        return super().get_queryset(request).filter(workspace=None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not those that come with the portal: the next start would bring them again."""
        return super().has_delete_permission(request, obj) and not (obj and obj.seeded)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> ContentType:
        """Make one."""
        return content_types.create_content_type(actor=actor, workspace=None, **values)

    def change_row(self, actor: Actor, row: ContentType, values: dict[str, Any]) -> None:
        """Change one."""
        content_types.change_content_type(actor=actor, content_type_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: ContentType) -> None:
        """Remove one."""
        content_types.delete_content_type(actor=actor, content_type_id=row.pk)
