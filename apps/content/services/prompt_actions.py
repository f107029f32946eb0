"""Prompt actions: made, changed as new versions, taken back to an earlier one, copied, switched off, deleted."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.content.markup.markdown import clean_text
from apps.content.models import PromptAction, PromptActionVersion
from apps.content.selectors.prompt_actions import get_prompt_action
from apps.content.services.prompt_templates import check_template
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MAX_ACTIONS = 200
MAX_NAME = 80
_MAX_KEY = 60
_VERSIONED = ("template", "scope", "placement")


def create_prompt_action(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str | None,
    name: str,
    template: str,
    scope: str = "selection",
    placement: str = "replace",
    is_active: bool = True,
    key: str = "",
) -> PromptAction:
    """Make an action.

    Args:
        actor: needs "prompts.manage" in the workspace; "prompts.defaults" for one of the installation.
        workspace: the workspace, its id or its slug; None for an action that every workspace starts with.
        name: the words in the menu, at most 80 characters.
        template: the prompt; see `prompt_templates` for its variables.
        scope: one of `PromptActionVersion.Scope`.
        placement: one of `PromptActionVersion.Placement`.
        is_active: offer it in the menu.
        key: names it for programs; made of the name when left out. With the key of one of the installation's actions it
            takes that one's place in this workspace.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to manage.
        InvalidInput: a value cannot be used.
        Conflict: the key is taken, or there are too many.
    """
    room = None
    if workspace is None:
        require(actor, "prompts.defaults")
    else:
        require(actor, "prompts.manage", workspace=workspace)
        room = get_workspace(actor, workspace)
    name = _name(name)
    said = _said(template=template, scope=scope, placement=placement)
    with transaction.atomic():
        if PromptAction.objects.filter(workspace=room).count() >= MAX_ACTIONS:
            raise Conflict(f"There are {MAX_ACTIONS} AI actions already.", remedy="Delete one first.")
        made = _make(actor, room, name, _key(key or name, given=bool(key)), is_active, said)
        record(actor, "prompt.created", obj=made, after={"key": made.key, "version": 1})
    return made


def change_prompt_action(*, actor: Actor, action_id: uuid.UUID | str, **changes: Any) -> PromptAction:
    """Change `name`, `is_active`, `template`, `scope` or `placement`; the last three make a new version.

    Raises:
        NotFound, PermissionDenied: the action is not the actor's to change.
        InvalidInput: a value cannot be used.
    """
    _writable(actor, action_id)
    if unknown := sorted(set(changes) - {"name", "is_active", *_VERSIONED}):
        raise InvalidInput(f"{unknown[0]} cannot be changed.", field=unknown[0], remedy="Make another action.")
    with transaction.atomic():
        action = _lock(action_id)
        fields = []
        if "name" in changes and (name := _name(changes["name"])) != action.name:
            action.name = name
            fields.append("name")
        if "is_active" in changes and bool(changes["is_active"]) != action.is_active:
            action.is_active = bool(changes["is_active"])
            fields.append("is_active")
        before = _content(action.current)
        said = _said(**{**before, **{field: changes[field] for field in _VERSIONED if field in changes}})
        if said != before:
            _add_version(actor, action, said)
            fields += [field for field in _VERSIONED if said[field] != before[field]]
        if fields:
            action.save()
            number = action.current.number if action.current else 0
            record(actor, "prompt.changed", obj=action, after={"fields": sorted(fields), "version": number})
    return action


def restore_prompt_version(*, actor: Actor, action_id: uuid.UUID | str, number: int) -> PromptAction:
    """Make an earlier version the newest again; a version is added, none is lost.

    Raises:
        NotFound, PermissionDenied: the action is not the actor's to change, or has no such version.
    """
    _writable(actor, action_id)
    with transaction.atomic():
        action = _lock(action_id)
        version = action.versions.filter(number=number).first()
        if version is None:
            raise NotFound(f"There is no version {number}.", remedy="Look at the list of versions.")
        if _content(version) != _content(action.current):
            _add_version(actor, action, _content(version))
            action.save()
            record(actor, "prompt.restored", obj=action, after={"from": number})
    return action


def copy_prompt_action(
    *, actor: Actor, action_id: uuid.UUID | str, workspace: Workspace | uuid.UUID | str
) -> PromptAction:
    """Give a workspace its own copy of one of the installation's actions, which takes that one's place there.

    Asking again gives the same copy.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to manage.
        Conflict: the action belongs to a workspace already.
    """
    action = get_prompt_action(actor=actor, action_id=action_id)
    require(actor, "prompts.manage", workspace=workspace)
    room = get_workspace(actor, workspace)
    if action.workspace_id:
        raise Conflict("The action belongs to a workspace already.", remedy="Change it itself.")
    with transaction.atomic():
        if own := PromptAction.objects.select_related("current").filter(workspace=room, key=action.key).first():
            return own
        made = _make(actor, room, action.name, action.key, action.is_active, _content(action.current))
        record(actor, "prompt.created", obj=made, after={"key": made.key, "version": 1, "copy_of": str(action.pk)})
    return made


def delete_prompt_action(*, actor: Actor, action_id: uuid.UUID | str) -> None:
    """Delete a workspace's action with its versions. One of the installation that it stood for is offered again.

    Raises:
        NotFound, PermissionDenied: the action is not the actor's to delete.
        Conflict: it is one that every workspace starts with.
    """
    action = _writable(actor, action_id)
    if action.workspace_id is None:
        raise Conflict("An action that every workspace starts with is not deleted.", remedy="Switch it off instead.")
    with transaction.atomic():
        record(actor, "prompt.deleted", obj=action, after={"key": action.key})
        action.delete()


# ---------------------------------------------------------------- inside
def _writable(actor: Actor, action_id: uuid.UUID | str) -> PromptAction:
    action = get_prompt_action(actor=actor, action_id=action_id)
    if action.workspace_id is None:
        require(actor, "prompts.defaults")
    else:
        require(actor, "prompts.manage", workspace=action.workspace_id)
    return action


def _lock(action_id: uuid.UUID | str) -> PromptAction:
    found = PromptAction.objects.select_for_update(of=("self",)).select_related("current").filter(pk=action_id).first()
    if found is None:
        raise NotFound("There is no such AI action.", remedy="It may have been deleted; look at the list.")
    return found


def _make(
    actor: Actor, room: Workspace | None, name: str, key: str, is_active: bool, said: dict[str, str]
) -> PromptAction:
    try:
        with transaction.atomic():
            made = PromptAction.objects.create(
                workspace=room, key=key, name=name, is_active=is_active, created_by=actor.user
            )
    except IntegrityError as error:
        raise Conflict(
            f"There is an AI action '{key}' already.", field="name", remedy="Change that one, or choose another name."
        ) from error
    _add_version(actor, made, said)
    made.save()
    return made


def _add_version(actor: Actor, action: PromptAction, said: dict[str, str]) -> None:
    newest = action.versions.order_by("-number").values_list("number", flat=True).first() or 0
    action.current = PromptActionVersion.objects.create(action=action, number=newest + 1, created_by=actor.user, **said)


def _content(version: PromptActionVersion | None) -> dict[str, str]:
    return {field: getattr(version, field) for field in _VERSIONED} if version else dict.fromkeys(_VERSIONED, "")


def _said(*, template: str, scope: str, placement: str) -> dict[str, str]:
    if scope not in PromptActionVersion.Scope.values:
        known = ", ".join(PromptActionVersion.Scope.values)
        raise InvalidInput(f"'{scope}' is nothing to work on.", field="scope", remedy=f"Use one of {known}.")
    if placement not in PromptActionVersion.Placement.values:
        known = ", ".join(PromptActionVersion.Placement.values)
        raise InvalidInput(f"'{placement}' is no place.", field="placement", remedy=f"Use one of {known}.")
    return {"template": check_template(clean_text(template), scope), "scope": scope, "placement": placement}


def _name(name: str) -> str:
    cleaned = " ".join(clean_text(name).split())
    if not 0 < len(cleaned) <= MAX_NAME:
        raise InvalidInput(
            "The name is empty." if not cleaned else f"The name has {len(cleaned)} characters.",
            field="name",
            remedy=f"Use 1 to {MAX_NAME} characters: the words in the menu.",
        )
    return cleaned


def _key(text: str, *, given: bool) -> str:
    key = slugify(text)[:_MAX_KEY].strip("-_")
    if given and key != text:
        raise InvalidInput(
            f"'{text}' is no key.", field="key", remedy="Use lower-case letters, digits and hyphens, at most 60."
        )
    # A name in another script leaves nothing to make a key of.
    return key or f"action-{uuid.uuid4().hex[:8]}"
