"""Saying where the texts and files of a workspace may be processed and stored."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from aiwriter.core.errors import InvalidInput, NotFound
from apps.backends.models import BackendProfile, ResidencyRule
from apps.backends.models.residency import PORTAL_RULE
from apps.backends.selectors.clearance import region_code
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

MOST = 50


def set_rule(
    *,
    actor: Actor,
    workspace_id: uuid.UUID | str | None,
    regions: Sequence[str] | None,
    backends: Sequence[uuid.UUID | str] | None,
    firm: bool = True,
) -> ResidencyRule:
    """Allow some regions and backends, and with them no others. It counts from the next call on, running ones included as
    soon as they change to another backend.

    Args:
        actor: needs "residency.manage" in the workspace; for the portal's rule "privacy.manage".
        workspace_id: whose rule; None for the whole portal.
        regions: codes, "eu" also allows "eu-de"; None for every region.
        backends: ids of backends of every kind; None for every backend.
        firm: of the portal's rule: workspaces may only narrow it.

    Raises:
        InvalidInput: nothing is limited, a region is no code, a backend is not there.
        NotFound: there is no such workspace.
    """
    workspace = _allowed(actor, workspace_id)
    if regions is None and backends is None:
        raise InvalidInput(
            "The rule limits nothing.", field="regions", remedy="Name regions or backends, or remove the rule."
        )
    values: dict[str, Any] = {
        "regions": _regions(regions),
        "backends": _backends(backends),
        "firm": firm or workspace is not None,
    }
    with transaction.atomic():
        row = _rows(workspace).select_for_update().first()
        before = _shown(row) if row else None
        if row is None:
            row = ResidencyRule(workspace=workspace)
            if workspace is None:
                row.pk = PORTAL_RULE
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
        record(actor, "residency.set", obj=row, workspace=workspace, before=before, after=_shown(row))
    return row


def drop_rule(*, actor: Actor, workspace_id: uuid.UUID | str | None) -> None:
    """Remove a rule. Arguments and permission as for `set_rule`.

    Raises:
        NotFound: there is none.
    """
    workspace = _allowed(actor, workspace_id)
    with transaction.atomic():
        row = _rows(workspace).select_for_update().first()
        if row is None:
            raise NotFound("There is no such rule.", remedy="Nothing is limited here.")
        record(actor, "residency.dropped", obj=row, workspace=workspace, before=_shown(row))
        row.delete()


def _allowed(actor: Actor, workspace_id: uuid.UUID | str | None) -> Workspace | None:
    if workspace_id is None:
        require(actor, "privacy.manage")
        return None
    require(actor, "residency.manage", workspace=workspace_id)
    try:
        return Workspace.objects.get(pk=workspace_id)
    except (Workspace.DoesNotExist, ValueError):
        raise NotFound("There is no such workspace.", field="workspace") from None


def _rows(workspace: Workspace | None) -> Any:
    # Without the order by the workspace's name: PostgreSQL locks no rows of an outer join.
    return ResidencyRule.objects.filter(workspace=workspace).order_by()


def _regions(given: Sequence[str] | None) -> list[str] | None:
    if given is None:
        return None
    codes = sorted({code for each in given if (code := region_code(each, field="regions"))})
    if not 0 < len(codes) <= MOST:
        raise InvalidInput(
            f"{len(codes)} regions.", field="regions", remedy=f"Name 1 to {MOST}, or leave the list out to allow all."
        )
    return codes


def _backends(given: Sequence[uuid.UUID | str] | None) -> list[str] | None:
    if given is None:
        return None
    ids: set[str] = set()
    for each in given:
        try:
            ids.add(str(uuid.UUID(str(each))))
        except ValueError:
            raise InvalidInput(
                f"'{str(each)[:60]}' is no id of a backend.", field="backends", remedy="Use the ids of the list."
            ) from None
    if not 0 < len(ids) <= MOST:
        raise InvalidInput(
            f"{len(ids)} backends.", field="backends", remedy=f"Name 1 to {MOST}, or leave the list out to allow all."
        )
    known = {str(key) for key in BackendProfile.objects.filter(pk__in=ids).values_list("pk", flat=True)}
    if missing := sorted(ids - known):
        raise InvalidInput(
            f"There is no backend {missing[0]}.", field="backends", remedy="It may have been removed; choose others."
        )
    return sorted(ids)


def _shown(row: ResidencyRule) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("regions", "backends", "firm")}
