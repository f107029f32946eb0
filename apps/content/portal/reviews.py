"""Reviews: what waits for whose word, and the word itself."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from aiwriter.core.errors import AppError, InvalidInput
from apps.content.models import ReviewRequest
from apps.content.portal.requests import actor_of, page_of, signed_in, workspace_of
from apps.content.selectors.reviews import get_review, reviews_for, to_review
from apps.content.services import reviewing

PAGE_SIZE = 30
_SHOWN = {
    "mine": gettext_lazy("To review"),
    "asked": gettext_lazy("Asked by me"),
    "open": gettext_lazy("All open"),
    "closed": gettext_lazy("Over"),
}


@require_GET
@signed_in
def review_list(request: HttpRequest) -> HttpResponse:
    """What waits for the person, and for others."""
    actor, workspace = actor_of(request), workspace_of(request)
    shown = request.GET.get("show", "mine")
    shown = shown if shown in _SHOWN else "mine"
    rows = to_review(actor, workspace) if shown == "mine" else reviews_for(actor, workspace)
    if shown == "asked":
        rows = rows.filter(requested_by_id=actor.user_id, state=ReviewRequest.State.OPEN)
    elif shown == "open":
        rows = rows.filter(state=ReviewRequest.State.OPEN)
    elif shown == "closed":
        rows = rows.exclude(state=ReviewRequest.State.OPEN)
    page = page_of(request, rows, ordering=("-created_at", "-id"), size=PAGE_SIZE)
    context = {"page": page, "shown": shown, "tabs": list(_SHOWN.items())}
    return render(request, "content/reviews.html", context)


@require_POST
@signed_in
def decide(request: HttpRequest, review_id: uuid.UUID) -> HttpResponse:
    """Say yes, ask for changes, or take the request back."""
    actor, word, note = actor_of(request), request.POST.get("word", ""), request.POST.get("note", "")
    row = get_review(actor=actor, review_id=review_id)
    try:
        if word == "approve":
            reviewing.approve_review(actor=actor, review_id=review_id, note=note)
            said = _("You have approved it.")
        elif word == "changes":
            reviewing.ask_for_changes(actor=actor, review_id=review_id, note=note)
            said = _("You have asked for changes; the document is a draft again.")
        elif word == "cancel":
            reviewing.cancel_review(actor=actor, review_id=review_id)
            said = _("The review is taken back.")
        else:
            raise InvalidInput("The page sent no known word.", field="word", remedy="Reload the page and try again.")
    except AppError as error:
        if error.status in (401, 403, 404):
            raise
        messages.error(request, f"{error.message} {error.remedy}")
    else:
        messages.success(request, said)
    return redirect("content:status", document_id=row.document_id)
