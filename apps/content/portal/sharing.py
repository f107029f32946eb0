"""Share links: the page that makes them, and the page that they lead to."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from aiwriter.core.clients import client_address, network_of
from aiwriter.core.errors import AppError, TooManyRequests
from aiwriter.core.views import error_response
from apps.backends.services.downloads import show
from apps.content.portal.requests import actor_of, signed_in
from apps.content.selectors.documents import get_document, versions_of
from apps.content.services import sharing
from apps.users.services.limits import require_visitor

_VERSIONS_SHOWN = 50
# A person reads a page; a program that tries addresses needs millions.
OPENINGS_A_MINUTE, PICTURES_A_MINUTE = 60, 1_200


@require_http_methods(["GET", "POST"])
@signed_in
def share(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """The links of a document; posting makes one and shows its address once."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    problem, address, status = None, "", 200
    if request.method == "POST":
        days = request.POST.get("days", "")
        try:
            _row, secret = sharing.create_link(
                actor=actor,
                document_id=document_id,
                which=request.POST.get("which", "current"),
                days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0,
                label=request.POST.get("label", ""),
            )
            address = request.build_absolute_uri(reverse("content:shared", args=[secret.reveal()]))
        except AppError as error:
            if error.status in (401, 403, 404):
                raise
            problem, status = error, error.status
    context = {
        "document": document,
        "links": list(sharing.links_of(actor=actor, document_id=document_id)[:100]),
        "versions": list(versions_of(actor=actor, document_id=document_id)[:_VERSIONS_SHOWN]),
        "problem": problem,
        "address": address,
        "sent": request.POST if problem else {},
        "days": sharing.DEFAULT_DAYS,
        "most_days": sharing.MAX_DAYS,
    }
    return render(request, "content/share.html", context, status=status)


@require_POST
@signed_in
def revoke(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    """Make a link useless."""
    row = sharing.revoke_link(actor=actor_of(request), link_id=link_id)
    messages.success(request, _("The link no longer works."))
    return redirect("content:share", document_id=row.document_id)


@require_safe
def shared(request: HttpRequest, secret: str) -> HttpResponse:
    """The document behind a link, for whoever has it: nothing to change, nothing for search engines, nothing kept."""
    try:
        require_visitor(network_of(client_address(request.META)), amount=OPENINGS_A_MINUTE)
        answer = render(request, "content/shared.html", {"shared": sharing.open_link(secret)})
    except AppError as error:
        answer = error_response(request, error)
        if isinstance(error, TooManyRequests) and error.retry_after is not None:
            answer.headers["Retry-After"] = str(max(1, -int(-error.retry_after // 1)))
    return _unkept(answer)


@require_safe
def shared_picture(request: HttpRequest, secret: str, picture_id: uuid.UUID) -> HttpResponseBase:
    """A picture of the document behind a link; a browser that has it asks each time whether the link still works."""
    answer: HttpResponseBase
    try:
        network = network_of(client_address(request.META))
        require_visitor(f"{network} pictures", amount=PICTURES_A_MINUTE)
        actor, file = sharing.open_picture(secret, picture_id)
        answer = show(actor, file, content_type=file.content_type, seen=request.headers.get("If-None-Match", ""))
    except AppError as error:
        return _unkept(error_response(request, error))
    answer.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _unkept(answer: HttpResponse) -> HttpResponse:
    answer.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    # The address is the key: it must not travel to the sites that the text links to, nor lie in a cache.
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
