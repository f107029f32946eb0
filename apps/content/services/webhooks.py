"""Webhooks of a workspace: who is told about what. The telling itself is a matter of `deliveries`."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.egress import refused_literal
from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.signatures import new_secret
from aiwriter_sdk import Secret
from apps.content.markup.markdown import clean_text
from apps.content.models import WebhookDelivery, WebhookEndpoint
from apps.content.selectors.documents import as_uuid
from apps.content.services.deliveries import EVENTS, PING, deliver
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, can, get_workspace, require, workspaces_of
from apps.users.services.audit import record
from apps.users.services.sealing import open_sealed, seal_into

MAX_ENDPOINTS = 20
# Receivers need a while to learn the new secret; both signatures are sent meanwhile.
OVERLAP = dt.timedelta(hours=24)


def create_webhook(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    name: str,
    url: str,
    events: Iterable[str] = (),
) -> tuple[WebhookEndpoint, Secret]:
    """Have a program told about events of a workspace.

    Args:
        actor: needs "webhooks.manage" there.
        workspace: the workspace, its id or its slug.
        name: what people call it, at most 80 characters.
        url: https, or http where an operator allowed the network.
        events: some of `EVENTS`; all when empty.

    Returns:
        the endpoint, and its secret, which is told this once.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to manage.
        InvalidInput: a value cannot be used.
        Conflict: there are twenty already.
    """
    require(actor, "webhooks.manage", workspace=workspace)
    room = get_workspace(actor, workspace)
    if WebhookEndpoint.objects.filter(workspace=room).count() >= MAX_ENDPOINTS:
        raise Conflict(f"The workspace has {MAX_ENDPOINTS} webhooks already.", remedy="Delete one first.")
    secret = new_secret()
    endpoint = WebhookEndpoint(
        workspace=room,
        name=_name(name),
        url=_url(url),
        events=_events(events),
        secret_hint=secret[-4:],
        created_by=actor.user,
    )
    seal_into(endpoint, "sealed_secret", secret)
    with transaction.atomic():
        endpoint.save(force_insert=True)
        record(actor, "webhook.created", obj=endpoint, after=_shown(endpoint))
    return endpoint, Secret(secret)


def update_webhook(
    *,
    actor: Actor,
    webhook_id: uuid.UUID | str,
    name: str | None = None,
    url: str | None = None,
    events: Iterable[str] | None = None,
    enabled: bool | None = None,
) -> WebhookEndpoint:
    """Change an endpoint; what is None stays. Switching it on again forgets its past failures.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to manage.
        InvalidInput: a value cannot be used.
    """
    endpoint = get_webhook(actor=actor, webhook_id=webhook_id)
    before = _shown(endpoint)
    if name is not None:
        endpoint.name = _name(name)
    if url is not None:
        endpoint.url = _url(url)
    if events is not None:
        endpoint.events = _events(events)
    if enabled is not None:
        endpoint.enabled = enabled
        endpoint.disabled_reason, endpoint.failing_since = "", None
    with transaction.atomic():
        endpoint.save()
        record(actor, "webhook.changed", obj=endpoint, before=before, after=_shown(endpoint))
    return endpoint


def delete_webhook(*, actor: Actor, webhook_id: uuid.UUID | str) -> None:
    """Remove an endpoint with its log.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to manage.
    """
    endpoint = get_webhook(actor=actor, webhook_id=webhook_id)
    with transaction.atomic():
        record(actor, "webhook.deleted", obj=endpoint, before=_shown(endpoint))
        endpoint.delete()


def rotate_secret(*, actor: Actor, webhook_id: uuid.UUID | str) -> tuple[WebhookEndpoint, Secret]:
    """Give an endpoint a new secret; for a day messages carry a signature by the old one too.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to manage.
    """
    endpoint = get_webhook(actor=actor, webhook_id=webhook_id)
    secret = new_secret()
    # Not copied: a sealed text opens in its own column only.
    seal_into(endpoint, "sealed_previous", open_sealed(endpoint, "sealed_secret"))
    endpoint.previous_until = timezone.now() + OVERLAP
    seal_into(endpoint, "sealed_secret", secret)
    endpoint.secret_hint = secret[-4:]
    with transaction.atomic():
        endpoint.save()
        record(actor, "webhook.rotated", obj=endpoint)
    return endpoint, Secret(secret)


def ping(*, actor: Actor, webhook_id: uuid.UUID | str) -> WebhookDelivery:
    """Send a message without meaning, to see whether it arrives; also to an endpoint that is switched off.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to manage.
    """
    endpoint = get_webhook(actor=actor, webhook_id=webhook_id)
    with transaction.atomic():
        return deliver(endpoint, PING, {"workspace_id": str(endpoint.workspace_id), "message": "It works."})


def redeliver(*, actor: Actor, delivery_id: uuid.UUID | str) -> WebhookDelivery:
    """Send a message of the log again, as a new message with the same content.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to manage.
    """
    old = get_delivery(actor=actor, delivery_id=delivery_id)
    with transaction.atomic():
        return deliver(old.endpoint, old.event, old.payload["data"], repeats=old)


def webhooks_for(actor: Actor, workspace: Workspace) -> QuerySet[WebhookEndpoint]:
    """The endpoints of a workspace.

    Raises:
        NotFound, PermissionDenied: they are not the actor's to manage.
    """
    require(actor, "webhooks.manage", workspace=workspace)
    return WebhookEndpoint.objects.filter(workspace=workspace)


def get_webhook(*, actor: Actor, webhook_id: uuid.UUID | str) -> WebhookEndpoint:
    """One endpoint.

    Raises:
        NotFound, PermissionDenied: there is none, or it is not the actor's to manage.
    """
    found = WebhookEndpoint.objects.filter(pk=as_uuid(webhook_id), workspace__in=workspaces_of(actor)).first()
    if found is None:
        raise NotFound("There is no such webhook.")
    require(actor, "webhooks.manage", workspace=found.workspace_id)
    return found


def deliveries_of(*, actor: Actor, webhook_id: uuid.UUID | str) -> QuerySet[WebhookDelivery]:
    """The log of an endpoint; errors as for `get_webhook`."""
    endpoint = get_webhook(actor=actor, webhook_id=webhook_id)
    return WebhookDelivery.objects.filter(endpoint=endpoint)


def get_delivery(*, actor: Actor, delivery_id: uuid.UUID | str) -> WebhookDelivery:
    """One message of a log; errors as for `get_webhook`."""
    found: WebhookDelivery | None = (
        WebhookDelivery.objects.filter(pk=as_uuid(delivery_id), endpoint__workspace__in=workspaces_of(actor))
        .select_related("endpoint")
        .first()
    )
    if found is None:
        raise NotFound("There is no such delivery.")
    require(actor, "webhooks.manage", workspace=found.endpoint.workspace_id)
    return found


def manages(actor: Actor, workspace: Workspace) -> bool:
    """Whether the actor may manage webhooks there, for pages."""
    return can(actor, "webhooks.manage", workspace=workspace)


def _name(name: str) -> str:
    cleaned = " ".join(clean_text(name).split())
    if not 0 < len(cleaned) <= 80:
        raise InvalidInput("The name has to have 1 to 80 characters.", field="name", remedy="Choose a short name.")
    return cleaned


def _url(url: str) -> str:
    cleaned = url.strip()
    try:
        parts = urlsplit(cleaned)
        fine = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        fine = False
    if not fine or len(cleaned) > 2000 or not cleaned.isprintable():
        raise InvalidInput(
            "This is not an address of the web.",
            field="url",
            remedy="Enter one such as https://hooks.example.org/aiwriter, without a user name in it.",
        )
    if refusal := refused_literal(parts.hostname or ""):
        raise InvalidInput(
            f"{parts.hostname} cannot be told: {refusal}.",
            field="url",
            remedy="Use a public address, or ask an operator to open the network (AIWRITER_OUTGOING_ALLOW_NETWORKS).",
        )
    return cleaned


def _events(events: Iterable[str]) -> list[str]:
    chosen = list(dict.fromkeys(events))
    if unknown := [event for event in chosen if event not in EVENTS]:
        raise InvalidInput(
            f"There is no event '{str(unknown[0])[:40]}'.", field="events", remedy=f"Use some of {', '.join(EVENTS)}."
        )
    return chosen


def _shown(endpoint: WebhookEndpoint) -> dict[str, object]:
    host = urlsplit(endpoint.url).hostname or ""
    return {"name": endpoint.name, "host": host, "events": endpoint.events, "enabled": endpoint.enabled}
