"""Checks of the file storage and of the models."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from aiwriter.core.clamd import Clamd, ClamdError
from aiwriter.core.errors import AppError
from aiwriter_sdk import BackendError
from apps.backends.models import BackendProfile, ModelCall, Route, StoredBlob
from apps.backends.selectors.routes import route_for
from apps.backends.services import blobs
from apps.backends.services.filestore import default_storage_profile
from apps.backends.services.inspection import scanner
from apps.backends.services.probing import round_trip
from apps.monitoring.services.checks import Result, check

LOOKED_BACK = dt.timedelta(minutes=15)
FEW_FAILURES, FAILURE_SHARE = 3, 0.3


@check("file_storage", title="File storage", interval=15, deadline=8, severity="required")
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


@check("malware_scanner", title="Malware scanner", interval=60, deadline=8)
def malware_scanner() -> Result:
    """Whether the ClamAV daemon answers and its signatures are fresh; nothing is asked where none is set up."""
    daemon = scanner()
    if daemon is None:
        return Result(status="ok", message="None is set up.")
    refuses = settings.CLAMD_WHEN_DOWN == "refuse"
    meanwhile = "Uploads are refused meanwhile." if refuses else "Uploads are taken in without inspection meanwhile."
    try:
        # Both questions within the check's own time.
        quick = Clamd(daemon.address, min(daemon.seconds, 3.0))
        quick.ping()
        version = quick.version()
    except ClamdError as error:
        return Result(
            status="fail",
            message=f"clamd cannot be used: {error}. {meanwhile}",
            remedy="Start it, or correct AIWRITER_CLAMD.",
        )
    if version.made_at is None:
        return Result(
            status="warn",
            message=f"{version.engine} does not say how old its signatures are.",
            remedy="Let freshclam fetch the official signatures.",
        )
    age = timezone.now() - version.made_at
    if age > dt.timedelta(days=settings.CLAMD_SIGNATURE_DAYS):
        return Result(
            status="warn",
            message=f"The signatures of {version.engine} are {age.days} days old.",
            remedy="Look at freshclam: it has not fetched newer ones.",
            data={"signature_days": float(age.days)},
        )
    return Result(
        status="ok",
        message=f"{version.engine} answers, with signatures {version.signatures} of {version.made_at:%Y-%m-%d}.",
        data={"signature_days": float(age.days)},
    )


@check("model_route", title="Models", interval=60, deadline=5)
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


@check("providers", title="Model providers", interval=30, deadline=5)
def providers() -> Result:
    """How the calls of the last quarter of an hour went, backend by backend. Nothing is asked."""
    since = timezone.now() - LOOKED_BACK
    rows = (
        ModelCall.objects.filter(started_at__gte=since)
        .order_by()
        .values("profile_name")
        .annotate(
            calls=Count("id", filter=Q(state__in=("succeeded", "failed", "abandoned"))),
            wrong=Count("id", filter=Q(state__in=("failed", "abandoned"))),
        )
    )
    bad, calls, wrong = [], 0, 0
    for row in rows:
        calls, wrong = calls + row["calls"], wrong + row["wrong"]
        if row["wrong"] >= FEW_FAILURES and row["wrong"] > row["calls"] * FAILURE_SHARE:
            bad.append(f"{row['profile_name']} ({row['wrong']} of {row['calls']})")
    data = {"calls": float(calls), "failed": float(wrong)}
    if bad:
        return Result(
            status="warn",
            message=f"Many calls failed within 15 minutes: {', '.join(bad)}.",
            remedy="Look at the last errors of the backend in the console; another one of the route answers meanwhile.",
            data=data,
        )
    return Result(status="ok", message=f"{wrong} of {calls} calls failed within 15 minutes.", data=data)
