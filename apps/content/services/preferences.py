"""Settings of a workspace that concern its documents."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction

from aiwriter.core.errors import InvalidInput
from apps.content.markup.markdown import clean_text
from apps.content.models import WritingSettings
from apps.content.selectors.organising import writing_settings
from apps.content.services.collections import UNCHANGED, parent_in
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MOST_DAYS = 3650


def change_settings(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    trash_days: int | None = None,
    language: str | None = None,
    default_collection_id: Any = UNCHANGED,
    approval: str | None = None,
) -> WritingSettings:
    """Change how a workspace is written in. What is None stays as it is.

    Args:
        actor: an editor of the workspace.
        workspace: which.
        trash_days: how long documents lie in the bin, 0 to 3650; 0: until somebody deletes them.
        language: of new documents, as a language tag.
        default_collection_id: where new documents go; None: nowhere.
        approval: whose yes a text needs before it is published, one of `WritingSettings.Approval`.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to manage.
        InvalidInput: a value cannot be used.
    """
    require(actor, "members.manage", workspace=workspace)
    room = get_workspace(actor, workspace)
    with transaction.atomic():
        row = writing_settings(room)
        before = _said(row)
        if trash_days is not None:
            if not 0 <= trash_days <= MOST_DAYS:
                raise InvalidInput(
                    f"{trash_days} days cannot be kept.", field="trash_days", remedy=f"Use 0 to {MOST_DAYS}."
                )
            row.trash_days = trash_days
        if language is not None:
            cleaned = clean_text(language).strip()
            if not cleaned or len(cleaned) > 12:
                raise InvalidInput("The language is no language tag.", field="language", remedy="Use one such as en.")
            row.language = cleaned
        if default_collection_id is not UNCHANGED:
            row.default_collection = parent_in(room.pk, default_collection_id, field="default_collection_id")
        if approval is not None:
            if approval not in WritingSettings.Approval.values:
                raise InvalidInput(
                    f"'{approval[:20]}' is no rule.",
                    field="approval",
                    remedy=f"Use {', '.join(WritingSettings.Approval.values)}.",
                )
            row.approval = approval
        row.save()
        record(actor, "settings.changed", obj=row, workspace=room, before=before, after=_said(row))
    return row


def _said(row: WritingSettings) -> dict[str, Any]:
    return {
        "trash_days": row.trash_days,
        "language": row.language,
        "default_collection": row.default_collection_id,
        "approval": row.approval,
    }
