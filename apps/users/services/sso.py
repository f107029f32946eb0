"""Identity providers: set up, changed, removed; what their groups are worth; whether there is another door."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.models import SocialAccount
from cryptography import x509
from django.db import IntegrityError, transaction

from aiwriter.core.egress_requests import get_json
from aiwriter.core.errors import Conflict, Detail, InvalidInput, Unavailable
from apps.users.models import Group, Membership, RoleGrant, RoleRule, SignInMode, SignInProvider, User, Workspace
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services import audit, identities, sealing

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_FIELDS = (
    "name",
    "enabled",
    "issuer",
    "client_id",
    "sso_url",
    "certificate",
    "groups_claim",
    "creates_accounts",
    "domains",
    "counts_as_factor",
)


def create_provider(
    *, actor: Actor, kind: str, slug: str, name: str, secret: str = "", **values: Any
) -> SignInProvider:
    """Set up a provider. An OpenID Connect provider is asked for its description first.

    Args:
        actor: needs "users.manage".
        kind: "oidc" or "saml".
        slug: stands in the addresses that the provider is told; cannot be changed.
        name: as the button says it.
        secret: OpenID Connect: the client's secret. Stored sealed, shown nowhere.
        values: issuer, client_id, sso_url, certificate, groups_claim, creates_accounts, domains, counts_as_factor, enabled.

    Raises:
        InvalidInput: one detail for every wrong field.
        Unavailable: the provider does not answer.
        Conflict: the slug is taken.
    """
    require(actor, "users.manage")
    require_proof(actor)
    provider = SignInProvider(kind=kind, slug=slug.strip().lower(), name=name)
    _fill(provider, values)
    if secret:
        sealing.seal_into(provider, "secret_sealed", secret)
    _check(provider)
    _discover(provider)
    try:
        with transaction.atomic():
            provider.save(force_insert=True)
            audit.record(actor, "sign_in_provider.created", obj=provider, after=_state(provider))
    except IntegrityError as error:
        raise Conflict(f"A provider '{slug}' exists already.", field="slug", remedy="Choose another.") from error
    return provider


def update_provider(
    *, actor: Actor, provider: SignInProvider, secret: str | None = None, **values: Any
) -> SignInProvider:
    """Change a provider.

    Args:
        actor: needs "users.manage".
        provider: which.
        secret: None leaves it.
        values: as for `create_provider`.

    Raises:
        Conflict: the issuer would change while people come through it: the other issuer's subjects are other people.
        InvalidInput, Unavailable: as for `create_provider`.
    """
    require(actor, "users.manage")
    require_proof(actor)
    before, issuer = _state(provider), provider.issuer
    _fill(provider, values)
    if provider.issuer != issuer and SocialAccount.objects.filter(provider=provider.slug).exists():
        raise Conflict(
            "People come through this issuer already; another one's subjects are other people.",
            field="issuer",
            remedy="Set up a second provider, and have people connect it.",
        )
    if secret is not None:
        sealing.seal_into(provider, "secret_sealed", secret)
    _check(provider)
    _discover(provider)
    with transaction.atomic():
        provider.save()
        if not provider.enabled:
            _refuse_closing_last_door()
        after = {**_state(provider), **({"secret": "set anew"} if secret is not None else {})}
        audit.record(actor, "sign_in_provider.changed", obj=provider, before=before, after=after)
    return provider


def delete_provider(*, actor: Actor, provider: SignInProvider) -> None:
    """Remove a provider, and with it every role that its groups have given. The actor needs "users.manage".

    Raises:
        Conflict: nobody could sign in any more.
    """
    require(actor, "users.manage")
    require_proof(actor)
    with transaction.atomic():
        comers = list(SocialAccount.objects.filter(provider=provider.slug).values_list("user_id", flat=True))
        audit.record(actor, "sign_in_provider.deleted", obj=provider, before=_state(provider))
        # A group that it filled stays, and from here on people fill it.
        Group.objects.filter(provider=provider).update(provider_group="")
        for user in User.objects.filter(pk__in=comers):
            identities.settle(provider, user, set())
        SocialAccount.objects.filter(provider=provider.slug).delete()
        provider.delete()
        _refuse_closing_last_door()


def add_rule(
    *, actor: Actor, provider: SignInProvider, group: str, role: str, workspace: Workspace | None = None
) -> RoleRule:
    """Say what a group at the provider is worth here; it counts from each person's next sign-in on.

    Args:
        actor: needs "users.manage".
        provider: whose group.
        group: as the provider names it.
        role: "writer" or "editor" of the workspace, or without one "operator", "auditor", "admin".
        workspace: where.

    Raises:
        InvalidInput: a role that does not belong there, or no group.
        Conflict: the group has a rule for this already.
    """
    require(actor, "users.manage")
    require_proof(actor)
    group = group.strip()
    if not group:
        raise InvalidInput("A rule is about a group.", field="group", remedy="Write it as the provider names it.")
    fitting = Membership.Role.values if workspace else RoleGrant.Role.values
    if role not in fitting:
        raise InvalidInput(
            f"'{role}' is no role {'of a workspace' if workspace else 'of the portal'}.",
            field="role",
            remedy=f"Use {', '.join(fitting)}{'' if workspace else ', or choose a workspace'}.",
        )
    try:
        with transaction.atomic():
            rule = RoleRule.objects.create(provider=provider, group=group, workspace=workspace, role=role)
            audit.record(actor, "role_rule.added", obj=rule, workspace=workspace, after=_rule(rule))
    except IntegrityError as error:
        raise Conflict(f"The group '{group}' has a rule for this already.", field="group") from error
    return rule


def remove_rule(*, actor: Actor, rule: RoleRule) -> None:
    """Take a rule away; what it gave is gone with each person's next sign-in. The actor needs "users.manage"."""
    require(actor, "users.manage")
    require_proof(actor)
    with transaction.atomic():
        audit.record(actor, "role_rule.removed", obj=rule, workspace=rule.workspace, before=_rule(rule))
        rule.delete()


def set_mode(*, actor: Actor, providers_only: bool) -> SignInMode:
    """Say whether people may still sign in without a provider.

    Args:
        actor: needs "users.manage".
        providers_only: True: passwords and passkeys open nothing, but for the emergency accounts.

    Raises:
        Conflict: no provider is in use, or no emergency account could come to the rescue.
    """
    require(actor, "users.manage")
    require_proof(actor)
    with transaction.atomic():
        if providers_only:
            _require_doors()
        mode, _ = SignInMode.objects.update_or_create(
            pk=1, defaults={"providers_only": providers_only, "set_by": actor.user}
        )
        audit.record(actor, "sign_in_mode.set", obj=mode, after={"providers_only": providers_only})
    return mode


def set_emergency(*, actor: Actor, user: User, on: bool, reason: str) -> User:
    """Make an administrator's account one for emergencies, or an ordinary one again.

    Args:
        actor: needs "users.manage".
        user: an administrator with a password.
        on: which.
        reason: where its password lies, for example.

    Raises:
        InvalidInput: no reason.
        Conflict: it is no administrator's, or the last one while passwords are closed.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if not reason.strip():
        raise InvalidInput("This needs a reason.", field="reason", remedy="Say where its password is kept.")
    if on and not (user.has_usable_password() and RoleGrant.objects.live().filter(user=user, role="admin").exists()):
        raise Conflict("An emergency account is an administrator's and has a password.", remedy="Give it both first.")
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_emergency=on)
        _refuse_closing_last_door()
        audit.record(actor, "user.emergency_set", obj=user, reason=reason, after={"emergency": on})
    user.refresh_from_db()
    return user


def reveal_secret(provider: SignInProvider) -> str:
    """The client's secret, for speaking with the provider. For the code that does so only."""
    return sealing.open_sealed(provider, "secret_sealed")


def _fill(provider: SignInProvider, values: dict[str, Any]) -> None:
    if unknown := set(values) - set(_FIELDS):
        raise InvalidInput("This cannot be set.", field=min(unknown))
    for name, value in values.items():
        setattr(provider, name, value.strip() if isinstance(value, str) else value)
    provider.domains = sorted({str(domain).strip().lower().lstrip("@") for domain in provider.domains})


def _check(provider: SignInProvider) -> None:
    wrong: list[Detail] = []
    if provider.kind not in SignInProvider.Kind.values:
        wrong.append(Detail("kind", f"'{provider.kind}' is no kind.", "Use oidc or saml."))
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", provider.slug) or provider.slug in SignInProvider.Kind.values:
        wrong.append(
            Detail(
                "slug",
                "This cannot stand in an address.",
                "Use lower-case letters, digits and hyphens, for example your organisation's name.",
            )
        )
    if not provider.name:
        wrong.append(Detail("name", "It needs a name.", "It stands on the button."))
    if not provider.issuer:
        wrong.append(Detail("issuer", "It needs an issuer.", "The provider states it in its description."))
    if provider.kind == SignInProvider.Kind.OIDC:
        if not _is_address(provider.issuer):
            wrong.append(Detail("issuer", "This is no https address.", "Write it as the provider states it."))
        if not provider.client_id:
            wrong.append(Detail("client_id", "It needs the client's id.", "The provider gives it when you register."))
    elif provider.kind == SignInProvider.Kind.SAML:
        if not _is_address(provider.sso_url):
            wrong.append(Detail("sso_url", "This is no https address.", "It stands in the provider's metadata."))
        if not _is_certificate(provider.certificate):
            wrong.append(Detail("certificate", "This is no certificate.", "Paste it as PEM, from BEGIN to END."))
    wrong += [
        Detail("domains", f"'{domain}' is no domain.", "Write it like example.org.")
        for domain in provider.domains
        if not _DOMAIN.fullmatch(domain)
    ]
    if provider.creates_accounts and not provider.domains:
        wrong.append(Detail("domains", "Say whose addresses get accounts.", "Name at least one domain."))
    if wrong:
        first = wrong[0]
        raise InvalidInput(first.issue, field=first.field, remedy=first.remedy, details=wrong)


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    on_this_machine = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and on_this_machine))


def _is_certificate(text: str) -> bool:
    try:
        x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        return False
    return True


def _discover(provider: SignInProvider) -> None:
    """Ask an OpenID Connect provider who it is, and remember where its sign-in page lies."""
    if provider.kind == SignInProvider.Kind.SAML:
        provider.authorization_origin = _origin(provider.sso_url)
        return
    address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        found = get_json(address)
        stated, page = str(found["issuer"]), str(found["authorization_endpoint"])
        # Many give the claim "groups" for a scope of that name only, and refuse scopes that they do not know.
        more = [name for name in ("groups",) if name in (found.get("scopes_supported") or ())]
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"{address} does not describe a provider: {error}", field="issuer", remedy="Check the issuer's address."
        ) from error
    if stated.rstrip("/") != provider.issuer.rstrip("/"):
        raise InvalidInput(
            f"The provider calls itself {stated}.", field="issuer", remedy="Write the issuer as it states it."
        )
    provider.issuer, provider.scopes = stated, " ".join(["openid", "profile", "email", *more])
    provider.authorization_origin = _origin(page)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _require_doors() -> None:
    if not SignInProvider.objects.filter(enabled=True).exists():
        raise Conflict("No provider is in use; nobody could sign in.", remedy="Set one up first.")
    rescue = RoleGrant.objects.live().filter(role="admin", user__is_emergency=True, user__status="active")
    if not any(grant.user.has_usable_password() for grant in rescue.select_related("user")):
        raise Conflict(
            "No emergency account could come to the rescue when the provider is away.",
            remedy="Make an administrator's account one, and keep its password in a safe.",
        )


def _refuse_closing_last_door() -> None:
    if SignInMode.current().providers_only:
        _require_doors()


def _state(provider: SignInProvider) -> dict[str, Any]:
    state = {name: getattr(provider, name) for name in ("kind", "slug", *_FIELDS) if name != "certificate"}
    return {**state, "certificate": bool(provider.certificate)}


def _rule(rule: RoleRule) -> dict[str, Any]:
    return {"provider": rule.provider.slug, "group": rule.group, "role": rule.role, "workspace": rule.workspace_id}
