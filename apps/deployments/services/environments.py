"""Setting up environments: protection, freezes, the key that signs their plans."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from aiwriter.core.errors import Conflict, Detail, InvalidInput, NotFound
from apps.deployments.models import Environment, FreezeWindow
from apps.deployments.selectors.strategies import FORWARD
from apps.deployments.services.signing import is_key, new_key
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services.audit import record, record_change
from apps.users.services.sealing import seal_into

FIELDS = (
    "title",
    "kind",
    "data_policy",
    "own",
    "delegate",
    "approvals_required",
    "default_strategy",
    "soak_hours",
    "follows",
    "release_keys",
)
_MOST_HOSTS = 32
_BOOTSTRAP = Actor.system_actor("bootstrap")
_LONGEST_FREEZE = dt.timedelta(days=120)


def ensure_environment() -> None:
    """At the first start: the environment that this portal runs in. Afterwards it is the operators' to change."""
    if not Environment.objects.exists():
        kind = settings.ENVIRONMENT if settings.ENVIRONMENT in Environment.Kind.values else "production"
        policy = Environment.DataPolicy.REAL if kind == "production" else Environment.DataPolicy.SYNTHETIC
        title = str(Environment.Kind(kind).label)
        create_environment(actor=_BOOTSTRAP, slug=kind, title=title, kind=kind, own=True, data_policy=policy)


def create_environment(*, actor: Actor, slug: str, **values: Any) -> Environment:
    """Set up an environment, with a key of its own for its plans.

    Args:
        actor: needs "deployments.manage", and has shown lately who they are.
        slug: as the agent's file calls it.
        values: some of `FIELDS`; `title` and `kind` are needed.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used.
        Conflict: there is one of this name, or another one is this portal's own.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    environment = Environment(slug=slug)
    private, environment.public_key = new_key()
    seal_into(environment, "sealed_key", private)
    return _save(actor, environment, values, "environment.created")


def update_environment(*, actor: Actor, environment_id: uuid.UUID | str, **values: Any) -> Environment:
    """Change an environment; values as for `create_environment`.

    Raises:
        PermissionDenied, NotFound, InvalidInput, Conflict: it cannot be changed so.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    return _save(actor, get_environment(environment_id), values, "environment.updated")


def delete_environment(*, actor: Actor, environment_id: uuid.UUID | str) -> None:
    """Remove an environment that nothing was rolled out to.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
        Conflict: it has a history.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    environment = get_environment(environment_id)
    try:
        with transaction.atomic():
            record(actor, "environment.deleted", obj=environment, before={"slug": environment.slug})
            environment.delete()
    except ProtectedError:
        raise Conflict(
            "Its deployments say what served when.", remedy="Keep it; an environment that is not used costs nothing."
        ) from None


def replace_key(*, actor: Actor, environment_id: uuid.UUID | str) -> Environment:
    """Sign plans with a new key from now on. The agent refuses them until it trusts the new public key.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to replace.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    environment = get_environment(environment_id)
    before = environment.public_key
    private, environment.public_key = new_key()
    seal_into(environment, "sealed_key", private)
    with transaction.atomic():
        environment.save(update_fields=["public_key", "sealed_key"])
        record(
            actor,
            "environment.key_replaced",
            obj=environment,
            before={"public_key": before},
            after={"public_key": environment.public_key},
        )
    return environment


def open_again(*, actor: Actor, environment_id: uuid.UUID | str, reason: str) -> Environment:
    """Let deployments begin again where going back had failed.

    Args:
        actor: needs "deployments.manage", and has shown lately who they are.
        environment_id: which.
        reason: what was found and done.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be opened so.
        Conflict: it is open.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    environment = get_environment(environment_id)
    if not environment.halted:
        raise Conflict("It is open.", remedy="Load the page again.")
    said = words(reason, "reason", 300)
    with transaction.atomic():
        before, environment.halted = environment.halted, ""
        environment.save(update_fields=["halted"])
        record(actor, "environment.released", obj=environment, reason=said, before={"halted": before})
    return environment


def create_freeze(
    *,
    actor: Actor,
    environment_id: uuid.UUID | str,
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    reason: str,
    weekly: bool = False,
) -> FreezeWindow:
    """Let nothing be rolled out for a time.

    Args:
        actor: needs "deployments.manage".
        environment_id: where.
        starts_at, ends_at: when.
        reason: why, for those who meet it.
        weekly: again every week; then at most seven days long.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be made.
    """
    require(actor, "deployments.manage")
    environment = get_environment(environment_id)
    longest = dt.timedelta(days=7) if weekly else _LONGEST_FREEZE
    if not dt.timedelta(0) < ends_at - starts_at <= longest:
        raise InvalidInput(
            "It has to end after it begins, and within 120 days; one of every week within seven.",
            field="ends_at",
            remedy="Choose another end.",
        )
    with transaction.atomic():
        freeze = FreezeWindow.objects.create(
            environment=environment,
            starts_at=starts_at,
            ends_at=ends_at,
            weekly=weekly,
            reason=words(reason, "reason", 200),
            author=actor.label,
        )
        after = {"starts_at": starts_at, "ends_at": ends_at, "weekly": weekly, "reason": freeze.reason}
        record(actor, "freeze.created", obj=environment, after=after)
    return freeze


def delete_freeze(*, actor: Actor, environment_id: uuid.UUID | str, freeze_id: int) -> None:
    """Take a freeze away.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "deployments.manage")
    require_proof(actor)
    freeze = FreezeWindow.objects.filter(environment_id=environment_id, pk=freeze_id).first()
    if freeze is None:
        raise NotFound("There is no such freeze.")
    with transaction.atomic():
        record(actor, "freeze.deleted", obj=freeze.environment, before={"reason": freeze.reason})
        freeze.delete()


def get_environment(environment_id: uuid.UUID | str) -> Environment:
    """One environment.

    Raises:
        NotFound: there is none.
    """
    found = Environment.objects.filter(pk=environment_id).first()
    if found is None:
        raise NotFound("There is no such environment.")
    return found


def words(text: str, field: str, longest: int) -> str:
    """What a person said, if it is something and not too long.

    Raises:
        InvalidInput: it is not.
    """
    cleaned = str(text).strip()
    if not 0 < len(cleaned) <= longest:
        raise InvalidInput(f"Write 1 to {longest} characters.", field=field, remedy="Say it in a sentence or two.")
    return cleaned


def checked(row: Any, names: tuple[str, ...]) -> None:
    """Refuse what the fields of a row cannot hold.

    Raises:
        InvalidInput: with each field that is wrong.
    """
    try:
        row.clean_fields(exclude={field.name for field in row._meta.fields} - set(names))
    except ValidationError as error:
        details = [Detail(name, " ".join(texts), "") for name, texts in error.message_dict.items()]
        raise InvalidInput("Some values cannot be used.", details=details, remedy="Correct them.") from error


def _save(actor: Actor, environment: Environment, values: dict[str, Any], action: str) -> Environment:
    before = _told(environment)
    for name, value in values.items():
        if name not in FIELDS:
            raise InvalidInput(f"'{name[:40]}' cannot be set.", field=name[:40])
        if name == "follows" and value is not None and not isinstance(value, Environment):
            value = get_environment(value)
        setattr(environment, name, value)
    checked(environment, ("slug", *FIELDS))
    _check_order(environment)
    if environment.default_strategy not in FORWARD:
        raise InvalidInput(
            "This is no way to a new version.",
            field="default_strategy",
            remedy=f"Use {', '.join(FORWARD)}.",
        )
    if wrong := [key for key in environment.keys if not is_key(key)]:
        raise InvalidInput(
            f"'{wrong[0][:20]}…' is no public key.",
            field="release_keys",
            remedy="One a line, as aw-deployd keygen prints them.",
        )
    after = _told(environment)
    try:
        with transaction.atomic():
            environment.save()
            if action == "environment.created":
                record(actor, action, obj=environment, after={"slug": environment.slug, **after})
            else:
                record_change(actor, action, obj=environment, before=before, after=after)
    except IntegrityError:
        taken = Environment.objects.filter(slug=environment.slug).exclude(pk=environment.pk).exists()
        raise Conflict(
            "There is an environment of this name." if taken else "Another environment is this portal's own.",
            field="slug" if taken else "own",
            remedy="Choose another name." if taken else "Change that one first.",
        ) from None
    return environment


def _told(environment: Environment) -> dict[str, Any]:
    before = environment.follows
    return {name: getattr(environment, name) for name in FIELDS} | {"follows": before.slug if before else ""}


def _check_order(environment: Environment) -> None:
    """Refuse hosts that would wait for each other, or that are no hosts of one installation."""
    before, seen = environment.follows, 0
    if before is not None and before.kind != environment.kind:
        raise InvalidInput(
            f"{before.title} is for {before.get_kind_display().lower()}, this one for {environment.get_kind_display().lower()}.",
            field="follows",
            remedy="Hosts of one installation are of one kind; staging comes first by itself (soak hours).",
        )
    while before is not None:
        seen += 1
        if before.pk == environment.pk or seen > _MOST_HOSTS:
            raise InvalidInput(
                "Hosts would wait for each other.", field="follows", remedy="Choose one that does not follow this one."
            )
        before = before.follows
