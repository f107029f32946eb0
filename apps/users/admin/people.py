"""Accounts and their system roles."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.users.admin.service_admin import ServiceAdmin
from apps.users.models import RoleGrant, User
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of
from apps.users.services import people, roles
from apps.users.services.bootstrap import generate_password


class AddUserForm(forms.ModelForm):
    """A new account. It has no field for a role: roles are granted with a reason, on their own page."""

    class Meta:
        model = User
        fields = ["email", "full_name", "kind"]

    def clean_email(self) -> str:
        """Addresses are kept in lower case."""
        return self.cleaned_data["email"].lower()


class ChangeUserForm(AddUserForm):
    """Name and address."""

    class Meta:
        model = User
        fields = ["email", "full_name"]


class GrantInline(admin.TabularInline):
    """The system roles of a person, to read."""

    model = RoleGrant
    fk_name = "user"
    extra = 0
    can_delete = False
    fields: ClassVar[Any] = ["role", "granted_by", "reason", "expires_at", "created_at"]
    readonly_fields = ["role", "granted_by", "reason", "expires_at", "created_at"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Granted on its own page, by the service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Granted and taken away, never changed."""
        return False


@admin.register(User)
class UserAdmin(ServiceAdmin):
    """Accounts."""

    list_display = ["email", "full_name", "kind", "status", "last_seen_day", "created_at"]
    list_filter = ["status", "kind"]
    search_fields = ["email", "full_name"]
    readonly_fields = ["status", "last_seen_day", "created_at"]
    ordering = ["email"]
    actions = ["suspend", "reactivate", "new_password"]
    inlines = [GrantInline]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Another form to add than to change."""
        return super().get_form(request, obj, change, form=ChangeUserForm if obj else AddUserForm, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is known of a stored account."""
        if obj is None:
            return ["email", "full_name", "kind"]
        return ["email", "full_name", "status", "last_seen_day", "created_at"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Roles of a stored account."""
        return self.inlines if obj else []

    def add_row(self, actor: Actor, values: dict[str, Any]) -> User:
        """Without a password: "Set a new password" makes one and shows it once."""
        return people.create_user(actor=actor, **values)

    def change_row(self, actor: Actor, row: User, values: dict[str, Any]) -> None:
        """Name and address."""
        people.update_user(actor=actor, user=row, **values)

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Stop accounts at once."""
        for user in queryset:
            people.suspend_user(actor=actor_of(request), user=user, reason="In the console")
            messages.success(request, f"{user} is suspended.")

    @admin.action(description="Make active again", permissions=["change"])
    def reactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End suspensions."""
        for user in queryset:
            people.reactivate_user(actor=actor_of(request), user=user, reason="In the console")
            messages.success(request, f"{user} is active.")

    @admin.action(description="Set a new password", permissions=["change"])
    def new_password(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Make a password and show it once."""
        for user in queryset:
            password = generate_password()
            people.set_password(actor=actor_of(request), user=user, password=password.reveal())
            messages.warning(request, f"New password of {user.email}, shown this once: {password.reveal()}")


@admin.register(RoleGrant)
class RoleGrantAdmin(ServiceAdmin):
    """System roles."""

    list_display = ["user", "role", "granted_by", "reason", "expires_at", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "granted_by"]
    search_fields = ["user__email", "reason"]
    autocomplete_fields = ["user"]
    fields = ["user", "role", "reason", "expires_at"]

    def add_row(self, actor: Actor, values: dict[str, Any]) -> RoleGrant:
        """Grant."""
        return roles.grant_role(actor=actor, **values)

    def delete_row(self, actor: Actor, row: RoleGrant) -> None:
        """Take away."""
        roles.revoke_role(actor=actor, grant=row, reason="In the console")
