"""Accounts and their system roles."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.users.admin.account_keys import KeyPages
from apps.users.admin.narrowing import NarrowingPages, deletion_told
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.models import RoleGrant, User
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of
from apps.users.selectors.effective import effective_access
from apps.users.selectors.factors import factors_of_person
from apps.users.selectors.people import get_person
from apps.users.selectors.sessions import sessions_of
from apps.users.services import factors, people, roles, sessions, sso
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
    fields: ClassVar[Any] = ["role", "source", "granted_by", "reason", "expires_at", "created_at"]
    readonly_fields = ["role", "source", "granted_by", "reason", "expires_at", "created_at"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Granted on its own page, by the service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Granted and taken away, never changed."""
        return False


@admin.register(User)
class UserAdmin(KeyPages, ServiceAdmin):
    """Accounts."""

    list_display = ["email", "full_name", "kind", "status", "last_seen_day", "joined"]
    list_filter = ["status", "kind"]
    search_fields = ["email", "full_name"]
    readonly_fields = ["status", "is_emergency", "last_seen_day", "created_at"]
    ordering = ["email"]
    actions = ["suspend", "reactivate", "new_password"]
    inlines = [GrantInline]
    change_form_template = "admin/users/person.html"

    @admin.display(description="Since", ordering="created_at")
    def joined(self, user: User) -> str:
        """The day of the account's making; the minute stands on its page."""
        return f"{user.created_at:%Y-%m-%d}"

    def get_urls(self) -> list[URLPattern]:
        """With the buttons of a person's page."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:user_id>/sign-out/", wrap(self.sign_out_view), name="users_user_sign_out"),
            path("<uuid:user_id>/emergency/", wrap(self.emergency_view), name="users_user_emergency"),
            path("<uuid:user_id>/access/", wrap(self.access_view), name="users_user_access"),
            path("<uuid:user_id>/keys/", wrap(self.keys_view), name="users_user_keys"),
            path(
                "<uuid:user_id>/keys/<uuid:token_id>/revoke/", wrap(self.revoke_key_view), name="users_user_revoke_key"
            ),
            path("<uuid:user_id>/reset-factors/", wrap(self.reset_factors_view), name="users_user_reset_factors"),
            *super().get_urls(),
        ]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Also where the person is signed in, and with what."""
        user, actor = kwargs.get("obj"), actor_of(request)
        if user is not None and can(actor, "users.manage"):
            context["sessions"] = sessions_of(actor=actor, user=user)
            context["may_be_emergency"] = "admin" in user.system_roles
            context["factors"] = factors_of_person(actor=actor, user=user)
        return super().render_change_form(request, context, *args, **kwargs)

    def access_view(self, request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
        """What the person can do, and why."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("What %(person)s can do, and why") % {"person": user},
            "found": effective_access(actor=actor, user=user),
        }
        return TemplateResponse(request, "admin/access/effective.html", context)

    def sign_out_view(self, request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
        """End all sessions of a person."""

        def work(actor: Actor, user: User) -> str:
            ended = sessions.end_sessions(actor=actor, user=user, reason="In the console")
            return _("Sessions ended: %(number)s.") % {"number": ended}

        return self._button(request, user_id, work)

    def reset_factors_view(self, request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
        """Remove all second factors of a person."""

        def work(actor: Actor, user: User) -> str:
            gone = factors.reset_factors(actor=actor, user=user, reason=request.POST.get("reason", ""))
            return _("Factors removed: %(number)s.") % {"number": gone}

        return self._button(request, user_id, work)

    def emergency_view(self, request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
        """Make an account one for emergencies, or an ordinary one again."""

        def work(actor: Actor, user: User) -> str:
            on = request.POST.get("emergency") == "yes"
            sso.set_emergency(actor=actor, user=user, on=on, reason=request.POST.get("reason", ""))
            return _("This is an emergency account now.") if on else _("This is an ordinary account again.")

        return self._button(request, user_id, work)

    def _button(self, request: HttpRequest, user_id: uuid.UUID, work: Callable[[Actor, User], str]) -> HttpResponse:
        back = reverse("admin:users_user_change", args=[user_id])
        return button(request, back, lambda actor: work(actor, get_person(actor=actor, user_id=user_id)))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Another form to add than to change."""
        return super().get_form(request, obj, change, form=ChangeUserForm if obj else AddUserForm, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is known of a stored account."""
        if obj is None:
            return ["email", "full_name", "kind"]
        return ["email", "full_name", "status", "is_emergency", "last_seen_day", "created_at"]

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
class RoleGrantAdmin(NarrowingPages, ServiceAdmin):
    """System roles, and what could be less."""

    change_list_template = "admin/access/grants.html"
    delete_confirmation_template = "admin/access/sure.html"

    list_display = ["user", "what", "whence", "reason", "until"]
    list_filter = ["role", "source"]
    list_select_related = ["user", "granted_by"]
    search_fields = ["user__email", "reason"]
    autocomplete_fields = ["user"]
    fields = ["user", "role", "reason", "expires_at"]

    @admin.display(description=gettext_lazy("Holds"), ordering="role")
    def what(self, row: RoleGrant) -> str:
        """The role, or what was lent without one."""
        return row.get_role_display() if row.role else ", ".join(row.only or ())

    @admin.display(description=gettext_lazy("From"), ordering="source")
    def whence(self, row: RoleGrant) -> str:
        """Who gave it, or by which way it came."""
        ways = {"group": _("a group"), "provider": _("the sign-in provider"), "elevation": _("lent for a time")}
        return ways.get(str(row.source)) or str(row.granted_by or _("the system"))

    @admin.display(description=gettext_lazy("Until (UTC)"), ordering="expires_at")
    def until(self, row: RoleGrant) -> str:
        """Its end."""
        return f"{row.expires_at:%Y-%m-%d %H:%M}" if row.expires_at else "–"

    def get_urls(self) -> list[URLPattern]:
        """With the pages about what could be less."""
        wrap = self.admin_site.admin_view
        return [
            path("shrink/", wrap(self.shrink_view), name="users_rolegrant_shrink"),
            path("shrink/<slug:kind>/<uuid:grant_id>/", wrap(self.adopt_view), name="users_rolegrant_adopt"),
            path("reductions/<uuid:reduction_id>/undo/", wrap(self.undo_view), name="users_rolegrant_undo"),
            path("rehearse/", wrap(self.rehearse_view), name="users_rolegrant_rehearse"),
            path("idle/", wrap(self.idle_view), name="users_rolegrant_idle"),
            *super().get_urls(),
        ]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Asks, and says whom it would have hit."""
        told = deletion_told(request, self.get_object(request, object_id))
        return super().delete_view(request, object_id, extra_context={**(extra_context or {}), **told})

    def add_row(self, actor: Actor, values: dict[str, Any]) -> RoleGrant:
        """Grant."""
        return roles.grant_role(actor=actor, **values)

    def delete_row(self, actor: Actor, row: RoleGrant) -> None:
        """Take away."""
        roles.revoke_role(actor=actor, grant=row, reason="In the console")
