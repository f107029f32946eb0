"""Workspaces and memberships."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from apps.users.admin.narrowing import deletion_told
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.models import Membership, Workspace
from apps.users.selectors.access import Actor
from apps.users.services import workspaces


@admin.register(Workspace)
class WorkspaceAdmin(ServiceAdmin):
    """Workspaces; what is written in them is not shown here."""

    list_display = ["name", "slug", "personal_of", "created_at"]
    list_select_related = ["personal_of"]
    search_fields = ["name", "slug"]

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        """The address stays what it was."""
        return ["name", "slug", "personal_of", "created_at"] if obj else ["name", "slug"]

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        """The address stays what it was."""
        return ["slug", "personal_of", "created_at"] if obj else []

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Workspace:
        """Make."""
        return workspaces.create_workspace(actor=actor, **values)

    def change_row(self, actor: Actor, row: Workspace, values: dict[str, Any]) -> None:
        """Rename."""
        workspaces.rename_workspace(actor=actor, workspace=row, name=values.get("name", row.name))


@admin.register(Membership)
class MembershipAdmin(ServiceAdmin):
    """Who works where."""

    list_display = ["user", "workspace", "role", "source", "granted_by", "expires_at", "created_at"]
    list_filter = ["role", "source", "workspace"]
    list_select_related = ["user", "workspace", "granted_by"]
    search_fields = ["user__email", "workspace__name"]
    autocomplete_fields = ["user", "workspace"]
    fields = ["user", "workspace", "role", "reason", "expires_at"]
    delete_confirmation_template = "admin/access/sure.html"

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        """A membership changes its role and end only."""
        return ["user", "workspace", "reason"] if obj else []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Asks, and says whom it would have hit."""
        told = deletion_told(request, self.get_object(request, object_id))
        return super().delete_view(request, object_id, extra_context={**(extra_context or {}), **told})

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Membership:
        """Let in."""
        return workspaces.add_member(actor=actor, **values)

    def change_row(self, actor: Actor, row: Membership, values: dict[str, Any]) -> None:
        """Another role or end."""
        end = values.get("expires_at", row.expires_at)
        workspaces.change_member(actor=actor, membership=row, role=values.get("role", row.role), expires_at=end)

    def delete_row(self, actor: Actor, row: Membership) -> None:
        """Take out."""
        workspaces.remove_member(actor=actor, membership=row)
