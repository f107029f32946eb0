"""What could be less: grants that nobody needed, changes rehearsed, accounts and keys that lie idle."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError
from apps.users.admin.service_admin import button
from apps.users.models import ElevationPolicy, Group, Membership, RoleGrant, Workspace
from apps.users.models.capabilities import SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.selectors.access import Actor, can, require
from apps.users.selectors.callers import actor_of
from apps.users.selectors.idle import DORMANT_DAYS, dormant_accounts, service_accounts, token_findings
from apps.users.selectors.shrinking import find_grant, get_reduction, proposal_for, proposals, reductions
from apps.users.services.rehearsals import rehearse
from apps.users.services.shrinking import reduce_grant, undo_reduction

_UNDONE = 50
SHRINK = "admin:users_rolegrant_shrink"


class RehearsalForm(forms.Form):
    """A change of many people's rights to try out."""

    what = forms.ChoiceField(label=gettext_lazy("What would you change?"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: dict[str, Any] = self.fields
        offered["what"].choices = list(_changes())


def _changes() -> list[tuple[Any, Any]]:
    """Changes that can be chosen from a list; the rest is rehearsed where it is made, or through the API."""
    groups = Group.objects.prefetch_related("roles__workspace")
    policies = ElevationPolicy.objects.filter(enabled=True)
    grants = RoleGrant.objects.live().filter(group=None, elevation=None).select_related("user")
    found: list[tuple[Any, Any]] = [("", "–")]
    strict = [
        (f"change_policy|policy_id={each.pk}|strict={'' if each.strict else 'yes'}", str(each)) for each in policies
    ]
    if strict:
        found.append((_("Only by elevation: switch for a policy"), strict))
    gone = [(f"delete_group|group_id={each.pk}", str(each)) for each in groups]
    less = [
        (f"remove_group_role|group_role_id={role.pk}", f"{group}: {role}")
        for group in groups
        for role in group.roles.all()
    ]
    more = [
        (f"add_group_role|group_id={group.pk}|role={role}", f"{group}: {role}")
        for group in groups
        for role in SYSTEM_ROLES
    ]
    rooms = [
        (f"add_group_role|group_id={group.pk}|role={role}|workspace_id={room.pk}", f"{group}: {role}, {room}")
        for group in groups
        for room in Workspace.objects.order_by("name")[:50]
        for role in WORKSPACE_ROLES
    ]
    for label, options in (
        (_("Remove a group"), gone),
        (_("Take a role from a group"), less),
        (_("Give a group a system role"), more),
        (_("Give a group a role in a workspace"), rooms),
        (_("Take a system role away"), [(f"revoke_role|grant_id={each.pk}", str(each)) for each in grants]),
    ):
        if options:
            found.append((label, options))
    return found


def rehearsed(actor: Actor, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """For a page that asks whether a change is meant: what it would do, or why it would be refused."""
    try:
        return {"rehearsal": rehearse(actor=actor, kind=kind, values=values)}
    except AppError as error:
        return {"refusal": str(error)}


class NarrowingPages:
    """Pages of the console that stand beside its lists; mixed into the list of system roles."""

    admin_site: Any
    opts: Any

    def _page(self, request: HttpRequest, template: str, title: str, **values: Any) -> HttpResponse:
        actor = actor_of(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "may_manage": can(actor, "users.manage"),
            **values,
        }
        return TemplateResponse(request, f"admin/access/{template}.html", context)

    def shrink_view(self, request: HttpRequest) -> HttpResponse:
        """Grants of which something was not needed, and what was reduced lately."""
        _may_see(request)
        actor = actor_of(request)
        return self._page(
            request,
            "shrink",
            _("Shrink to fit"),
            proposals=proposals(actor=actor),
            reductions=reductions(actor=actor)[:_UNDONE],
        )

    def adopt_view(self, request: HttpRequest, kind: str, grant_id: uuid.UUID) -> HttpResponse:
        """Leave what was needed; a GET shows what that would have meant."""
        _may_see(request)
        actor = actor_of(request)
        if request.method == "POST":

            def work(actor: Actor) -> str:
                require(actor, "users.manage")
                grant, keep = find_grant(kind, grant_id), request.POST.getlist("keep")
                reduce_grant(actor=actor, grant=grant, keep=keep, reason=request.POST.get("reason", ""))
                return _("Reduced. It can be taken back for 14 days.")

            return button(request, reverse(SHRINK), work)
        found = proposal_for(actor=actor, kind=kind, grant_id=grant_id)
        change = "reduce_role" if kind == "role" else "reduce_member"
        values = {"grant_id": str(grant_id), "keep": found.keep}
        told = rehearsed(actor, change, values) if can(actor, "users.manage") and found.keep else {}
        return self._page(request, "adopt", _("Shrink to fit"), proposal=found, kind=kind, **told)

    def undo_view(self, request: HttpRequest, reduction_id: uuid.UUID) -> HttpResponse:
        """Give back what a reduction took."""

        def work(actor: Actor) -> str:
            undo_reduction(actor=actor, reduction=get_reduction(actor=actor, reduction_id=reduction_id))
            return _("The grant is as it was before.")

        return button(request, reverse(SHRINK), work)

    def rehearse_view(self, request: HttpRequest) -> HttpResponse:
        """Try a change of many people's rights out."""
        actor = actor_of(request)
        require(actor, "users.manage")
        form = RehearsalForm(request.GET or None)
        told: dict[str, Any] = {}
        if request.GET and form.is_valid():
            kind, *parts = form.cleaned_data["what"].split("|")
            values: dict[str, Any] = dict(part.split("=", 1) for part in parts)
            if "strict" in values:
                values["strict"] = bool(values["strict"])
            told = rehearsed(actor, kind, values)
        return self._page(request, "rehearse", _("Rehearse a change"), form=form, **told)

    def idle_view(self, request: HttpRequest) -> HttpResponse:
        """Accounts and keys that lie idle, keys that allow too much, service accounts."""
        _may_see(request)
        actor = actor_of(request)
        return self._page(
            request,
            "idle",
            _("Idle and too wide"),
            dormant=dormant_accounts(actor=actor)[:200],
            days=DORMANT_DAYS,
            findings=token_findings(actor=actor)[:200],
            services=service_accounts(actor=actor)[:200],
        )


def _may_see(request: HttpRequest) -> None:
    if not request.user.has_perm("users.view_rolegrant"):
        raise PermissionDenied


def deletion_told(request: HttpRequest, row: RoleGrant | Membership | Group | None) -> dict[str, Any]:
    """What Django's page "Are you sure?" says about a grant or a group: whom it would have hit in the last 30 days."""
    actor = actor_of(request)
    if row is None or request.method != "GET" or not can(actor, "users.manage"):
        return {}
    if isinstance(row, Group):
        return rehearsed(actor, "delete_group", {"group_id": str(row.pk)})
    kind = "revoke_role" if isinstance(row, RoleGrant) else "remove_member"
    return rehearsed(actor, kind, {"grant_id": str(row.pk)})
