"""Leaves a backend alone that fails: cool-downs stand in the database, so every process knows what one found out."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

from django.db.models import Q, QuerySet
from django.utils import timezone

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    Cancelled,
    ConfigInvalid,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    Unsupported,
)
from apps.backends.models import BackendProfile
from apps.backends.selectors.profiles import ProfileView
from apps.users.services.notifications import tell_roles

log = logging.getLogger(__name__)

FAILURES = 3
FIRST = dt.timedelta(seconds=15)
LONGEST = dt.timedelta(minutes=10)
# Only an operator can mend these, so asking again soon costs time and, with some providers, the account.
OPERATOR = dt.timedelta(minutes=15)
OPERATOR_ERRORS = (AuthFailed, ConfigInvalid, QuotaExceeded)
# The request was at fault, or the writer stopped it; the backend answered, so it works.
REQUEST_ERRORS = (Cancelled, InvalidRequest, NotFound, Refused, Unsupported)


def note_success(profile: ProfileView) -> None:
    """The backend worked. Writes only when there is a failure to take back."""
    if profile.failures or profile.cooldown_until:
        _clear(BackendProfile.objects.filter(pk=profile.id).filter(Q(failures__gt=0) | Q(cooldown_until__isnull=False)))


def clear(profile_id: uuid.UUID) -> None:
    """Forget failures and cool-down, after a test that passed."""
    _clear(BackendProfile.objects.filter(pk=profile_id))


def note_failure(profile: ProfileView, error: BackendError) -> None:
    """The backend failed: count it, and begin a cool-down where the error asks for one.

    Of several processes that see the same outage each counts its own failure; that only makes the cool-down begin sooner.
    A profile that was changed meanwhile is left alone: its new settings have not failed.
    """
    if isinstance(error, REQUEST_ERRORS):
        return
    row = BackendProfile.objects.filter(pk=profile.id, revision=profile.revision)
    current = row.values_list("failures", "cooldown_until").first()
    if current is None:
        return
    failures = current[0] + 1
    pause = pause_after(error, failures)
    if pause is None:
        row.update(failures=failures)
        return
    now = timezone.now()
    until = now + pause
    previous = current[1] or now
    was_cooling = previous > now
    row.update(
        failures=failures,
        # A late report of a call that began earlier must not shorten what is decided already.
        cooldown_until=max(until, previous),
        cooldown_kind=error.kind,
        cooldown_reason=error.message[:1000],
    )
    log.warning("backend %s is left alone for %d s: %s", profile.name, pause.total_seconds(), error.kind)
    if isinstance(error, OPERATOR_ERRORS) and not was_cooling:
        _tell_operators(profile, error)


def pause_after(error: BackendError, failures: int) -> dt.timedelta | None:
    """How long to leave a backend alone.

    Args:
        error: the newest.
        failures: in a row, this one counted.

    Returns:
        None while it may be asked again at once.
    """
    if isinstance(error, OPERATOR_ERRORS):
        return OPERATOR
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return min(dt.timedelta(seconds=error.retry_after), LONGEST)
    if failures < FAILURES:
        return None
    # Bounded before it is raised to a power: a backend may be down for weeks.
    return min(FIRST * 2 ** min(failures - FAILURES, 10), LONGEST)


def _clear(rows: QuerySet[BackendProfile]) -> None:
    rows.update(failures=0, cooldown_until=None, cooldown_kind="", cooldown_reason="")


def _tell_operators(profile: ProfileView, error: BackendError) -> None:
    tell_roles(
        ("operator",),
        "backend.needs_attention",
        f"The backend {profile.name} needs you.",
        f"{error.message} {error.remedy}".strip(),
        f"/admin/backends/backendprofile/{profile.id}/change/",
    )
