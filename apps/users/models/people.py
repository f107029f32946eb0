"""People and service accounts."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.functional import cached_property
from django.utils.timezone import now

from aiwriter.core.ids import uuid7
from apps.users.models import capabilities, grants


def validate_timezone(name: str) -> None:
    """Refuse a time zone that the system does not know."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError("'%(name)s' is not a time zone. Use a name like Europe/Berlin.", params={"name": name})


class UserQuerySet(models.QuerySet["User"]):
    """Questions about accounts."""

    def active(self) -> Self:
        """Those that may act."""
        return self.filter(status=User.Status.ACTIVE)


class UserManager(BaseUserManager["User"]):
    """Finds people by address, whatever its case."""

    def get_queryset(self) -> UserQuerySet:
        """The account questions."""
        return UserQuerySet(self.model, using=self._db)

    def get_by_natural_key(self, username: str | None) -> User:
        """The account of an e-mail address."""
        return self.get(email=(username or "").strip().lower())


def short_name(full_name: str, email: str) -> str:
    """The first word of a name; without one, the first part of the e-mail address."""
    return (full_name.split() or [email.partition("@")[0]])[0]


class User(AbstractBaseUser):
    """A person, or a program that acts by its tokens only.

    E-mail addresses are kept in lower case and the database refuses others, so that one plain unique index settles
    who owns an address. Permissions come from roles (`apps.users.selectors.access`), never from this row.
    """

    class Kind(models.TextChoices):
        HUMAN = "human", "Person"
        SERVICE = "service", "Service account"

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("e-mail address", unique=True, max_length=254)
    full_name = models.CharField("name", max_length=150, blank=True)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.HUMAN)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    is_emergency = models.BooleanField(
        "emergency account",
        default=False,
        help_text="Keeps its password when people sign in through a provider only. Its use is told to all administrators.",
    )
    locale = models.CharField("language", max_length=12, default="en")
    timezone = models.CharField("time zone", max_length=64, default="UTC", validators=[validate_timezone])
    last_seen_day = models.DateField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")),
                name="user_email_lower_case",
                violation_error_message="Write the e-mail address in lower case.",
            ),
            # A service account with a password could be used by a person in a browser, unseen.
            models.CheckConstraint(
                condition=models.Q(kind="human") | models.Q(password__startswith="!"),  # noqa: S106
                name="user_service_has_no_password",
                violation_error_message="A service account has no password; it acts by tokens.",
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email

    def get_full_name(self) -> str:
        """The name to show."""
        return str(self)

    def get_short_name(self) -> str:
        """The first word of the name, for greetings."""
        return short_name(self.full_name, self.email)

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether the account may sign in and act."""
        return self.status == self.Status.ACTIVE

    @cached_property
    def system_roles(self) -> frozenset[str]:
        """System roles that hold now. Cached: a request loads its user anew, services ask `access.can` instead."""
        return frozenset(grant.role for grant in self._system_grants if grant.role)

    @cached_property
    def system_capabilities(self) -> frozenset[str]:
        """What the system roles and what was lent allow."""
        return grants.held_by(self, self._system_grants)

    @cached_property
    def _system_grants(self) -> list[grants.RoleGrant]:
        return list(self.role_grants.live())

    @property
    def is_staff(self) -> bool:
        """Whether the console opens: for holders of a system role, or of a part of one that was lent."""
        return self.is_active and bool(self._system_grants)

    @property
    def is_superuser(self) -> bool:
        """Nobody stands above the roles."""
        return False

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Django's question from the console, "app.action_model", answered by capabilities."""
        app_label, _, codename = perm.partition(".")
        action, _, model = codename.partition("_")
        allowed = capabilities.admin_capabilities(app_label, action, model)
        return self.is_active and not self.system_capabilities.isdisjoint(allowed)

    def has_module_perms(self, app_label: str) -> bool:
        """Whether the console lists an app."""
        return self.is_staff
