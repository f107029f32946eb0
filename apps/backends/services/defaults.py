"""What a new installation has before an operator has done anything: a folder for files, a writer that needs no key."""

from __future__ import annotations

import logging

from django.db import transaction

from apps.backends.models import BackendProfile, Route, RouteStep
from apps.backends.models.profiles import models_to_json
from apps.backends.selectors.clearance import LOCAL
from apps.backends.services.probing import Draft, Probe, probe

log = logging.getLogger(__name__)

# (the product's name for it, kind, plugin, name to show)
PROFILES = (
    ("local-files", "storage", "local", "Files on this machine"),
    ("offline", "model", "offline", "Built in, works offline"),
)


def ensure_defaults() -> None:
    """Make the product's own profiles and the default routes where they are missing. Safe to repeat.

    What an operator has changed stays: a profile is made once and recognised by its `managed` name, a route is made
    only while there is none for its purpose. A profile whose plugin has been updated is tried again, so that its list
    of models is up to date.
    """
    for managed, kind, plugin_key, name in PROFILES:
        profile = _ensure_profile(managed, kind, plugin_key, name)
        if not profile.region:
            BackendProfile.objects.filter(pk=profile.pk).update(region=LOCAL)
        if not profile.tested or _models_outdated(profile):
            _try(profile)
    offline = BackendProfile.objects.get(managed="offline")
    for purpose in Route.Purpose.values:
        with transaction.atomic():
            route, made = Route.objects.get_or_create(purpose=purpose, workspace=None)
            if made:
                RouteStep.objects.create(route=route, position=1, profile=offline)


def _ensure_profile(managed: str, kind: str, plugin_key: str, name: str) -> BackendProfile:
    found = BackendProfile.objects.filter(managed=managed).first()
    if found is not None:
        return found
    taken = BackendProfile.objects.filter(name__iexact=name).exists()
    made, _ = BackendProfile.objects.get_or_create(
        managed=managed,
        defaults={"kind": kind, "plugin_key": plugin_key, "name": f"{name} (portal)" if taken else name},
    )
    return made


def _models_outdated(profile: BackendProfile) -> bool:
    """The offline backend changes with the product's version, which its stored list of models would not show."""
    return profile.kind == "model" and profile.enabled


def _try(profile: BackendProfile) -> None:
    first = profile.last_test_at is None
    result = probe(Draft.of(profile))
    columns = _columns(profile, result)
    if result.ok and first:
        columns["enabled"] = True
    elif not result.ok:
        log.warning("the built-in backend %s cannot be used: %s", profile.name, result.message)
        if profile.enabled:
            return
    BackendProfile.objects.filter(pk=profile.pk, revision=profile.revision).update(**columns)


def _columns(profile: BackendProfile, result: Probe) -> dict[str, object]:
    columns: dict[str, object] = {
        "last_test_at": result.at,
        "last_test_ok": result.ok,
        "last_test_revision": profile.revision,
        "last_test_message": result.message,
        "last_test_remedy": result.remedy,
        "last_test_latency_ms": result.latency_ms,
    }
    if profile.kind == "model" and result.ok:
        columns["offered_models"] = models_to_json(result.models)
    return columns
