"""Groups of people in the console."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import InvalidInput
from apps.users.admin.narrowing import deletion_told
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.models import Group, GroupRole, User, Workspace
from apps.users.models.capabilities import SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of
from apps.users.selectors.groups import get_group, get_group_member, get_group_role, members_of_group
from apps.users.selectors.people import get_person
from apps.users.services import groups

_ROLES = [(role, role) for role in (*WORKSPACE_ROLES, *SYSTEM_ROLES)]


class MemberForm(forms.Form):
    """Somebody for the group."""

    user = forms.ModelChoiceField(User.objects.order_by("email"), label=gettext_lazy("Person"))
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=300)
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Until (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    )


class RoleForm(forms.Form):
    """A role for the group."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=_ROLES)
    workspace = forms.ModelChoiceField(
        Workspace.objects.order_by("name"),
        label=gettext_lazy("Workspace, for writer and editor"),
        required=False,
    )


@admin.register(Group)
class GroupAdmin(ServiceAdmin):
    """Groups: who is in one, and what it gives."""

    list_display = ["name", "gives", "people", "description"]
    search_fields = ["name"]
    fields: ClassVar[Any] = ["name", "description", "provider", "provider_group"]
    change_form_template = "admin/access/group.html"
    delete_confirmation_template = "admin/access/sure.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what the list counts."""
        return super().get_queryset(request).prefetch_related("roles__workspace", "members")

    @admin.display(description=gettext_lazy("Gives"))
    def gives(self, row: Group) -> str:
        """Its roles."""
        return ", ".join(str(each) for each in row.roles.all()) or "–"

    @admin.display(description=gettext_lazy("People"))
    def people(self, row: Group) -> int:
        """How many are in it."""
        return len(row.members.all())

    def get_urls(self) -> list[URLPattern]:
        """With the buttons of a group's page."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:group_id>/members/", wrap(self.add_member_view), name="users_group_add_member"),
            path(
                "<uuid:group_id>/members/<uuid:group_member_id>/remove/",
                wrap(self.remove_member_view),
                name="users_group_remove_member",
            ),
            path("<uuid:group_id>/roles/", wrap(self.add_role_view), name="users_group_add_role"),
            path(
                "<uuid:group_id>/roles/<uuid:group_role_id>/remove/",
                wrap(self.remove_role_view),
                name="users_group_remove_role",
            ),
            *super().get_urls(),
        ]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With who is in it and what it gives."""
        group, actor = kwargs.get("obj"), actor_of(request)
        if group is not None:
            context["members"] = members_of_group(actor=actor, group=group)
            context["roles"] = GroupRole.objects.filter(group=group).select_related("workspace")
            context["may_manage"] = can(actor, "users.manage")
            context["member_form"], context["role_form"] = MemberForm(), RoleForm()
        return super().render_change_form(request, context, *args, **kwargs)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Asks, and says whom it would have hit."""
        told = deletion_told(request, self.get_object(request, object_id))
        return super().delete_view(request, object_id, extra_context={**(extra_context or {}), **told})

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Group:
        """Make."""
        return groups.create_group(actor=actor, **values)

    def change_row(self, actor: Actor, row: Group, values: dict[str, Any]) -> None:
        """Rename."""
        groups.update_group(actor=actor, group=row, **values)

    def delete_row(self, actor: Actor, row: Group) -> None:
        """Remove it with all that it gives."""
        groups.delete_group(actor=actor, group=row)

    def add_member_view(self, request: HttpRequest, group_id: uuid.UUID) -> HttpResponse:
        """Put somebody in."""

        def work(actor: Actor) -> str:
            group, form = get_group(actor=actor, group_id=group_id), MemberForm(request.POST)
            values = _checked(form)
            user = get_person(actor=actor, user_id=values.pop("user").pk)
            groups.add_to_group(actor=actor, group=group, user=user, **values)
            return _("%(person)s is in the group.") % {"person": user}

        return button(request, _page(group_id), work)

    def remove_member_view(self, request: HttpRequest, group_id: uuid.UUID, group_member_id: uuid.UUID) -> HttpResponse:
        """Take somebody out."""

        def work(actor: Actor) -> str:
            member = get_group_member(actor=actor, group_id=group_id, member_id=group_member_id)
            groups.remove_from_group(actor=actor, member=member, reason="In the console")
            return _("%(person)s is not in the group any more.") % {"person": member.user}

        return button(request, _page(group_id), work)

    def add_role_view(self, request: HttpRequest, group_id: uuid.UUID) -> HttpResponse:
        """Give the group a role."""

        def work(actor: Actor) -> str:
            group = get_group(actor=actor, group_id=group_id)
            row = groups.add_role(actor=actor, group=group, **_checked(RoleForm(request.POST)))
            return _("Everybody in the group is now: %(role)s.") % {"role": row}

        return button(request, _page(group_id), work)

    def remove_role_view(self, request: HttpRequest, group_id: uuid.UUID, group_role_id: uuid.UUID) -> HttpResponse:
        """Take a role from the group."""

        def work(actor: Actor) -> str:
            row = get_group_role(actor=actor, group_id=group_id, role_id=group_role_id)
            groups.remove_role(actor=actor, row=row)
            return _("The group does not give it any more.")

        return button(request, _page(group_id), work)


def _page(group_id: uuid.UUID) -> str:
    return reverse("admin:users_group_change", args=[group_id])


def _checked(form: forms.Form) -> dict[str, Any]:
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        raise InvalidInput(f"{form[field].label}: {problems[0]}", field=field)
    return dict(form.cleaned_data)
