"""What was used of what was granted, and so how small a grant could be."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.users.models import CapabilityUse, Membership, Reduction, RoleGrant
from apps.users.models.grants import contents
from apps.users.selectors.access import ALL_ROLES, Actor, require, require_sight
from apps.users.selectors.uses import NOWHERE

DAYS = 90
Grant = RoleGrant | Membership


@dataclass(frozen=True, slots=True)
class Used:
    """What was used of one grant.

    Args:
        counts: uses in 90 days by capability.
        last: the last day on which any of it was used.
    """

    counts: dict[str, int]
    last: dt.date | None

    @property
    def total(self) -> int:
        """All uses."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Proposal:
    """How small a grant could be.

    Args:
        grant: which.
        held: what it allows now.
        used: what was used of it.
        keep: the smallest set that 90 days needed; empty: it could go.
        seen_days: for how long uses have been counted since it was given; less than 90 is a weaker reason.
    """

    grant: Grant
    held: frozenset[str]
    used: Used
    keep: list[str]
    seen_days: int

    @property
    def drop(self) -> list[str]:
        """What nobody needed."""
        return sorted(self.held - set(self.keep))

    @property
    def kind(self) -> str:
        """ "role" or "membership"."""
        return "role" if isinstance(self.grant, RoleGrant) else "membership"


def used_of(grants: Iterable[Grant]) -> dict[uuid.UUID, Used]:
    """What was used of some grants in 90 days, by the grant's id; in one query.

    A capability counts for each grant that could have allowed it: it is not noted which of two did.
    """
    rows = list(grants)
    since = (timezone.now() - dt.timedelta(days=DAYS)).date()
    counted = (
        CapabilityUse.objects.filter(user__in={row.user_id for row in rows}, day__gte=since, allowed__gt=0)
        .order_by()
        .values_list("user_id", "capability", "workspace_id")
        .annotate(uses=Sum("allowed"), last=Max("day"))
    )
    of: dict[uuid.UUID, list[tuple[str, uuid.UUID, int, dt.date]]] = {}
    for user_id, capability, room, number, last in counted:
        of.setdefault(user_id, []).append((capability, room, number, last))
    return {row.pk: _used(row, of.get(row.user_id, [])) for row in rows}


def _used(row: Grant, found: list[tuple[str, uuid.UUID, int, dt.date]]) -> Used:
    held = contents(row.role, row.only, ALL_ROLES)
    counts: dict[str, int] = {}
    last: dt.date | None = None
    for capability, room, number, day in found:
        if capability not in held or (isinstance(row, Membership) and room not in (row.workspace_id, NOWHERE)):
            continue
        counts[capability] = counts.get(capability, 0) + number
        last = max(day, last or day)
    return Used(counts, last)


def proposals(*, actor: Actor) -> list[Proposal]:
    """Every lasting grant of which something was not needed.

    Args:
        actor: needs "users.manage" or "audit.read".
    """
    require_sight(actor)
    return [each for each in _proposed(_lasting()) if each.drop]


def proposal_for(*, actor: Actor, kind: str, grant_id: uuid.UUID | str) -> Proposal:
    """What one grant could be.

    Raises:
        NotFound: there is no such grant.
    """
    require_sight(actor)
    grant = find_grant(kind, grant_id)
    return _proposed([grant])[0]


def find_grant(kind: str, grant_id: uuid.UUID | str) -> Grant:
    """A live grant by kind, "role" or "membership", and id; for callers that have asked for permission.

    Raises:
        NotFound: there is none.
    """
    table: Any = {"role": RoleGrant, "membership": Membership}.get(kind)
    found: Grant | None = table.objects.live().filter(pk=grant_id).select_related("user").first() if table else None
    if found is None:
        raise NotFound("There is no such grant.")
    return found


def reductions(*, actor: Actor) -> QuerySet[Reduction]:
    """What was reduced, newest first."""
    require_sight(actor)
    return Reduction.objects.select_related(
        "role_grant__user", "membership__user", "membership__workspace", "adopted_by", "undone_by"
    )


def get_reduction(*, actor: Actor, reduction_id: uuid.UUID | str) -> Reduction:
    """One reduction. The actor needs "users.manage".

    Raises:
        NotFound: there is none.
    """
    require(actor, "users.manage")
    found = reductions(actor=actor).filter(pk=reduction_id).first()
    if found is None:
        raise NotFound("There is no such reduction.")
    return found


def _lasting() -> list[Grant]:
    own = Q(elevation=None, group=None)
    grants = RoleGrant.objects.live().filter(own).select_related("user").order_by("user__email", "role")
    members = Membership.objects.live().filter(own).select_related("user", "workspace").order_by("user__email")
    return [*grants, *members]


def _proposed(grants: list[Grant]) -> list[Proposal]:
    first = CapabilityUse.objects.aggregate(first=Min("day"))["first"]
    used, today = used_of(grants), timezone.now().date()
    found = []
    for grant in grants:
        begun = max(first or today, grant.created_at.date())
        held = contents(grant.role, grant.only, ALL_ROLES)
        mine = used[grant.pk]
        days = min(DAYS, (today - begun).days)
        found.append(Proposal(grant, held, mine, sorted(held & set(mine.counts)), days))
    return found
