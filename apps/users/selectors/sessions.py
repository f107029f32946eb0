"""Browser sessions: from what device, from which network, when last seen."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.clients import network_of
from apps.users.models import User
from apps.users.selectors.access import Actor, require, require_person

# In this order: what stands further down names what stands above it in its own name, too.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),  # codespell:ignore
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A browser in which somebody is signed in. Its key is not among the fields: whoever has it is that person."""

    id: int
    device: str
    network: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    current: bool


def device_of(user_agent: str) -> str:
    """Browser and system in two words, as far as the browser tells: "Firefox on Linux"."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown device"


def open_rows(user: User) -> QuerySet[UserSession]:
    """The rows of a person's sessions that a browser could still use."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    return UserSession.objects.filter(user=user, session_key__in=alive).order_by("-last_seen_at", "-pk")


def own_sessions(*, actor: Actor, current_key: str = "") -> list[OpenSession]:
    """Where the actor is signed in, the last used first.

    Args:
        actor: a person.
        current_key: key of the session that asks.
    """
    return [_shown(row, current_key) for row in open_rows(require_person(actor))]


def sessions_of(*, actor: Actor, user: User) -> list[OpenSession]:
    """Where somebody else is signed in. Needs "users.manage"."""
    require(actor, "users.manage")
    return [_shown(row, "") for row in open_rows(user)]


def _shown(row: UserSession, current_key: str) -> OpenSession:
    return OpenSession(
        row.pk,
        device_of(row.user_agent),
        network_of(row.ip),
        row.created_at,
        row.last_seen_at,
        bool(current_key) and row.session_key == current_key,
    )
