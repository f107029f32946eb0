"""Setting up backends: choose a plugin, fill in its form, test, enable."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F, ProtectedError

from aiwriter.core import secretrefs
from aiwriter.core.errors import AppError, Conflict, InvalidInput, PreconditionFailed
from aiwriter.pluginhost import discovery
from aiwriter.pluginhost.validation import migrate_options, validate_options
from aiwriter_sdk import Descriptor
from apps.backends.models import BackendProfile
from apps.backends.models.profiles import models_to_json
from apps.backends.selectors.clearance import region_code
from apps.backends.selectors.profiles import get_profile
from apps.backends.services import instances
from apps.backends.services.probing import Draft, Probe, probe
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services.audit import record

_HINT, _HINT_LEAST = 4, 12
_REFERENCE = re.compile(r"(env|file):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Changes to a profile's secrets; a secret that is named nowhere stays as it is.

    Args:
        typed: values by field; kept as files that only the portal's user can read.
        references: `env:AIWRITER_SECRET_…` or `file:NAME` by field.
        cleared: fields to forget.
    """

    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    references: Mapping[str, str] = field(default_factory=dict)
    cleared: frozenset[str] = frozenset()

    @property
    def any(self) -> bool:
        """Whether anything changes."""
        return bool(self.typed or self.references or self.cleared)


def create_profile(
    *,
    actor: Actor,
    kind: str,
    plugin_key: str,
    name: str,
    options: Mapping[str, Any],
    secrets: Secrets | None = None,
    encrypt_files: bool = False,
    region: str = "",
) -> BackendProfile:
    """Keep a new profile, not yet enabled.

    Args:
        actor: needs "backends.manage".
        kind: "model", "storage", "publish" or "check".
        plugin_key: of an installed plugin.
        name: what people read; unique.
        options: by field of the plugin's form, none of them secret.
        secrets: see `Secrets`.
        encrypt_files: for storage profiles: encrypt before storing.
        region: where it processes and stores, see `residency.region_code`.

    Raises:
        InvalidInput: one detail for every wrong field.
        NotFound, Unavailable: the plugin is not installed or cannot be used.
        Conflict: the name is taken.
    """
    require(actor, "backends.manage")
    if secrets and secrets.any:
        require_proof(actor)
    descriptor = discovery.get(kind, plugin_key)
    changes = secrets or Secrets()
    profile = BackendProfile(
        kind=kind,
        plugin_key=plugin_key,
        name=_name(name, None),
        schema_version=descriptor.config.version,
        encrypt_files=encrypt_files and kind == "storage",
        region=region_code(region),
    )
    profile.options = _checked(descriptor, options, _as_values(changes, {}))
    stored = _store(profile, descriptor, changes)
    try:
        with transaction.atomic():
            profile.save(force_insert=True)
            record(actor, "profile.created", obj=profile, after=_shown(profile))
    except BaseException:
        _forget(stored)
        raise
    return profile


def update_profile(
    *,
    actor: Actor,
    profile_id: uuid.UUID | str,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    secrets: Secrets | None = None,
    encrypt_files: bool | None = None,
    region: str | None = None,
    revision: int | None = None,
) -> BackendProfile:
    """Change a profile. New settings of an enabled one are tried before they take the place of those that work.

    Args:
        actor: needs "backends.manage".
        profile_id: which.
        name, options, encrypt_files, region: left as they are when None; `options` replaces all options.
        secrets: see `Secrets`.
        revision: the one that the person has seen.

    Raises:
        PreconditionFailed: somebody else has changed it since.
        Conflict: it is enabled and the new settings fail the test; nothing was changed.
        InvalidInput: as for `create_profile`.
    """
    require(actor, "backends.manage")
    if secrets and secrets.any:
        require_proof(actor)
    profile = get_profile(actor, profile_id)
    if revision is not None and revision != profile.revision:
        raise PreconditionFailed(
            "Somebody else has changed this profile since you opened it.", remedy="Open it again, then change it."
        )
    before, seen = _shown(profile), profile.revision
    changes = secrets or Secrets()
    if name is not None:
        profile.name = _name(name, profile)
    if encrypt_files is not None:
        profile.encrypt_files = encrypt_files and profile.kind == "storage"
    if region is not None:
        profile.region = region_code(region)
    stored: list[str] = []
    dropped: list[str] = []
    if options is not None or changes.any:
        descriptor = discovery.get(profile.kind, profile.plugin_key)
        given = options if options is not None else _migrated(profile, descriptor)
        profile.options = _checked(descriptor, given, _as_values(changes, profile.secret_refs))
        profile.schema_version = descriptor.config.version
        old_refs, old_hints = dict(profile.secret_refs), set(profile.secret_hints)
        stored = _store(profile, descriptor, changes)
        dropped = [
            ref for field, ref in old_refs.items() if field in old_hints and profile.secret_refs.get(field) != ref
        ]
        profile.revision += 1
    try:
        if profile.enabled and profile.revision != seen:
            _adopt(profile, probe(Draft.of(profile)))
        with transaction.atomic():
            current = BackendProfile.objects.select_for_update().filter(pk=profile.pk, revision=seen)
            if not current.exists():
                raise PreconditionFailed("Somebody else has changed this profile.", remedy="Open it again.")
            profile.save()
            record(actor, "profile.updated", obj=profile, before=before, after=_shown(profile))
            transaction.on_commit(lambda: _forget(dropped))
    except BaseException:
        _forget(stored)
        raise
    return profile


def test_profile(*, actor: Actor, profile_id: uuid.UUID | str) -> Probe:
    """Try a profile as it is stored: is it configured rightly, does the other side answer, which models are there?

    A passed test ends a cool-down. The result is kept with the profile.

    Raises:
        NotFound: there is no such profile.
    """
    require(actor, "backends.manage")
    profile = get_profile(actor, profile_id)
    result = probe(Draft.of(profile))
    _note(profile, result)
    record(
        actor,
        "profile.tested",
        obj=profile,
        outcome="allowed" if result.ok else "failed",
        reason=result.message,
    )
    return result


def enable_profile(*, actor: Actor, profile_id: uuid.UUID | str) -> BackendProfile:
    """Let a profile be called.

    Raises:
        Conflict: its present settings have not passed a test.
    """
    require(actor, "backends.manage")
    with transaction.atomic():
        profile = get_profile(actor, profile_id)
        if not profile.tested:
            raise Conflict(
                "The present settings have not passed the test."
                if profile.last_test_revision != profile.revision
                else f"The last test failed: {profile.last_test_message}",
                remedy=profile.last_test_remedy or "Test the connection first.",
            )
        # The revision is asked again by the statement: settings changed in between have not been tested.
        done = BackendProfile.objects.filter(pk=profile.pk, revision=profile.revision).update(enabled=True)
        if not done:
            raise Conflict("Somebody else has just changed this profile.", remedy="Test it again.")
        profile.enabled = True
        record(actor, "profile.enabled", obj=profile)
    return profile


def disable_profile(*, actor: Actor, profile_id: uuid.UUID | str) -> BackendProfile:
    """Let no new call begin with a profile; what is running goes on.

    Raises:
        Conflict: it is the only enabled storage, without which no file could be read.
    """
    require(actor, "backends.manage")
    with transaction.atomic():
        profile = get_profile(actor, profile_id)
        others = BackendProfile.objects.enabled().of_kind("storage").exclude(pk=profile.pk)
        if profile.kind == "storage" and profile.enabled and not others.exists():
            raise Conflict("This is the only enabled file storage.", remedy="Enable another one first.")
        BackendProfile.objects.filter(pk=profile.pk).update(enabled=False)
        profile.enabled = False
        record(actor, "profile.disabled", obj=profile)
    instances.forget(profile.pk)
    return profile


def delete_profile(*, actor: Actor, profile_id: uuid.UUID | str) -> None:
    """Remove a profile with the secrets that were typed for it.

    Raises:
        Conflict: a route or stored files need it, or it is the product's own.
    """
    require(actor, "backends.manage")
    profile = get_profile(actor, profile_id)
    if profile.managed:
        raise Conflict("This profile belongs to the portal itself.", remedy="Disable it instead.")
    kept = [profile.secret_refs[name] for name in profile.secret_hints if name in profile.secret_refs]
    try:
        with transaction.atomic():
            record(actor, "profile.deleted", obj=profile, before=_shown(profile))
            profile.delete()
            transaction.on_commit(lambda: _forget(kept))
    except ProtectedError as error:
        what = {"model": "a route", "publish": "publications"}.get(profile.kind, "stored files")
        raise Conflict(
            f"This profile is still needed by {what}.",
            remedy="Take it out of the routes first." if profile.kind == "model" else "Disable it instead.",
        ) from error
    instances.forget(profile_id)


def _name(name: str, profile: BackendProfile | None) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= 80:
        raise InvalidInput("The name has to have 1 to 80 characters.", field="name")
    taken = BackendProfile.objects.filter(name__iexact=name)
    if profile is not None:
        taken = taken.exclude(pk=profile.pk)
    if taken.exists():
        raise Conflict(f"There is a profile named '{name}' already.", field="name", remedy="Choose another name.")
    return name


def _migrated(profile: BackendProfile, descriptor: Descriptor) -> dict[str, object]:
    return migrate_options(descriptor, profile.options, version=profile.schema_version)


def _as_values(changes: Secrets, present: Mapping[str, str]) -> dict[str, str]:
    """Something for every secret that there will be, for the form's rules; stored ones count without being read."""
    values = {name: "stored" for name in present if name not in changes.cleared}
    values |= dict.fromkeys(changes.references, "referred")
    return values | dict(changes.typed)


def _checked(descriptor: Descriptor, options: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Options as they are stored: valid, none of them secret, empty ones left out so that later defaults apply."""
    config = validate_options(descriptor.config, options, secrets)
    known = {f.name for f in descriptor.config.fields} - descriptor.config.secret_names
    return {name: config[name] for name in options if name in known and options[name] not in (None, "")}


def _store(profile: BackendProfile, descriptor: Descriptor, changes: Secrets) -> list[str]:
    """Put references into the profile. Returns those of files that were written."""
    known = descriptor.config.secret_names
    if unknown := sorted((set(changes.typed) | set(changes.references)) - known):
        raise InvalidInput(f"The plugin has no secret '{unknown[0]}'.", field=unknown[0])
    refs, hints = dict(profile.secret_refs), dict(profile.secret_hints)
    for name in changes.cleared:
        refs.pop(name, None)
        hints.pop(name, None)
    for name, reference in changes.references.items():
        secretrefs.check(reference)
        refs[name] = reference
        hints.pop(name, None)
    stored: list[str] = []
    try:
        for name, value in changes.typed.items():
            refs[name] = secretrefs.store(f"{profile.plugin_key}-{name}", value)
            stored.append(refs[name])
            hints[name] = value[-_HINT:] if len(value) >= _HINT_LEAST else ""
    except AppError:
        _forget(stored)
        raise
    profile.secret_refs, profile.secret_hints = refs, hints
    return stored


def _forget(references: list[str]) -> None:
    for reference in references:
        secretrefs.forget(reference)


def _adopt(profile: BackendProfile, result: Probe) -> None:
    """Write a passed test into a profile that is about to be saved.

    Raises:
        Conflict: it did not pass.
    """
    if not result.ok:
        raise Conflict(
            f"The new settings fail the test, so the old ones stay in force: {result.message}",
            remedy=f"{result.remedy} Or disable the profile first.".strip(),
        )
    for name, value in _as_columns(profile, result).items():
        setattr(profile, name, value)


def _note(profile: BackendProfile, result: Probe) -> None:
    columns: dict[str, Any] = _as_columns(profile, result)
    if not result.ok and profile.enabled:
        # An enabled profile stays enabled: a test that fails today says what calls find out too, and they cool down.
        columns = {k: v for k, v in columns.items() if k not in ("last_test_ok", "last_test_revision")}
    BackendProfile.objects.filter(pk=profile.pk, revision=profile.revision).update(
        updated_at=F("updated_at"), **columns
    )


def _as_columns(profile: BackendProfile, result: Probe) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "last_test_at": result.at,
        "last_test_revision": profile.revision,
        "last_test_ok": result.ok,
        "last_test_message": result.message,
        "last_test_remedy": result.remedy,
        "last_test_latency_ms": result.latency_ms,
    }
    if result.ok:
        columns |= {"failures": 0, "cooldown_until": None, "cooldown_kind": "", "cooldown_reason": ""}
        if profile.kind == "model":
            columns["offered_models"] = models_to_json(result.models)
    return columns


def _shown(profile: BackendProfile) -> dict[str, Any]:
    """For the audit record: references, never secrets."""
    names = ("kind", "plugin_key", "name", "options", "secret_refs", "encrypt_files", "region", "enabled")
    return {name: getattr(profile, name) for name in names}


def is_reference(text: str) -> bool:
    """Whether what an operator typed as a secret is a reference to one."""
    return bool(_REFERENCE.match(text))
