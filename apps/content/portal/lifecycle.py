"""Review and publishing of one document: where it stands, and the next step."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from aiwriter.core.errors import AppError, InvalidInput
from apps.backends.services.publishing import targets
from apps.content.models import Document
from apps.content.portal.requests import actor_of, signed_in
from apps.content.selectors.documents import get_document
from apps.content.selectors.lifecycle import standing_of
from apps.content.selectors.reviews import reviews_for
from apps.content.services import lifecycle, publishing, releasing, reviewing
from apps.users.selectors.access import require_user
from apps.users.selectors.belongings import members_of

_REVIEWS = 6
# What the person reads after a step.
_DONE: Mapping[str, str | Promise] = {
    "submit": gettext_lazy("The text is handed in for review."),
    "ask": gettext_lazy("The reviewers are asked."),
    "approve": gettext_lazy("The version is approved."),
    "send_back": gettext_lazy("The document is a draft again."),
    "schedule": gettext_lazy("The document has a time now."),
    "unschedule": gettext_lazy("The time is taken back."),
    "publish": gettext_lazy("The version is published."),
    "unpublish": gettext_lazy("The document is taken back."),
    "archive": gettext_lazy("The document is in the archive."),
    "reopen": gettext_lazy("The document is out of the archive."),
}


@require_http_methods(["GET", "POST"])
@signed_in
def status(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Where a document stands; posting takes a step."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    problem, code = None, 200
    if request.method == "POST":
        step = request.POST.get("step", "")
        try:
            if step not in _STEPS:
                raise InvalidInput("The page sent no known step.", field="step", remedy="Reload the page.")
            _STEPS[step](request, document_id)
        except AppError as error:
            if error.status in (401, 403, 404):
                raise
            problem, code = error, error.status
            document = get_document(actor=actor, document_id=document_id)
        else:
            messages.success(request, str(_DONE[step]))
            return redirect("content:status", document_id=document_id)
    standing = standing_of(actor, document)
    places = targets()
    reviews = list(reviews_for(actor, document_id=document.pk).order_by("-created_at", "-id")[:_REVIEWS])
    open_review = next((each for each in reviews if each.state == "open"), None)
    verdicts = open_review.verdicts.all() if open_review else ()
    context = {
        "document": document,
        "standing": standing,
        "problem": problem,
        "sent": request.POST,
        "waiting": releasing.schedule_waiting(document),
        "targets": places,
        "chosen_places": request.POST.getlist("place"),
        "publications": list(publishing.publications_for(actor, document_id=document.pk)),
        "reviews": [each for each in reviews if each.state != "open"],
        "open_review": open_review,
        "own_verdict": next((each for each in verdicts if each.reviewer_id == actor.user_id), None),
        "members": [
            row.user
            for row in members_of(actor=actor, workspace=document.workspace).order_by("user__full_name", "user_id")
            if row.user_id != actor.user_id
        ],
        "chosen_reviewers": request.POST.getlist("reviewer"),
        "way": Document.Status.choices,
        "zone": str(zone_of(request)),
    }
    return render(request, "content/status.html", context, status=code)


def _revision(request: HttpRequest) -> int | None:
    text = request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _version(request: HttpRequest) -> int | None:
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _places(request: HttpRequest) -> list[dict[str, Any]]:
    return [{"target_id": key} for key in request.POST.getlist("place") if key]


def _moment(request: HttpRequest) -> dt.datetime:
    """The time of the form, in the person's time zone, whose name stands beside the field."""
    try:
        moment = parse_datetime(request.POST.get("publish_at", ""))
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidInput("The time is missing.", field="publish_at", remedy="Choose a day and an hour.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment, zone_of(request))


def zone_of(request: HttpRequest) -> dt.tzinfo:
    """The person's time zone."""
    try:
        return zoneinfo.ZoneInfo(require_user(actor_of(request)).timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return dt.UTC


def _submit(request: HttpRequest, document_id: uuid.UUID) -> None:
    if request.POST.getlist("reviewer"):
        _ask(request, document_id)
        return
    lifecycle.submit(
        actor=actor_of(request),
        document_id=document_id,
        revision=_revision(request),
        note=request.POST.get("note", ""),
    )


def _ask(request: HttpRequest, document_id: uuid.UUID) -> None:
    reviewing.request_review(
        actor=actor_of(request),
        document_id=document_id,
        reviewers=request.POST.getlist("reviewer"),
        revision=_revision(request),
        note=request.POST.get("note", ""),
    )


def _approve(request: HttpRequest, document_id: uuid.UUID) -> None:
    lifecycle.approve(
        actor=actor_of(request),
        document_id=document_id,
        version=_version(request),
        revision=_revision(request),
        note=request.POST.get("note", ""),
    )


def _publish(request: HttpRequest, document_id: uuid.UUID) -> None:
    releasing.publish(
        actor=actor_of(request), document_id=document_id, version=_version(request), places=_places(request)
    )


def _schedule(request: HttpRequest, document_id: uuid.UUID) -> None:
    releasing.schedule(
        actor=actor_of(request),
        document_id=document_id,
        publish_at=_moment(request),
        version=_version(request),
        places=_places(request),
    )


_STEPS: Mapping[str, Callable[[HttpRequest, uuid.UUID], object]] = {
    "submit": _submit,
    "ask": _ask,
    "approve": _approve,
    "send_back": lambda request, document_id: lifecycle.send_back(
        actor=actor_of(request), document_id=document_id, note=request.POST.get("note", "")
    ),
    "schedule": _schedule,
    "unschedule": lambda request, document_id: releasing.unschedule(actor=actor_of(request), document_id=document_id),
    "publish": _publish,
    "unpublish": lambda request, document_id: releasing.unpublish(actor=actor_of(request), document_id=document_id),
    "archive": lambda request, document_id: lifecycle.archive(actor=actor_of(request), document_id=document_id),
    "reopen": lambda request, document_id: lifecycle.reopen(actor=actor_of(request), document_id=document_id),
}
