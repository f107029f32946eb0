"""Sessions: what signing in and out leaves behind, and how sessions end."""

from __future__ import annotations

import datetime as dt

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.users.models import User
from apps.users.selectors.access import Actor, require, require_person, require_proof
from apps.users.services import audit
from apps.users.services.notifications import tell_roles

_EMERGENCY = dt.timedelta(hours=1)


def note_sign_in(*, actor: Actor) -> None:
    """Record that a person has signed in; open to whoever just proved to be that person."""
    if actor.user:
        User.objects.filter(pk=actor.user.pk).update(last_seen_day=timezone.now().date())
        audit.record(actor, "session.started", obj=actor.user)


def emergency_end() -> dt.datetime:
    """When a session of an emergency account that begins now ends, in use or not; who needs longer signs in again."""
    return timezone.now() + _EMERGENCY


def note_emergency(*, actor: Actor) -> None:
    """Record that an emergency account was used, and tell every administrator."""
    if actor.user is None:
        return
    audit.record(actor, "session.emergency", obj=actor.user)
    tell_roles(
        ("admin",),
        "session.emergency",
        f"The emergency account {actor.user.email} was used",
        "If nobody of you did, suspend it and look at the record.",
        "/notifications/",
        but=actor.user,
    )


def note_refused_sign_in(*, email: str) -> None:
    """Record that somebody could not sign in.

    Args:
        email: what was typed. It is kept only when it is an account's: people type passwords into the wrong field.
    """
    user = User.objects.filter(email=email.strip().lower()[:254]).first()
    audit.record(Actor.anonymous(), "session.refused", obj=user, outcome="denied")


def note_sign_out(*, actor: Actor) -> None:
    """Record that a person has signed out."""
    if actor.user:
        audit.record(actor, "session.ended", obj=actor.user)


def note_password_change(*, actor: Actor, user: User) -> None:
    """Record that a person has changed or reset their own password."""
    audit.record(actor, "user.password_changed", obj=user)


def end_own_session(*, actor: Actor, session_id: int) -> None:
    """End one of the actor's own sessions; its browser is signed out with its next request.

    Raises:
        NotFound: the actor has no such session.
    """
    person = require_person(actor)
    if not _end(actor, person, UserSession.objects.filter(user=person, pk=session_id), "by its person"):
        raise NotFound("You have no such session.", remedy="List your sessions again; it may have ended.")


def end_own_sessions(*, actor: Actor, except_key: str = "") -> int:
    """End the actor's sessions, all but one.

    Args:
        actor: a person.
        except_key: key of the session that asks, which stays.

    Returns:
        how many have ended.
    """
    person = require_person(actor)
    rows = UserSession.objects.filter(user=person).exclude(session_key=except_key)
    return _end(actor, person, rows, "by its person")


def end_sessions(*, actor: Actor, user: User, reason: str) -> int:
    """Sign somebody out everywhere.

    Args:
        actor: needs "users.manage".
        user: whom.
        reason: for the audit record.

    Returns:
        how many sessions have ended.
    """
    require(actor, "users.manage")
    require_proof(actor)
    return close_all(actor=actor, user=user, reason=reason)


def close_all(*, actor: Actor, user: User, reason: str) -> int:
    """End every session of a person. For services that have asked for permission already.

    Sessions live in the database and are read with every request, so the end is seen at once, by every process.
    """
    return _end(actor, user, UserSession.objects.filter(user=user), reason)


def _end(actor: Actor, user: User, rows: object, reason: str) -> int:
    chosen: dict[int, str] = dict(rows.values_list("pk", "session_key"))  # type: ignore[attr-defined]
    if not chosen:
        return 0
    with transaction.atomic():
        Session.objects.filter(session_key__in=chosen.values()).delete()
        UserSession.objects.filter(pk__in=chosen).delete()
        audit.record(actor, "session.closed", obj=user, reason=reason, after={"sessions": len(chosen)})
    return len(chosen)
