"""Sign-in through an organisation's identity provider (OpenID Connect, SAML)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.users.models.grants import RoleGrant
from apps.users.models.workspaces import Membership, Workspace


class SignInProvider(models.Model):
    """An identity provider that people may come through.

    Who somebody is there is settled by issuer and subject, never by an e-mail address: the provider of one organisation
    must not be able to say that it is somebody of another.
    """

    class Kind(models.TextChoices):
        OIDC = "oidc", "OpenID Connect"
        SAML = "saml", "SAML 2.0"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=4, choices=Kind.choices)
    slug = models.SlugField(max_length=40, unique=True, help_text="Stands in the addresses that the provider is told.")
    name = models.CharField(max_length=60, help_text="As the button says it.")
    enabled = models.BooleanField(default=True)
    issuer = models.CharField(
        max_length=500, help_text="OpenID Connect: the issuer's address. SAML: the provider's entity id."
    )
    client_id = models.CharField(max_length=200, blank=True, help_text="OpenID Connect only.")
    secret_sealed = models.TextField(blank=True, editable=False)
    sso_url = models.CharField(max_length=500, blank=True, help_text="SAML only: where sign-in begins.")
    certificate = models.TextField(blank=True, help_text="SAML only: with what the provider signs, as PEM.")
    scopes = models.CharField(max_length=200, default="openid profile email", editable=False)
    authorization_origin = models.CharField(max_length=300, blank=True, editable=False)
    groups_claim = models.CharField(
        max_length=200, default="groups", help_text="Claim or attribute that names the person's groups."
    )
    creates_accounts = models.BooleanField(
        default=False, help_text="Whoever comes with a confirmed address of one of the domains gets an account."
    )
    domains = models.JSONField(default=list, blank=True, help_text="Domains of addresses, for new accounts.")
    counts_as_factor = models.BooleanField(
        default=False, help_text="The provider asks for a second factor itself, so rules about those are fulfilled."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "sign-in provider"
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=["oidc", "saml"]), name="sign_in_provider_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_secret(self) -> bool:
        """Whether a secret is stored; it is shown nowhere."""
        return bool(self.secret_sealed)


class RoleRule(models.Model):
    """Whoever is in a group at the provider has a role here, for as long as the provider says so."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(SignInProvider, on_delete=models.CASCADE, related_name="rules")
    group = models.CharField(max_length=200)
    workspace = models.ForeignKey(Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=8, choices=[*Membership.Role.choices, *RoleGrant.Role.choices])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["provider", "group"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "group", "workspace"],
                condition=models.Q(workspace__isnull=False),
                name="role_rule_once_per_workspace",
            ),
            models.UniqueConstraint(
                fields=["provider", "group", "role"],
                condition=models.Q(workspace__isnull=True),
                name="role_rule_once_in_the_portal",
            ),
            models.CheckConstraint(
                condition=models.Q(workspace__isnull=False, role__in=["writer", "editor"])
                | models.Q(workspace__isnull=True, role__in=["operator", "auditor", "admin"]),
                name="role_rule_role_where_it_belongs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.role}"


class SignInMode(models.Model):
    """The one row that says whether people may still sign in without a provider."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    providers_only = models.BooleanField(
        default=False, help_text="Only through a provider; the emergency account keeps its password."
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="sign_in_mode_one_row")]

    def __str__(self) -> str:
        return "providers only" if self.providers_only else "passwords too"

    @classmethod
    def current(cls) -> Any:
        """The row, or one with the defaults."""
        return cls.objects.first() or cls()
