"""Accounts: made, changed, suspended."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from aiwriter.core.errors import Conflict, Detail, InvalidInput
from apps.users.models import ApiToken, RoleGrant, User
from apps.users.models.people import validate_timezone
from apps.users.selectors.access import Actor, require, require_person, require_proof
from apps.users.services import audit, elevations, sessions


def create_user(
    *,
    actor: Actor,
    email: str,
    full_name: str = "",
    password: str | None = None,
    kind: str = User.Kind.HUMAN,
) -> User:
    """Make an account.

    Args:
        actor: needs "users.manage".
        email: any case; kept in lower case.
        full_name: as the person writes it.
        password: None makes an account that cannot sign in until somebody sets one.
        kind: "human" or "service"; a service account has no password.

    Raises:
        InvalidInput: the address or the password cannot be used.
        Conflict: the address has an account.
    """
    require(actor, "users.manage")
    require_proof(actor)
    user = User(email=clean_email(email), full_name=full_name.strip(), kind=kind)
    if password is None:
        user.set_unusable_password()
    elif kind == User.Kind.SERVICE:
        raise InvalidInput("A service account has no password.", field="password", remedy="Make an API token for it.")
    else:
        check_password_rules(password, user)
        user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            _keep_address(user)
            audit.record(actor, "user.created", obj=user, after={"email": user.email, "kind": user.kind})
    except IntegrityError as error:
        raise Conflict(
            f"{user.email} has an account already.", field="email", remedy="Use another address or that account."
        ) from error
    return user


def update_profile(*, actor: Actor, **changes: Any) -> User:
    """Change one's own name, language or time zone.

    Args:
        actor: a signed-in person.
        changes: full_name, locale, timezone; others are refused.

    Raises:
        InvalidInput: a value cannot be used.
        NotAuthenticated: nobody is signed in.
    """
    user = require_person(actor)
    unknown = set(changes) - {"full_name", "locale", "timezone"}
    if unknown:
        raise InvalidInput("This cannot be changed here.", field=min(unknown))
    if "timezone" in changes:
        try:
            validate_timezone(changes["timezone"])
        except ValidationError as error:
            raise InvalidInput(error.messages[0], field="timezone") from error
    return _change(actor, user, changes)


def update_user(*, actor: Actor, user: User, full_name: str | None = None, email: str | None = None) -> User:
    """Change somebody's name or address.

    Args:
        actor: needs "users.manage".
        user: whose.
        full_name, email: None leaves it.

    Raises:
        InvalidInput, Conflict: as for `create_user`.
    """
    require(actor, "users.manage")
    require_proof(actor)
    changes: dict[str, Any] = {}
    if full_name is not None:
        changes["full_name"] = full_name.strip()
    if email is not None:
        changes["email"] = clean_email(email)
    try:
        with transaction.atomic():
            changed = _change(actor, user, changes)
            if email is not None:
                _confirm_address(changed)
            return changed
    except IntegrityError as error:
        raise Conflict(f"{email} has an account already.", field="email", remedy="Use another address.") from error


def suspend_user(*, actor: Actor, user: User, reason: str) -> User:
    """Stop an account at once: sessions end and tokens are revoked, for good.

    Args:
        actor: needs "users.manage"; nobody suspends themselves.
        user: whom.
        reason: for the audit record.

    Raises:
        Conflict: it is one's own account or the last administrator's.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if actor.user_id == user.pk:
        raise Conflict("You cannot suspend your own account.", remedy="Ask another administrator.")
    with transaction.atomic():
        refuse_losing_last_admin(user)
        changed = User.objects.filter(pk=user.pk).exclude(status=User.Status.SUSPENDED)
        if changed.update(status=User.Status.SUSPENDED):
            audit.record(actor, "user.suspended", obj=user, reason=reason)
            # All of it is refused from now on because the account is; it must not come back to life with it.
            elevations.end_all_of(actor=actor, user=user, reason="the account was suspended")
            sessions.close_all(actor=actor, user=user, reason="the account was suspended")
            tokens = ApiToken.objects.filter(user=user, enabled=True)
            for key_id in list(tokens.values_list("key_id", flat=True)):
                audit.record(
                    actor, "token.revoked", obj=user, reason="the account was suspended", after={"key": key_id}
                )
            tokens.update(enabled=False)
    user.refresh_from_db()
    return user


def reactivate_user(*, actor: Actor, user: User, reason: str = "") -> User:
    """Make a suspended account active again. The actor needs "users.manage"."""
    require(actor, "users.manage")
    require_proof(actor)
    with transaction.atomic():
        if User.objects.filter(pk=user.pk).exclude(status=User.Status.ACTIVE).update(status=User.Status.ACTIVE):
            audit.record(actor, "user.reactivated", obj=user, reason=reason)
    user.refresh_from_db()
    return user


def set_password(*, actor: Actor, user: User, password: str) -> User:
    """Set somebody's password; all their sessions end, because each carries a digest of the old one.

    Args:
        actor: needs "users.manage".
        user: whose.
        password: the new one.

    Raises:
        InvalidInput: the password is too weak, or it is a service account.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if user.kind == User.Kind.SERVICE:
        raise InvalidInput("A service account has no password.", field="password", remedy="Make an API token for it.")
    check_password_rules(password, user)
    user.set_password(password)
    with transaction.atomic():
        user.save(update_fields=["password", "updated_at"])
        audit.record(actor, "user.password_set", obj=user)
    return user


def check_password_rules(password: str, user: User | None = None) -> None:
    """Refuse a weak password.

    Raises:
        InvalidInput: with every rule that it breaks.
    """
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(
            "This password cannot be used.",
            field="password",
            remedy="Use at least 12 characters, for example four words.",
            details=[Detail("password", message) for message in error.messages],
        ) from error


def clean_email(email: str) -> str:
    """An address in lower case.

    Raises:
        InvalidInput: it is none.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInput(
            f"'{email}' is not an e-mail address.", field="email", remedy="Write it like name@example.org."
        ) from error
    return email


def refuse_losing_last_admin(user: User, grant: RoleGrant | None = None) -> None:
    """Keep the portal from losing its last administrator. Call it inside the transaction that takes one away.

    Args:
        user: who would not be one any more.
        grant: the one grant that goes; None: all of theirs.

    Raises:
        Conflict: nobody else is an administrator.
    """
    # Locks every administrator's grant: two administrators who take each other away at the same moment must not both
    # see the other one still there. Who is active is asked after the lock was got: PostgreSQL would answer the locking
    # statement itself from before the wait, where an account that was suspended meanwhile is active.
    # One to whom the role was lent, or who has only a part of it left, is not there to mend things tomorrow.
    admins = RoleGrant.objects.live().filter(role=RoleGrant.Role.ADMIN, elevation=None, only__isnull=True)
    list(admins.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    active = admins.filter(user__status=User.Status.ACTIVE)
    left = active.exclude(pk=grant.pk) if grant else active.exclude(user=user)
    if not left.exists() and active.filter(user=user).exists():
        raise Conflict(f"{user} is the last administrator.", remedy="Make somebody else an administrator first.")


def _change(actor: Actor, user: User, changes: dict[str, Any]) -> User:
    before = {name: getattr(user, name) for name in changes}
    if before == changes:
        return user
    for name, value in changes.items():
        setattr(user, name, value)
    with transaction.atomic():
        user.save(update_fields=[*changes, "updated_at"])
        audit.record(actor, "user.updated", obj=user, before=before, after=changes)
    return user


def _confirm_address(user: User) -> None:
    EmailAddress.objects.filter(user=user).delete()
    _keep_address(user)


def _keep_address(user: User) -> None:
    # allauth asks this table when a password is confirmed again or two-factor sign-in is set up. An administrator
    # gave the address, so it counts as confirmed.
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
