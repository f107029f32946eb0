"""Writes the audit record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.encoding import force_str
from django.utils.module_loading import import_string

from aiwriter.core import context, keyring, ledger
from aiwriter.core.clients import network_of
from apps.users.models import AuditEvent, Workspace
from apps.users.models.audit import known_actions
from apps.users.selectors.access import Actor
from apps.users.services import subjects
from apps.users.services.keys import installed_key

_ENCODER = DjangoJSONEncoder()


def record(
    actor: Actor,
    action: str,
    *,
    obj: models.Model | None = None,
    workspace: Workspace | uuid.UUID | None = None,
    outcome: str = "allowed",
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Add an event, in the transaction of the act: if it cannot be written, the act is undone with it.

    Args:
        actor: who did it.
        action: listed in an app's `AppConfig.audit_actions`.
        obj: the row that it was done to.
        workspace: where; taken from the row when it has one.
        outcome: "allowed", "denied" or "failed".
        reason: why, in the person's words or the refusal's.
        before: values that were changed, as they were. Never secrets, never document text.
        after: the same values as they are now.

    Raises:
        LookupError: the action is not listed; a misspelt one must not enter the record.
    """
    if actor.elevations:
        after = {**(after or {}), "elevation": ", ".join(sorted(actor.elevations))}
    if action not in known_actions():
        raise LookupError(f"'{action}' is not a known audit action. Add it to audit_actions of the app's AppConfig.")
    veil = subjects.Veil(obj)
    event = AuditEvent(
        actor_id=actor.id,
        # Who a person is stands in the accounts, and goes with theirs; see `services.subjects`.
        actor_label="" if actor.user else actor.label,
        token_key_id=actor.token.key_id if actor.token else "",
        action=action,
        object_type=obj._meta.label_lower if obj else "",
        object_id=str(obj.pk) if obj else "",
        object_label=veil.text(_label(obj)),
        workspace_id=_workspace_id(obj, workspace),
        outcome=outcome,
        reason=veil.text(reason[:500]) if outcome == "allowed" else reason[:500],
        before=veil.values(_plain(before)),
        after=veil.values(_plain(after)),
        request_id=context.request_id.get(),
        client_address=network_of(context.client_ip.get()),
    )
    event.mac = mac_of(event, installed_key("audit"))
    event.save(force_insert=True)
    for path in settings.AUDIT_LISTENERS:
        import_string(path)(event, obj)
    return event


def record_change(
    actor: Actor, action: str, *, obj: models.Model, before: Mapping[str, Any], after: Mapping[str, Any]
) -> AuditEvent:
    """As `record`, for a row that was saved: of its values those that differ.

    Args:
        actor, action: as for `record`.
        obj: the row.
        before, after: the same names.
    """
    changed = [name for name, value in before.items() if value != after[name]]
    return record(
        actor,
        action,
        obj=obj,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


def mac_of(event: AuditEvent, key: keyring.Key) -> str:
    """What shows the sealer that the portal wrote a row: an HMAC of all that it says but the time.

    Args:
        event: unsaved or stored.
        key: for the audit.
    """
    facts = [getattr(event, name) for name in ledger.FACTS if name != "occurred_at"]
    return ledger.mac(key.material, facts)


def _label(obj: models.Model | None) -> str:
    if obj is None:
        return ""
    text = force_str(obj)[:200]
    # What stands in a workspace has names that its writers gave, and who reads the record may not read those.
    inside = getattr(obj, "workspace_id", None) is not None and subjects.subject_of(obj) is None
    return f"{obj._meta.verbose_name} {obj.pk}"[:200] if inside and str(obj.pk) not in text else text


def _workspace_id(obj: models.Model | None, workspace: Workspace | uuid.UUID | None) -> uuid.UUID | None:
    if isinstance(workspace, uuid.UUID):
        return workspace
    if workspace is not None:
        return workspace.pk
    if isinstance(obj, Workspace):
        return obj.pk
    return getattr(obj, "workspace_id", None)


def _plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {
        str(key): ledger.jsonable(value)
        if value is None or isinstance(value, str | int | bool | list | dict)
        else _text(value)
        for key, value in values.items()
    }


def _text(value: Any) -> Any:
    try:
        return _ENCODER.default(value)
    except TypeError:
        return str(value)
