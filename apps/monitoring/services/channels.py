"""Setting up who is told of alerts."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from aiwriter.core.egress import refused_literal
from aiwriter.core.errors import Conflict, Detail, InvalidInput, NotFound
from aiwriter.core.signatures import PREFIX, check_secret
from apps.monitoring.models import AlertChannel, AlertDelivery, AlertRoute
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.sealing import seal_into

_ROUTE_FIELDS = ("least_severity", "rules", "gather_seconds", "repeat_hours", "tell_end", "enabled")
_MAX_ADDRESSES = 20


def create_channel(*, actor: Actor, name: str, kind: str, address: str = "", secret: str = "") -> AlertChannel:
    """Set up a way to tell somebody.

    Args:
        actor: needs "monitoring.manage".
        name: at most 80 characters, unique.
        kind: "people", "email", "webhook" or "slack".
        address: mail addresses, comma separated, or the address of the receiver; none for "people".
        secret: `whsec_…`, signs webhooks; unsigned without one.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used.
        Conflict: there is one of this name.
    """
    require(actor, "monitoring.manage")
    if kind not in AlertChannel.Kind.values:
        raise InvalidInput(f"'{kind[:20]}' is no kind.", field="kind", remedy="Use people, email, webhook or slack.")
    channel = AlertChannel(name=_name(name), kind=kind)
    _set_address(channel, address)
    _set_secret(channel, secret)
    try:
        with transaction.atomic():
            channel.save(force_insert=True)
            record(actor, "alert_channel.created", obj=channel, after=_shown(channel))
    except IntegrityError:
        raise Conflict("There is a channel of this name.", field="name", remedy="Choose another one.") from None
    return channel


def update_channel(*, actor: Actor, channel_id: uuid.UUID | str, **changes: Any) -> AlertChannel:
    """Change a channel's `name`, `address`, `secret` or `enabled`.

    Raises:
        PermissionDenied, NotFound, InvalidInput, Conflict: as for `create_channel`.
    """
    require(actor, "monitoring.manage")
    channel = get_channel(channel_id)
    before = _shown(channel)
    if "name" in changes:
        channel.name = _name(changes["name"])
    if "address" in changes:
        _set_address(channel, changes["address"])
    if "secret" in changes:
        _set_secret(channel, changes["secret"])
    if "enabled" in changes:
        channel.enabled = bool(changes["enabled"])
    try:
        with transaction.atomic():
            channel.save()
            record(actor, "alert_channel.updated", obj=channel, before=before, after=_shown(channel))
    except IntegrityError:
        raise Conflict("There is a channel of this name.", field="name", remedy="Choose another one.") from None
    return channel


def delete_channel(*, actor: Actor, channel_id: uuid.UUID | str) -> None:
    """Remove a channel with its routes and its log.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "monitoring.manage")
    channel = get_channel(channel_id)
    with transaction.atomic():
        record(actor, "alert_channel.deleted", obj=channel, before=_shown(channel))
        channel.delete()


def test_channel(*, actor: Actor, channel_id: uuid.UUID | str) -> AlertDelivery:
    """Send a message without meaning; it goes out within seconds.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to test.
    """
    require(actor, "monitoring.manage")
    channel = get_channel(channel_id)
    with transaction.atomic():
        record(actor, "alert_channel.tested", obj=channel)
        return AlertDelivery.objects.create(channel=channel, kind=AlertDelivery.Kind.TEST)


def create_route(*, actor: Actor, channel_id: uuid.UUID | str, **values: Any) -> AlertRoute:
    """Send alerts to a channel.

    Args:
        actor: needs "monitoring.manage".
        channel_id: where to.
        values: `least_severity`, `rules`, `gather_seconds`, `repeat_hours`, `tell_end`, `enabled`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be made.
    """
    require(actor, "monitoring.manage")
    route = AlertRoute(channel=get_channel(channel_id))
    return _save_route(actor, route, values, "alert_route.created")


def update_route(*, actor: Actor, route_id: uuid.UUID | str, **values: Any) -> AlertRoute:
    """Change a route; values as for `create_route`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
    """
    require(actor, "monitoring.manage")
    return _save_route(actor, get_route(route_id), values, "alert_route.updated")


def delete_route(*, actor: Actor, route_id: uuid.UUID | str) -> None:
    """Remove a route.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "monitoring.manage")
    route = get_route(route_id)
    with transaction.atomic():
        record(actor, "alert_route.deleted", obj=route)
        route.delete()


def get_channel(channel_id: uuid.UUID | str) -> AlertChannel:
    """One channel.

    Raises:
        NotFound: there is none.
    """
    found = AlertChannel.objects.filter(pk=channel_id).first()
    if found is None:
        raise NotFound("There is no such channel.", field="channel_id", remedy="See the list of channels.")
    return found


def get_route(route_id: uuid.UUID | str) -> AlertRoute:
    """One route.

    Raises:
        NotFound: there is none.
    """
    found = AlertRoute.objects.filter(pk=route_id).select_related("channel").first()
    if found is None:
        raise NotFound("There is no such route.")
    return found


def _save_route(actor: Actor, route: AlertRoute, values: dict[str, Any], action: str) -> AlertRoute:
    before = {name: getattr(route, name) for name in _ROUTE_FIELDS}
    for name in _ROUTE_FIELDS:
        if name in values:
            setattr(route, name, values[name])
    checked(route)
    after = {name: getattr(route, name) for name in _ROUTE_FIELDS}
    with transaction.atomic():
        route.save()
        record(actor, action, obj=route, before=before, after=after)
    return route


def checked(row: Any) -> None:
    """Check a row's values.

    Raises:
        InvalidInput: with every field that is wrong.
    """
    try:
        row.full_clean()
    except ValidationError as error:
        details = tuple(
            Detail("" if field == "__all__" else field, " ".join(problems), "Correct the value.")
            for field, problems in error.message_dict.items()
        )
        raise InvalidInput(details[0].issue, field=details[0].field, details=details) from None


def _name(name: str) -> str:
    cleaned = " ".join(str(name).split())
    if not 0 < len(cleaned) <= 80 or not cleaned.isprintable():
        raise InvalidInput("The name has to have 1 to 80 characters.", field="name", remedy="Choose a short name.")
    return cleaned


def _set_secret(channel: AlertChannel, secret: str) -> None:
    cleaned = secret.strip()
    try:
        if cleaned:
            check_secret(cleaned)
    except ValueError:
        raise InvalidInput(
            "This is no signing secret.", field="secret", remedy=f"It is {PREFIX} and a key in base64."
        ) from None
    seal_into(channel, "sealed_secret", cleaned)


def _set_address(channel: AlertChannel, address: str) -> None:
    cleaned = str(address).strip()
    if channel.kind == AlertChannel.Kind.PEOPLE:
        channel.sealed_address, channel.address_hint = "", "everybody who operates the portal"
        return
    if channel.kind == AlertChannel.Kind.EMAIL:
        each = [part.strip() for part in cleaned.split(",") if part.strip()]
        try:
            for one in each:
                validate_email(one)
        except ValidationError:
            raise InvalidInput(
                f"'{one[:60]}' is no mail address.", field="address", remedy="Write ops@example.org, it@example.org."
            ) from None
        if not 0 < len(each) <= _MAX_ADDRESSES:
            raise InvalidInput("Name 1 to 20 mail addresses.", field="address", remedy="Separate them by commas.")
        seal_into(channel, "sealed_address", ",".join(each))
        channel.address_hint = ", ".join(each)[:120]
        return
    host = _host_of(cleaned)
    seal_into(channel, "sealed_address", cleaned)
    channel.address_hint = f"{host}/…"[:120]


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        fine = False
    if not fine or len(url) > 2000 or not url.isprintable():
        raise InvalidInput(
            "This is not an address of the web.",
            field="address",
            remedy="Enter one such as https://hooks.example.org/alerts, without a user name in it.",
        )
    host = str(parts.hostname)
    if refusal := refused_literal(host):
        raise InvalidInput(
            f"{host} cannot be told: {refusal}.",
            field="address",
            remedy="Use a public address, or open the network with AIWRITER_OUTGOING_ALLOW_NETWORKS.",
        )
    return host


def _shown(channel: AlertChannel) -> dict[str, object]:
    return {
        "name": channel.name,
        "kind": channel.kind,
        "address": channel.address_hint,
        "signed": bool(channel.sealed_secret),
        "enabled": channel.enabled,
    }
