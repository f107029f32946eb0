"""Health checks that plugins bring: one for each enabled profile of the kind "check". `CHECK_SOURCES` names `checks`.

They run where our own do, in the watch, each in a thread with a deadline; what they raise, and whatever they give, becomes
a result that names the plugin. What no thread can be guarded against is code that ends the whole process, so a look leaves
a note before it begins: a check during which the watch ended twice in a row is not run until its profile or its package changes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from django.conf import settings

from aiwriter.core.errors import AppError
from aiwriter.core.redact import redact
from aiwriter.pluginhost import calls, discovery
from aiwriter_sdk import BackendError, Health
from apps.backends.models import BackendProfile
from apps.backends.services import instances
from apps.backends.services.probing import Draft
from apps.monitoring.services.checks import Check, Result

DEATHS_ALLOWED = 2
MOST_FIGURES = 20
_BUILD_SECONDS = 10.0
RUNBOOK = "operators/checks"


def checks() -> list[Check]:
    """The checks of all enabled profiles. Reads the database; a plugin that cannot be used is a check that says so."""
    return [check_of(profile) for profile in BackendProfile.objects.enabled().of_kind("check").order_by("name")]


def key_of(profile: BackendProfile) -> str:
    """The check's key; the same for as long as the profile lives."""
    return f"{profile.plugin_key}-{profile.pk.hex[-6:]}"


def check_of(profile: BackendProfile) -> Check:
    """The check of a profile.

    Args:
        profile: of kind "check".
    """
    interval, deadline, label, version = 60.0, 5.0, profile.plugin_key, ""
    try:
        plugin = discovery.find(profile.kind, profile.plugin_key)
        if (card := plugin.descriptor) is not None:
            interval, deadline, label, version = float(card.interval), float(card.deadline), card.label, plugin.version
    except AppError:
        pass  # the look says why, every minute
    return Check(
        key=key_of(profile),
        run=partial(_look, Draft.of(profile), f"{key_of(profile)}-{profile.revision}-{version}", deadline),
        interval=interval,
        # Building the backend, the first time, is the host's time.
        deadline=deadline + _BUILD_SECONDS,
        severity="degrades",
        title=f"{profile.name} ({label})",
        runbook=RUNBOOK,
    )


def _look(draft: Draft, note: str, deadline: float) -> Result:
    named = f"The plugin '{draft.plugin_key}'"
    deaths = _deaths(note)
    if deaths >= DEATHS_ALLOWED:
        return Result(
            status="fail",
            message=f"{named} ended the process that watches {deaths} times in a row and is not run any more.",
            remedy=f"Update or uninstall the package, or change or disable the profile '{draft.name}'; then it is run again.",
        )
    try:
        with _noted(note, deaths):
            backend = instances.ready(draft).backend
            health: Health = instances.run_alone(lambda: calls.call(backend, "health", timeout=deadline))
    except BackendError as error:
        return Result(status="fail", message=f"{named}: {redact(error.message)[:500]}", remedy=error.remedy[:500])
    return _result(health, named)


def _result(health: Health, named: str) -> Result:
    status, data = health.status, health.data
    if status not in ("ok", "warn", "fail") or not isinstance(data, Mapping):
        return Result(status="fail", message=f"{named} gave a Health that the contract does not know.")
    figures = {
        str(name)[:60]: float(value)
        for name, value in list(data.items())[:MOST_FIGURES]
        if isinstance(value, int | float) and math.isfinite(value)
    }
    return Result(
        status=status,
        message=redact(str(health.detail))[:500] or ("It is well." if status == "ok" else f"{named} says {status}."),
        remedy=redact(str(health.remedy))[:500],
        data=figures,
    )


def _file(note: str) -> Path:
    return Path(settings.DATA_DIR) / "run" / "checks" / re.sub(r"[^\w.-]", "_", note)


def _deaths(note: str) -> int:
    """How many times in a row the process ended during a look."""
    try:
        return int(_file(note).read_text())
    except (OSError, ValueError):
        return 0


@contextmanager
def _noted(note: str, deaths: int) -> Iterator[None]:
    file = _file(note)
    # A full disk must not keep anything from being looked at.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(deaths + 1))
    try:
        yield
    finally:
        # Reached whatever it raises, only not when the process is gone.
        with suppress(OSError):
            file.unlink(missing_ok=True)
