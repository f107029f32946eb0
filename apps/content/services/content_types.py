"""Content types: made and changed by people, each change a version; and texts asked for by one."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.text import slugify

from aiwriter.core.errors import Conflict, Detail, InvalidInput, NotFound
from apps.content.markup.markdown import clean_text
from apps.content.models import ContentType, ContentTypeVersion, Generation
from apps.content.selectors.content_types import get_content_type
from apps.content.selectors.documents import as_uuid
from apps.content.services.generation import start_generation
from apps.content.services.type_schema import COMMON, check_fields, check_instructions, check_values, fill
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, can, get_workspace, require
from apps.users.services.audit import record

VALUES = ("name", "category", "description", "instructions", "fields", "writes", "length", "is_active")
MAX_OWN = 500
_LENGTHS = (10, 20_000)


def create_content_type(
    *, actor: Actor, workspace: Workspace | uuid.UUID | str | None, slug: str = "", **values: Any
) -> ContentType:
    """Make a content type.

    Args:
        actor: who makes it.
        workspace: whose it is; None: common to all workspaces.
        slug: of a to z, digits and hyphens; made of the name when empty.
        values: `name` and `instructions`, and any other of `VALUES`.

    Raises:
        NotFound, PermissionDenied: not the actor's to make.
        InvalidInput: a value cannot be used; a variable of the instructions is missing from the brief.
        Conflict: there is one of this slug, or too many.
    """
    require(actor, "templates.manage" if workspace else "templates.common", workspace=workspace)
    room = get_workspace(actor, workspace) if workspace else None
    for name in ("name", "instructions"):
        if not str(values.get(name) or "").strip():
            raise InvalidInput(f"The {name} is missing.", field=name, remedy="Fill it in.")
    kept = _checked({"fields": {}, **values})
    key = slugify(slug or kept["name"])[:40].strip("-")
    if not key:
        raise InvalidInput("No slug can be made of this name.", field="slug", remedy="Give one of a to z and digits.")
    if room and ContentType.objects.filter(workspace=room).count() >= MAX_OWN:
        raise Conflict(f"The workspace has {MAX_OWN} templates.", remedy="Remove some first.")
    return _create(actor, room, key, kept)


def copy_content_type(
    *, actor: Actor, workspace: Workspace | uuid.UUID | str, content_type_id: uuid.UUID | str
) -> ContentType:
    """Give a workspace its own of a common type; it takes the common one's place there.

    Raises:
        NotFound, PermissionDenied: type or workspace are not the actor's.
        Conflict: the workspace has its own already.
    """
    # What somebody may not see is told first: a refusal would say that it exists.
    found = get_content_type(actor=actor, content_type_id=content_type_id)
    require(actor, "templates.manage", workspace=workspace)
    room = get_workspace(actor, workspace)
    if not found.is_common:
        raise Conflict("This template is a workspace's own already.", remedy="Change it as it is.")
    return _create(actor, room, found.slug, {name: getattr(found, name) for name in VALUES})


def change_content_type(
    *, actor: Actor, content_type_id: uuid.UUID | str, revision: int | None = None, **changes: Any
) -> ContentType:
    """Change a content type; a version keeps how it is now.

    Args:
        actor: who changes it.
        content_type_id: which.
        revision: as it was read; refused when somebody else has changed it since.
        changes: any of `VALUES`.

    Raises:
        NotFound, PermissionDenied: not the actor's to change.
        InvalidInput: a value cannot be used.
        Conflict: it has changed meanwhile.
    """
    found = _writable(actor, content_type_id)
    with transaction.atomic():
        row = ContentType.objects.select_for_update(of=("self",)).get(pk=found.pk)
        if revision is not None and revision != row.revision:
            raise Conflict(
                "Somebody else has changed the template.", field="revision", remedy="Reload it and change it again."
            )
        before = {name: getattr(row, name) for name in VALUES}
        kept = _checked({**before, **changes})
        changed = sorted(name for name in VALUES if kept[name] != before[name])
        if not changed:
            return row
        for name in changed:
            setattr(row, name, kept[name])
        row.revision += 1
        row.save()
        _keep(row, actor)
        record(actor, "template.changed", obj=row, after={"fields": changed, "revision": row.revision})
    return row


def restore_content_type(*, actor: Actor, content_type_id: uuid.UUID | str, number: int) -> ContentType:
    """Make an earlier version the present one again, as a new version.

    Raises:
        NotFound, PermissionDenied: type or version are not the actor's.
    """
    found = _writable(actor, content_type_id)
    version = found.versions.filter(number=number).first()
    if version is None:
        raise NotFound("There is no such version.", remedy="Look at the list of versions.")
    return change_content_type(actor=actor, content_type_id=content_type_id, **version.values)


def delete_content_type(*, actor: Actor, content_type_id: uuid.UUID | str) -> None:
    """Remove a workspace's own type; a common one of the same slug comes back. Texts written by it stay.

    Raises:
        NotFound, PermissionDenied: not the actor's to remove.
        Conflict: it came with the product, which would bring it again.
    """
    found = _writable(actor, content_type_id)
    if found.seeded:
        raise Conflict("This template comes with the portal.", remedy="Switch it off instead.")
    with transaction.atomic():
        record(actor, "template.deleted", obj=found, before={"slug": found.slug})
        found.delete()


def versions_of(*, actor: Actor, content_type_id: uuid.UUID | str) -> QuerySet[ContentTypeVersion]:
    """All versions of a type, the newest first.

    Raises:
        NotFound, PermissionDenied: the type is not the actor's to read.
    """
    found = get_content_type(actor=actor, content_type_id=content_type_id)
    return ContentTypeVersion.objects.filter(content_type=found).select_related("author")


def start_from_type(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    content_type_id: uuid.UUID | str,
    values: Mapping[str, Any],
    source_ids: Collection[uuid.UUID | str] | None = None,
    idempotency_key: str = "",
    apply: bool = True,
    collection_id: uuid.UUID | str | None = None,
    follow: str = "",
    follow_with: Mapping[str, str] | None = None,
) -> Generation:
    """Ask for a text by a content type.

    Args:
        actor: who asks.
        workspace: where.
        content_type_id: which type.
        values: the brief: the type's fields, those of `COMMON`, and "voice".
        source_ids: sources that may be quoted; None means all of the workspace, an empty list none.
        idempotency_key: see `start_generation`.
        apply: make a document of it when it is done.
        collection_id: where the document goes.
        follow, follow_with: see `start_generation`.

    Raises:
        NotFound, PermissionDenied: workspace, type or source are not the actor's.
        InvalidInput: the brief cannot be used, with every problem at once.
        Conflict: the type is switched off.
        BudgetExceeded: the budget is used up.
    """
    get_content_type(actor=actor, content_type_id=content_type_id)
    require(actor, "content.generate", workspace=workspace)
    room = get_workspace(actor, workspace)
    found = type_in(actor, room, content_type_id)
    brief, said = brief_of(found, values)
    pages = [said[name] for name, field in found.fields["properties"].items() if field.get("x-page") and name in said]
    return start_generation(
        actor=actor,
        workspace=room,
        kind=found.writes,
        brief=brief,
        source_ids=source_ids,
        idempotency_key=idempotency_key,
        apply=apply,
        template={"id": str(found.pk), "slug": found.slug, "revision": found.revision, "values": said},
        pages=pages,
        follow=follow,
        follow_with=follow_with,
        collection_id=collection_id,
    )


def type_in(actor: Actor, room: Workspace, content_type_id: uuid.UUID | str) -> ContentType:
    """A type that texts of this workspace may be written by.

    Raises:
        NotFound: there is none, or it is another workspace's.
        Conflict: it is switched off.
    """
    found = get_content_type(actor=actor, content_type_id=content_type_id)
    if found.workspace_id not in (None, room.pk):
        raise NotFound("There is no such template in this workspace.", field="template")
    if not found.is_active:
        raise Conflict("This template is switched off.", remedy="Choose another one, or have an editor switch it on.")
    return found


def brief_of(found: ContentType, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The brief of a generation, and the values as they are kept.

    Raises:
        InvalidInput: with every problem at once.
    """
    own = found.fields["properties"]
    common = {
        name: values[name] for name in (*COMMON, "voice") if name not in own and values.get(name) not in ("", None)
    }
    said = check_values(found.fields, {k: v for k, v in values.items() if k in own or k not in (*COMMON, "voice")})
    everything = {"length": found.length, **common, **said}
    subject = said.get(found.fields["x-subject"], "")
    brief = {name: everything[name] for name in (*COMMON, "voice") if everything.get(name)}
    brief |= {
        "form": found.name,
        "topic": " ".join(str(subject).split())[:1_000] or found.name,
        "instruction": fill(found.instructions, everything),
    }
    if isinstance(said.get("headings"), list):
        brief["headings"] = said["headings"]
    return brief, said


def _create(actor: Actor, room: Workspace | None, slug: str, values: dict[str, Any]) -> ContentType:
    try:
        with transaction.atomic():
            row = ContentType.objects.create(workspace=room, slug=slug, created_by=actor.user, **values)
            _keep(row, actor)
            record(actor, "template.created", obj=row, after={"slug": slug})
    except IntegrityError as error:
        raise Conflict("There is a template of this name.", field="name", remedy="Choose another name.") from error
    return row


def _keep(row: ContentType, actor: Actor) -> None:
    ContentTypeVersion.objects.create(
        content_type=row,
        number=row.revision,
        values={name: getattr(row, name) for name in VALUES},
        author=actor.user,
    )


def _writable(actor: Actor, content_type_id: uuid.UUID | str) -> ContentType:
    """A type that the actor may change: a workspace's own, or a common one for those who run the installation."""
    common = ContentType.objects.filter(pk=as_uuid(content_type_id), workspace=None).first()
    if common is not None and can(actor, "templates.common"):
        return common
    found = get_content_type(actor=actor, content_type_id=content_type_id)
    require(actor, "templates.manage" if found.workspace_id else "templates.common", workspace=found.workspace_id)
    return found


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they are kept, instructions and brief judged together.

    Raises:
        InvalidInput: with the field.
    """
    if unknown := sorted(set(values) - set(VALUES)):
        raise InvalidInput(
            f"{unknown[0][:60]} is not known.", field=unknown[0][:60], remedy=f"Use {', '.join(VALUES)}."
        )
    kept: dict[str, Any] = {"category": "other", "writes": "draft", "length": 700, "is_active": True}
    kept |= {key: value for key, value in values.items() if value is not None}
    problems: list[Detail] = []
    for name, longest in (("name", 120), ("description", 400)):
        kept[name] = " ".join(clean_text(str(kept.get(name) or "")).split())
        if len(kept[name]) > longest:
            problems.append(Detail(name, f"The {name} has {len(kept[name])} characters.", f"Use at most {longest}."))
    if not kept["name"]:
        problems.append(Detail("name", "The template has no name.", "Give it one."))
    for name, choices in (("category", ContentType.Category.values), ("writes", ContentType.Writes.values)):
        if kept[name] not in choices:
            problems.append(
                Detail(name, f"“{str(kept[name])[:40]}” is no {name}.", f"Use one of {', '.join(choices)}.")
            )
    length = kept["length"]
    if isinstance(length, bool) or not isinstance(length, int) or not _LENGTHS[0] <= length <= _LENGTHS[1]:
        problems.append(Detail("length", "The length is no fitting number.", f"Use {_LENGTHS[0]} to {_LENGTHS[1]:,}."))
    if not isinstance(kept["is_active"], bool):
        problems.append(Detail("is_active", "is_active is neither true nor false.", "Send true or false."))
    if problems:
        raise InvalidInput(problems[0].issue, field=problems[0].field, remedy=problems[0].remedy, details=problems)
    kept["fields"] = check_fields(kept["fields"])
    kept["instructions"] = check_instructions(str(kept.get("instructions") or ""), kept["fields"])
    return kept
