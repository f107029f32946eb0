"""Setting objectives."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, transaction

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.monitoring.models import Slo
from apps.monitoring.services.channels import checked
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record, record_change

FIELDS = ("title", "source", "label", "objective", "window_days", "slow_seconds", "least_bad", "enabled")
# What an installation begins with: what people and programs see, and what they wait for.
DEFAULTS: tuple[dict[str, Any], ...] = (
    {"slug": "web", "title": "Pages are answered", "source": "requests", "label": "web", "objective": 99.9},
    {"slug": "api", "title": "The API answers", "source": "requests", "label": "api", "objective": 99.9},
    {"slug": "web-fast", "title": "Pages come within two seconds", "source": "slow", "label": "web", "objective": 99.0},
    {"slug": "models", "title": "Models answer", "source": "model_calls", "label": "all", "objective": 99.0},
    {"slug": "tasks", "title": "Tasks are done", "source": "tasks", "label": "all", "objective": 99.5},
)


def ensure_slos() -> None:
    """Make the first ones where there are none. For `BOOTSTRAP_STEPS`."""
    if not Slo.objects.exists():
        for values in DEFAULTS:
            Slo.objects.get_or_create(slug=values["slug"], defaults=values)


def create_slo(*, actor: Actor, slug: str, **values: Any) -> Slo:
    """Set an objective.

    Args:
        actor: needs "monitoring.manage".
        slug: short name, unique.
        values: some of `FIELDS`; `title` and `source` are needed.

    Raises:
        PermissionDenied, InvalidInput, Conflict: it cannot be set.
    """
    require(actor, "monitoring.manage")
    if Slo.objects.filter(slug=slug).exists():
        raise _taken()
    return _save(actor, Slo(slug=slug), values, "slo.created")


def update_slo(*, actor: Actor, slo_id: uuid.UUID | str, **values: Any) -> Slo:
    """Change one; values as for `create_slo`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
    """
    require(actor, "monitoring.manage")
    return _save(actor, _get(slo_id), values, "slo.updated")


def delete_slo(*, actor: Actor, slo_id: uuid.UUID | str) -> None:
    """Remove one.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "monitoring.manage")
    slo = _get(slo_id)
    with transaction.atomic():
        record(actor, "slo.deleted", obj=slo, before=_values(slo))
        slo.delete()


def _get(slo_id: uuid.UUID | str) -> Slo:
    found = Slo.objects.filter(pk=slo_id).first()
    if found is None:
        raise NotFound("There is no such objective.")
    return found


def _taken() -> Conflict:
    return Conflict("There is an objective of this name.", field="slug", remedy="Choose another one.")


def _values(slo: Slo) -> dict[str, Any]:
    return {name: getattr(slo, name) for name in FIELDS}


def _save(actor: Actor, slo: Slo, values: dict[str, Any], action: str) -> Slo:
    before = _values(slo)
    for name in FIELDS:
        if name in values:
            setattr(slo, name, values[name])
    if not slo.label:
        slo.label = "web" if slo.source in (Slo.Source.REQUESTS, Slo.Source.SLOW) else "all"
    if slo.source == Slo.Source.REQUESTS and slo.label == "all":
        raise InvalidInput("Requests are counted for each surface.", field="label", remedy="Use web, api or console.")
    checked(slo)
    try:
        with transaction.atomic():
            slo.save()
            record_change(actor, action, obj=slo, before=before, after=_values(slo))
    except IntegrityError:
        raise _taken() from None
    return slo
