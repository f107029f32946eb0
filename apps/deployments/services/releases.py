"""Registering releases, by a person or by a pipeline with a token."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.db import IntegrityError, transaction

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.deployments.models import Release
from apps.deployments.services.environments import checked, words
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record, record_change

# What a release is: never changed. What is said about it: may be.
FACTS = (
    "git_sha",
    "digest",
    "signature",
    "sbom",
    "schema_heads",
    "contract",
    "min_upgrade_from",
    "config_added",
    "config_removed",
)
NOTES = ("notes_operators", "notes_users")
_LONGEST_NOTES = 20_000
_MOST = 300
_MIGRATION = re.compile(r"\w{1,60}\.\w{1,120}")


def register_release(*, actor: Actor, version: str, **values: Any) -> Release:
    """Register a release. The same facts again are the same release, so that a pipeline may repeat its step.

    Args:
        actor: needs "deployments.register".
        version: its name, also that of its folder on the hosts.
        values: some of `FACTS` and `NOTES`.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used.
        Conflict: this version was registered as something else.
    """
    require(actor, "deployments.register")
    release = Release(version=version, registered_by=actor.label)
    _set(release, values, (*FACTS, *NOTES))
    checked(release, ("version", "git_sha", "digest", "signature", "sbom", "min_upgrade_from"))
    known = Release.objects.filter(version=version).first()
    if known is not None:
        return _again(known, release)
    try:
        with transaction.atomic():
            release.save(force_insert=True)
            record(actor, "release.registered", obj=release, after={"version": version, "digest": release.digest})
    except IntegrityError:
        return _again(Release.objects.get(version=version), release)
    return release


def _again(known: Release, wanted: Release) -> Release:
    if any(getattr(known, name) != getattr(wanted, name) for name in FACTS):
        raise Conflict(
            f"Version {known.version} is registered as something else.",
            field="version",
            remedy="A version never changes: give the new one a new number.",
        )
    return known


def update_release(*, actor: Actor, release_id: uuid.UUID | str, **notes: Any) -> Release:
    """Change what is said about a release.

    Args:
        actor: needs "deployments.register".
        release_id: which.
        notes: some of `NOTES`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
    """
    require(actor, "deployments.register")
    release = get_release(release_id)
    before = {name: getattr(release, name) for name in NOTES}
    _set(release, notes, NOTES)
    after = {name: getattr(release, name) for name in NOTES}
    if after != before:
        with transaction.atomic():
            release.save(update_fields=list(NOTES))
            record_change(actor, "release.updated", obj=release, before=before, after=after)
    return release


def withdraw_release(*, actor: Actor, release_id: uuid.UUID | str, reason: str) -> Release:
    """Let a release not be rolled out any more.

    Args:
        actor: needs "deployments.register".
        release_id: which.
        reason: why.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be withdrawn.
    """
    require(actor, "deployments.register")
    release = get_release(release_id)
    said = words(reason, "reason", 300)
    with transaction.atomic():
        release.withdrawn = said
        release.save(update_fields=["withdrawn"])
        record(actor, "release.withdrawn", obj=release, reason=said)
    return release


def get_release(release_id: uuid.UUID | str) -> Release:
    """One release.

    Raises:
        NotFound: there is none.
    """
    found = Release.objects.filter(pk=release_id).first()
    if found is None:
        raise NotFound("There is no such release.")
    return found


def _set(release: Release, values: dict[str, Any], names: tuple[str, ...]) -> None:
    for name, value in values.items():
        if name not in names:
            raise InvalidInput(f"'{name[:40]}' cannot be set.", field=name[:40], remedy="A version never changes.")
        setattr(release, name, value)
        if name in NOTES and len(str(value)) > _LONGEST_NOTES:
            raise InvalidInput(f"Write at most {_LONGEST_NOTES} characters.", field=name, remedy="Link to the rest.")
    heads = release.schema_heads
    if not isinstance(heads, dict) or not all(_MIGRATION.fullmatch(f"{app}.{name}") for app, name in heads.items()):
        raise InvalidInput(
            "These are no heads of a schema.",
            field="schema_heads",
            remedy='Send {"users": "0042_name"}; manage.py deployments manifest prints them.',
        )
    if not _named(release.contract, _MIGRATION):
        raise InvalidInput("These are no migrations.", field="contract", remedy='Send ["users.0042_name"].')
    for name in ("config_added", "config_removed"):
        if not _named(getattr(release, name), re.compile(r"[A-Z][A-Z0-9_]{0,80}")):
            raise InvalidInput("These are no variables.", field=name, remedy='Send ["AIWRITER_NAME"].')


def _named(values: Any, form: re.Pattern[str]) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= _MOST
        and all(isinstance(v, str) and form.fullmatch(v) for v in values)
    )
