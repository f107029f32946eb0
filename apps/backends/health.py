"""Checks of the file storage and of the models."""

from __future__ import annotations

from django.utils import timezone

from aiwriter.core.errors import AppError
from aiwriter_sdk import BackendError
from apps.backends.models import BackendProfile, Route, StoredBlob
from apps.backends.selectors.routes import route_for
from apps.backends.services import blobs
from apps.backends.services.filestore import default_storage_profile
from apps.backends.services.probing import round_trip
from apps.monitoring.services.checks import Result, check


@check(
    "file_storage", title="File storage", interval=60, deadline=10, severity="required", runbook="operators/backends"
)
def file_storage() -> Result:
    """Whether a file can be written, read and deleted."""
    try:
        profile = default_storage_profile()
        place = blobs.open_storage(profile)
        round_trip(place.backend)
    except AppError as error:
        return Result(status="fail", message=error.message, remedy=error.remedy)
    except BackendError as error:
        return Result(
            status="fail",
            message=f"'{profile.name}' failed: {error.message}",
            remedy=error.remedy or "Test the profile in the console.",
        )
    except OSError as error:
        return Result(
            status="fail",
            message=f"'{profile.name}' cannot be written: {error.strerror}.",
            remedy="Make space, or give the portal's user the right to write there.",
        )
    if damaged := StoredBlob.objects.filter(damaged_at__isnull=False).count():
        return Result(
            status="warn",
            message=f"{damaged} stored files are damaged or missing.",
            remedy="Find them in the console under stored blobs, and restore them from a backup.",
            data={"damaged": damaged},
        )
    return Result(status="ok", message=f"'{profile.name}' writes, reads and deletes.")


@check("model_route", title="Models", interval=60, deadline=5, runbook="operators/backends")
def model_route() -> Result:
    """Whether every purpose has a backend that may be asked now. Nothing is asked."""
    empty: list[str] = []
    paused: list[str] = []
    for purpose, label in Route.Purpose.choices:
        steps = route_for(purpose, None)
        if not steps:
            empty.append(label)
        elif all(step.profile.cooling for step in steps):
            paused.append(label)
    if empty:
        return Result(
            status="fail",
            message=f"No enabled backend for: {', '.join(empty)}.",
            remedy="Set one up in the console under Backends and put it into the route.",
        )
    if paused:
        return Result(
            status="fail",
            message=f"Every backend is paused after failures for: {', '.join(paused)}.",
            remedy="Look at the profiles' last errors; a passed test ends the pause.",
        )
    cooling = BackendProfile.objects.enabled().filter(cooldown_until__gt=timezone.now())
    if names := ", ".join(cooling.values_list("name", flat=True)):
        return Result(
            status="warn",
            message=f"Paused after failures, others answer instead: {names}.",
            remedy="Look at the profiles' last errors; a passed test ends the pause.",
        )
    return Result(status="ok", message="Every purpose has a backend.")
