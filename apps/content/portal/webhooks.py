"""Webhooks: endpoints, their secrets, their logs."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.errors import Conflict, InvalidInput
from apps.content.portal.requests import actor_of, is_fragment, page_of, signed_in, workspace_of
from apps.content.services import webhooks as service
from apps.content.services.deliveries import EVENTS


@never_cache
@require_http_methods(["GET", "POST"])
@signed_in
def webhook_list(request: HttpRequest) -> HttpResponse:
    """List them and make new ones; the secret of a new one is on the answering page and nowhere else."""
    actor, workspace = actor_of(request), workspace_of(request)
    rows = service.webhooks_for(actor, workspace).order_by("-created_at")
    problem, made, secret, status = None, None, "", 200
    if request.method == "POST":
        try:
            made, told = service.create_webhook(
                actor=actor,
                workspace=workspace,
                name=request.POST.get("name", ""),
                url=request.POST.get("url", ""),
                events=request.POST.getlist("events"),
            )
            secret = told.reveal()
        except (Conflict, InvalidInput) as error:
            problem, status = error, error.status
    context = {
        "rows": rows,
        "events": EVENTS.items(),
        "problem": problem,
        "made": made,
        "secret": secret,
        "sent": request.POST if problem else {},
        "chosen": request.POST.getlist("events") if problem else [],
    }
    return render(request, "content/webhooks.html", context, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
@signed_in
def webhook(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """One endpoint: change it, look at its log."""
    actor = actor_of(request)
    endpoint = service.get_webhook(actor=actor, webhook_id=webhook_id)
    problem, secret, status = None, "", 200
    if request.method == "POST":
        action = request.POST.get("action", "save")
        try:
            if action == "secret":
                endpoint, told = service.rotate_secret(actor=actor, webhook_id=webhook_id)
                secret = told.reveal()
            elif action in ("on", "off"):
                service.update_webhook(actor=actor, webhook_id=webhook_id, enabled=action == "on")
                return redirect("content:webhook", webhook_id=webhook_id)
            else:
                service.update_webhook(
                    actor=actor,
                    webhook_id=webhook_id,
                    name=request.POST.get("name", ""),
                    url=request.POST.get("url", ""),
                    events=request.POST.getlist("events"),
                )
                messages.success(request, _("Saved."))
                return redirect("content:webhook", webhook_id=webhook_id)
        except InvalidInput as error:
            problem, status = error, error.status
    rows = service.deliveries_of(actor=actor, webhook_id=webhook_id)
    page = page_of(request, rows, ordering=("-created_at", "-id"), size=30)
    context = {
        "endpoint": endpoint,
        "page": page,
        "events": EVENTS.items(),
        "chosen": endpoint.events,
        "problem": problem,
        "secret": secret,
        "busy": sum(1 for row in page.rows if row.state in ("queued", "running") and row.attempts == 0),
    }
    template = "content/parts/delivery_rows.html" if is_fragment(request) else "content/webhook.html"
    return render(request, template, context, status=status)


@require_POST
@signed_in
def ping(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """Send a test message."""
    service.ping(actor=actor_of(request), webhook_id=webhook_id)
    messages.success(request, _("A test message is on its way."))
    return redirect("content:webhook", webhook_id=webhook_id)


@require_POST
@signed_in
def delete(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    """Remove an endpoint with its log."""
    service.delete_webhook(actor=actor_of(request), webhook_id=webhook_id)
    messages.success(request, _("The webhook is deleted."))
    return redirect("content:webhooks")


@require_POST
@signed_in
def redeliver(request: HttpRequest, delivery_id: uuid.UUID) -> HttpResponse:
    """Send a message of the log again."""
    row = service.redeliver(actor=actor_of(request), delivery_id=delivery_id)
    messages.success(request, _("The message is sent again."))
    return redirect("content:webhook", webhook_id=row.endpoint_id)
