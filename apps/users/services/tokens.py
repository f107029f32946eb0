"""API tokens: made, checked, revoked."""

from __future__ import annotations

import datetime as dt
import hmac
import ipaddress
import secrets
import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from aiwriter.core import keyring
from aiwriter.core.clients import lies_within, network_of
from aiwriter.core.errors import InvalidInput, NotFound, PermissionDenied
from aiwriter_sdk import Secret
from apps.users.models import ApiToken, AuditEvent, User, Workspace
from apps.users.models.capabilities import CAPABILITIES
from apps.users.models.tokens import DEFAULT_DAYS, KEY_PREFIX, MAX_DAYS
from apps.users.selectors.access import Actor, capabilities_of, get_workspace, require, require_proof, require_user
from apps.users.services import audit
from apps.users.services.notifications import notify

_MOST_NETWORKS = 20


def create_token(
    *,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    workspace: Workspace | str | None = None,
    days: int = DEFAULT_DAYS,
    user: User | None = None,
    networks: Sequence[str] = (),
) -> tuple[ApiToken, Secret]:
    """Make a token.

    Args:
        actor: needs "tokens.manage"; for a service account "users.manage".
        name: what it is for.
        scopes: capabilities, of those that its person has.
        workspace: binds it to one workspace; None: all of the person's.
        days: how long it works, 1 to 365.
        user: a service account; None: the actor's own.
        networks: from which it works, "10.8.0.0/24" or one address; none: from anywhere.

    Returns:
        the row and the text to send as `Authorization: Bearer …`, which cannot be read again.

    Raises:
        InvalidInput: the name, a scope, the days or a network cannot be used.
        NotFound: no such workspace of the person.
        PermissionDenied: a token may not make tokens that allow more than itself.
    """
    require(actor, "tokens.manage" if user is None or user.pk == actor.user_id else "users.manage")
    require_proof(actor)
    owner = user or actor.user
    if owner is None:
        raise InvalidInput("A token belongs to an account.", field="user")
    if owner.pk != actor.user_id and owner.kind != User.Kind.SERVICE:
        raise PermissionDenied("Only a person can make tokens for themselves.", remedy="Use a service account.")
    if not name.strip():
        raise InvalidInput("A token needs a name.", field="name", remedy="Say what it is for.")
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(f"A token works 1 to {MAX_DAYS} days.", field="days")
    if actor.token and actor.token.workspace_id and workspace is None:
        workspace = str(actor.token.workspace_id)
    bound = get_workspace(Actor.for_user(owner), workspace) if workspace is not None else None
    # A token of the person's own asks as that token: it cannot hand on what it was not given.
    asker = actor if owner.pk == actor.user_id else Actor.for_user(owner)
    wanted = _clean_scopes(scopes, capabilities_of(asker, workspace=bound))
    places = _clean_networks(networks)
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    raw = f"{KEY_PREFIX}_{key_id}_{secret}"
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=owner,
            workspace=bound,
            name=name.strip()[:80],
            key_id=key_id,
            pepper_id=(pepper := _pepper()),
            digest=_digest(raw, pepper),
            scopes=sorted(wanted),
            networks=places or None,
            expires_at=timezone.now() + dt.timedelta(days=days),
        )
        after = {"name": token.name, "scopes": token.scopes, "networks": places, "expires_at": token.expires_at}
        audit.record(actor, "token.created", obj=token, after=after)
    return token, Secret(raw)


def revoke_token(*, actor: Actor, token: ApiToken) -> ApiToken:
    """Make a token useless, from the next call on.

    Args:
        actor: its person with "tokens.manage", or "users.manage".
        token: which.

    Raises:
        NotFound: it is somebody else's.
    """
    own = token.user_id == actor.user_id
    require(actor, "tokens.manage" if own else "users.manage")
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, enabled=True).update(enabled=False):
            audit.record(actor, "token.revoked", obj=token)
    token.enabled = False
    return token


def revoke_own_token(*, actor: Actor, token_id: uuid.UUID | str) -> ApiToken:
    """Revoke one of the actor's own tokens by id.

    Raises:
        NotFound: the actor has no such token.
    """
    require(actor, "tokens.manage")
    token = ApiToken.objects.filter(user=require_user(actor), pk=token_id).first()
    if token is None:
        raise NotFound("You have no such token.")
    return revoke_token(actor=actor, token=token)


def authenticate(raw: str, address: str = "") -> Actor | None:
    """The actor of a token, or None when it is not valid now.

    Args:
        raw: the text after "Bearer ".
        address: the client's, for the networks that the token is bound to, and for "last used"; only its network is kept.
    """
    prefix, _, rest = raw.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != KEY_PREFIX or not secret or len(raw) > 200:
        return None
    token = next(iter(ApiToken.objects.usable(key_id=key_id).select_related("user").order_by()), None)
    if token is None or not _matches(token, raw):
        return None
    if token.networks and not lies_within(address, token.networks):
        _note_refusal(token)
        return None
    _note_use(token, address)
    return Actor.for_token(token)


def _note_use(token: ApiToken, address: str) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    if token.last_used_at != hour:
        network = network_of(address)
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=hour, last_used_address=network)
        User.objects.filter(pk=token.user_id).update(last_seen_day=hour.date())


def _note_refusal(token: ApiToken) -> None:
    """Record that a right token came from a wrong place: somebody may have got hold of it. Once an hour is enough."""
    before = AuditEvent.objects.filter(
        object_type="users.apitoken",
        object_id=str(token.pk),
        action="token.refused",
        occurred_at__gte=timezone.now() - dt.timedelta(hours=1),
    )
    if before.exists():
        return
    with transaction.atomic():
        audit.record(
            Actor.for_token(token), "token.refused", obj=token, outcome="denied", reason="From another network"
        )
        title = f"The API key {token.name} was used from a network that it is not bound to"
        notify(token.user, "token.refused", title, "If that was not you, revoke it and make another.", "/tokens/")


def _clean_networks(networks: Sequence[str]) -> list[str]:
    found = []
    for text in networks:
        try:
            found.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError as error:
            raise InvalidInput(
                f"'{text[:60]}' is not a network.", field="networks", remedy="Write it like 10.8.0.0/24."
            ) from error
    if len(found) > _MOST_NETWORKS:
        raise InvalidInput(f"A token has at most {_MOST_NETWORKS} networks.", field="networks")
    return sorted(set(found))


def _clean_scopes(scopes: Sequence[str], allowed: frozenset[str]) -> set[str]:
    wanted = set(scopes)
    if not wanted:
        raise InvalidInput("A token needs at least one scope.", field="scopes", remedy="Choose what it may do.")
    if unknown := sorted(wanted - set(CAPABILITIES)):
        raise InvalidInput(f"'{unknown[0]}' is not a scope.", field="scopes", remedy="GET /api/v1/me lists yours.")
    if beyond := sorted(wanted - allowed):
        raise PermissionDenied(
            f"The token would allow more than its person may: {beyond[0]}.", field="scopes", remedy="Leave it out."
        )
    return wanted


def _matches(token: ApiToken, raw: str) -> bool:
    try:
        digest = _digest(raw, token.pepper_id)
    except keyring.KeyMissing:
        return False
    if not constant_time_compare(token.digest, digest):
        return False
    pepper = _pepper()
    if token.pepper_id != pepper:
        # Only now is the text at hand that a digest under the present pepper needs.
        ApiToken.objects.filter(pk=token.pk, digest=token.digest).update(digest=_digest(raw, pepper), pepper_id=pepper)
    return True


def _pepper() -> str:
    """Which key peppers digests now; "" for the secret key, which the version before the keyring knows."""
    try:
        ring = keyring.load()
    except keyring.RingMissing:
        return ""
    return "" if ring.stage == "expand" else ring.active("pepper").id


def _digest(raw: str, pepper_id: str) -> str:
    if not pepper_id:
        return salted_hmac("apps.users.tokens.pepper", raw, algorithm="sha256").hexdigest()
    # The pepper is a key of the keyring and lies outside the database, so a stolen database alone opens nothing.
    return hmac.digest(keyring.find(pepper_id).material, raw.encode(), "sha256").hex()
