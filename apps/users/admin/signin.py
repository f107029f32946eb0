"""How people get in: rules about second factors, and invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError, ProofRequired
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.models import FactorPolicy, Invitation
from apps.users.models.invitations import DAYS, MAX_DAYS
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of
from apps.users.selectors.factors import who_would_be_locked_out
from apps.users.services import factors, invitations


@admin.register(FactorPolicy)
class FactorPolicyAdmin(ServiceAdmin):
    """Which roles have to sign in with more than a password."""

    list_display = ["role", "strength", "enforced_from", "grace_days", "set_by", "updated_at"]
    list_select_related = ["set_by"]
    fields = ["role", "strength", "enforced_from", "grace_days"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The role is what the rule is about."""
        return ["role"] if obj else []

    def add_row(self, actor: Actor, values: dict[str, Any]) -> FactorPolicy:
        """Set."""
        return factors.set_policy(actor=actor, **values)

    def change_row(self, actor: Actor, row: FactorPolicy, values: dict[str, Any]) -> None:
        """Set anew."""
        names = ("strength", "enforced_from", "grace_days")
        factors.set_policy(actor=actor, role=row.role, **{name: values.get(name, getattr(row, name)) for name in names})

    def delete_row(self, actor: Actor, row: FactorPolicy) -> None:
        """Take away."""
        factors.drop_policy(actor=actor, role=row.role)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Set it, and say for whom it will bite."""
        super().save_model(request, obj, form, change)
        without = len(who_would_be_locked_out(actor=actor_of(request), role=obj.role, strength=obj.strength))
        if without:
            text = _("%(number)s of that role have no such factor yet. They are told when they sign in.")
            messages.warning(request, text % {"number": without})


class InvitationForm(forms.ModelForm):
    """Somebody to invite."""

    days = forms.IntegerField(
        min_value=1, max_value=MAX_DAYS, initial=DAYS, help_text=gettext_lazy("How long the link works.")
    )

    class Meta:
        model = Invitation
        fields = ["email", "workspace", "workspace_role", "system_role"]


@admin.register(Invitation)
class InvitationAdmin(ServiceAdmin):
    """Invitations; the link is shown to those who may send them."""

    list_display = ["email", "workspace", "workspace_role", "system_role", "look", "invited_by", "expires_at"]
    list_select_related = ["workspace", "invited_by"]
    search_fields = ["email"]
    autocomplete_fields = ["workspace"]
    actions = ["withdraw", "show_link"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form to add with only: what was sent does not change."""
        return super().get_form(request, obj, change, **({} if obj else {**kwargs, "form": InvitationForm}))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is known of a sent one."""
        if obj is None:
            return ["email", "workspace", "workspace_role", "system_role", "days"]
        return [*self.list_display, "mailed_at", "accepted_by", "accepted_at", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of a sent one."""
        return self.get_fields(request, obj) if obj else []

    @admin.display(description=gettext_lazy("State"))
    def look(self, row: Invitation) -> str:
        """Open, accepted, withdrawn or run out."""
        looks = {"open": "warn", "accepted": "ok", "revoked": "unknown", "expired": "unknown"}
        words = {"open": _("open"), "accepted": _("accepted"), "revoked": _("withdrawn"), "expired": _("run out")}
        return format_html('<span class="state state-{}">{}</span>', looks[row.state], words[row.state])

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Invitation:
        """Send."""
        return invitations.invite(actor=actor, **values)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """Show the link, for whoever has no mail."""
        self._show(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """For those who manage accounts."""
        return request.user.has_perm("users.add_invitation")

    @admin.action(description=gettext_lazy("Withdraw"), permissions=["send"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        """Make links useless."""
        for invitation in queryset:
            self._try(
                request, lambda row=invitation: invitations.revoke_invitation(actor=actor_of(request), invitation=row)
            )

    @admin.action(description=gettext_lazy("Show the link"), permissions=["send"])
    def show_link(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        """Show links again."""
        for invitation in queryset:
            self._try(request, lambda row=invitation: self._show(request, row))

    @staticmethod
    def _try(request: HttpRequest, act: Any) -> None:
        try:
            act()
        except ProofRequired:
            raise
        except AppError as error:
            messages.error(request, str(error))

    @staticmethod
    def _show(request: HttpRequest, invitation: Invitation) -> None:
        link = invitations.link_of(actor=actor_of(request), invitation=invitation)
        text = _("Give this link to %(email)s; it works once:")
        messages.info(request, f"{text % {'email': invitation.email}} {link}")
