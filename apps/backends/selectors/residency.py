"""Reading rules of residency, and what they mean for the backends that there are."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from aiwriter.core.errors import NotFound
from apps.backends.models import BackendProfile, ResidencyRule, Route
from apps.backends.models.profiles import ProfileQuerySet
from apps.backends.selectors.clearance import Refusal, clearance_for
from apps.backends.selectors.routes import judged_route
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, can, require


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A backend under the rules.

    Args:
        refusal: why it gets nothing; None when it may be used.
    """

    profile: BackendProfile
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """The rules of a workspace and what they mean.

    Args:
        own: the workspace's rule.
        portal: the portal's.
        backends: all that are enabled and get texts or files.
        without: purposes, in words, for which no backend is left; "Files" for new files.
    """

    own: ResidencyRule | None
    portal: ResidencyRule | None
    backends: tuple[Standing, ...]
    without: tuple[str, ...]


def visible_rules(actor: Actor) -> QuerySet[ResidencyRule]:
    """All rules, for those who see backends."""
    require(actor, "backends.read")
    return ResidencyRule.objects.select_related("workspace")


def nameable_backends() -> ProfileQuerySet:
    """Backends that get texts or files, and so what rules are about; a health check gets neither."""
    return BackendProfile.objects.exclude(kind=BackendProfile.Kind.CHECK).order_by("kind", "name")


def backend_choices() -> list[tuple[str, str]]:
    """The same for a form, with what helps to choose."""
    return [
        (str(row.pk), f"{row.name} ({row.get_kind_display()}, {row.region or _('region not said')})")
        for row in nameable_backends()
    ]


def residency_of(actor: Actor, workspace_id: uuid.UUID) -> Residency:
    """What binds a workspace, for its members and for those who may set it.

    Raises:
        NotFound: there is no such workspace, or the actor may not know it.
        PermissionDenied: neither a member nor an administrator.
    """
    if not can(actor, "residency.manage", workspace=workspace_id):
        require(actor, "content.read", workspace=workspace_id)
    if not Workspace.objects.filter(pk=workspace_id).exists():
        raise NotFound("There is no such workspace.")
    return _residency(workspace_id)


def residency_of_portal(actor: Actor) -> Residency:
    """What binds the whole portal."""
    require(actor, "backends.read")
    return _residency(None)


def _residency(workspace_id: uuid.UUID | None) -> Residency:
    clearance = clearance_for(workspace_id)
    found = ResidencyRule.objects.filter(Q(workspace=None) | Q(workspace=workspace_id)).order_by()
    rules = {rule.workspace_id: rule for rule in found}
    backends = tuple(
        Standing(profile=profile, refusal=clearance.refusal(profile)) for profile in nameable_backends().enabled()
    )
    without = []
    for purpose in Route.Purpose:
        judged = judged_route(purpose, workspace_id, clearance)
        if judged.refused and not judged.steps:
            without.append(str(purpose.label))
    storages = [each for each in backends if each.profile.kind == "storage"]
    if storages and all(each.refusal for each in storages):
        without.append("New files")
    own = rules.get(workspace_id) if workspace_id else None
    return Residency(own=own, portal=rules.get(None), backends=backends, without=tuple(without))
