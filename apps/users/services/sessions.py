"""What signing in and out leaves behind."""

from __future__ import annotations

from django.utils import timezone

from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.services import audit


def note_sign_in(*, actor: Actor) -> None:
    """Record that a person has signed in; open to whoever just proved to be that person."""
    if actor.user:
        User.objects.filter(pk=actor.user.pk).update(last_seen_day=timezone.now().date())
        audit.record(actor, "session.started", obj=actor.user)


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
