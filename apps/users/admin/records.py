"""Tokens and notifications: to read."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.users.admin.service_admin import ReadOnlyAdmin
from apps.users.models import ApiToken, Notification
from apps.users.selectors.callers import actor_of
from apps.users.services import tokens


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """API tokens; neither their text nor its digest is shown anywhere."""

    list_display = ["name", "user", "workspace", "key_id", "enabled", "expires_at", "last_used_at"]
    list_filter = ["enabled"]
    list_select_related = ["user", "workspace"]
    search_fields = ["name", "user__email", "key_id"]
    fields = [
        "name",
        "user",
        "workspace",
        "key_id",
        "scopes",
        "enabled",
        "expires_at",
        "last_used_at",
        "last_used_address",
        "created_at",
    ]
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """For those who manage accounts."""
        return request.user.has_perm("users.change_apitoken")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Make tokens useless from the next call on."""
        for token in queryset:
            tokens.revoke_token(actor=actor_of(request), token=token)
            messages.success(request, f"{token} is revoked.")


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """What people were told; the text itself is theirs."""

    list_display = ["created_at", "user", "kind", "read_at"]
    list_filter = ["kind"]
    list_select_related = ["user"]
    search_fields = ["user__email", "kind"]
    fields = ["user", "kind", "created_at", "read_at"]
