"""Who works in the workspace."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.errors import AppError, InvalidInput
from apps.users.models import Membership
from apps.users.portal.forms import MemberForm, MemberRoleForm, add_app_error
from apps.users.portal.requests import workspace_of
from apps.users.selectors.access import can, require
from apps.users.selectors.belongings import find_active_user, members_of
from apps.users.selectors.callers import actor_of
from apps.users.services import workspaces


@login_required
@require_http_methods(["GET", "POST"])
def member_list(request: HttpRequest) -> HttpResponse:
    """Who is in the workspace; its editors also let people in here."""
    actor = actor_of(request)
    workspace = workspace_of(request)
    form = MemberForm(request.POST or None)
    if request.method == "POST":
        require(actor, "members.manage", workspace=workspace)
        if form.is_valid():
            values = dict(form.cleaned_data)
            try:
                user = find_active_user(actor=actor, workspace=workspace, email=values.pop("email"))
                workspaces.add_member(actor=actor, workspace=workspace, user=user, **values)
            except AppError as error:
                add_app_error(form, error)
            else:
                messages.success(request, _("%(person)s is now in this workspace.") % {"person": user})
                return redirect("users:members")
    context = {
        "workspace": workspace,
        "members": members_of(actor=actor, workspace=workspace),
        "may_manage": can(actor, "members.manage", workspace=workspace),
        "form": form,
        "roles": Membership.Role.choices,
    }
    return render(request, "users/members.html", context, status=400 if form.is_bound else 200)


@login_required
@require_POST
def change(request: HttpRequest, member_id: uuid.UUID) -> HttpResponse:
    """Give a member another role."""
    actor = actor_of(request)
    member = workspaces.find_member(actor=actor, membership_id=member_id)
    form = MemberRoleForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("This is not a role.", field="role", remedy="Choose writer or editor.")
    role = form.cleaned_data["role"]
    workspaces.change_member(actor=actor, membership=member, role=role, expires_at=member.expires_at)
    messages.success(request, _("%(person)s is now %(role)s.") % {"person": member.user, "role": role})
    return redirect("users:members")


@login_required
@require_POST
def remove(request: HttpRequest, member_id: uuid.UUID) -> HttpResponse:
    """Take somebody out of the workspace."""
    actor = actor_of(request)
    member = workspaces.find_member(actor=actor, membership_id=member_id)
    person = str(member.user)
    workspaces.remove_member(actor=actor, membership=member)
    messages.success(request, _("%(person)s is no longer in this workspace.") % {"person": person})
    return redirect("users:members")
