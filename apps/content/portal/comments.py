"""The comments of a document as a page of their own: all that the panel of the editor does, without a script."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from aiwriter.core.errors import AppError, InvalidInput
from apps.content.portal.requests import actor_of, page_of, signed_in
from apps.content.selectors.comments import threads_of
from apps.content.selectors.documents import get_document
from apps.content.services import comments as service
from apps.content.services.anchoring import place_of
from apps.users.selectors.access import Actor, can

_THREADS = 50


@require_http_methods(["GET", "POST"])
@signed_in
def comments(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Read what was said; post `act` (say, answer, edit, delete, settle or reopen) with `body`, `thread`, `comment`."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    problem: AppError | None = None
    if request.method == "POST":
        try:
            thread = _act(request, actor, document_id)
        except AppError as error:
            if error.status in (403, 404):
                raise
            problem = error
        else:
            where = f"{reverse('content:comments', args=[document_id])}?settled={request.POST.get('settled', '')}"
            return redirect(f"{where}#thread-{thread}" if thread else where)
    settled = (request.POST if problem else request.GET).get("settled") == "1"
    rows = threads_of(actor=actor, document_id=document_id)
    if not settled:
        rows = rows.filter(resolved_at__isnull=True)
    page = page_of(request, rows, ordering=("created_at", "id"), size=_THREADS)
    for row in page.rows:
        row.lost = bool(row.quote) and place_of(row, document.body_markdown) is None
        row.said = list(row.comments.all())
    context = {
        "document": document,
        "page": page,
        "settled": settled,
        "sent": request.POST if problem else {},
        "problem": problem,
        "may_comment": can(actor, "content.comment", workspace=document.workspace_id),
        "may_tidy": can(actor, "content.approve", workspace=document.workspace_id),
    }
    return render(request, "content/comments.html", context, status=problem.status if problem else 200)


def _act(request: HttpRequest, actor: Actor, document_id: uuid.UUID) -> uuid.UUID | None:
    """Do what was posted. Returns the thread to be shown; None when it is gone or settled."""
    post = request.POST
    act, body, thread = post.get("act", "say"), post.get("body", ""), post.get("thread", "")
    if act == "say":
        # A form sends line ends as two characters; the text has one.
        quote = post.get("quote", "").replace("\r\n", "\n").strip()
        made = service.comment(actor=actor, document_id=document_id, body=body, quote=quote)
        messages.success(request, _("The comment is there."))
        return made.pk
    if act == "answer":
        return service.reply(actor=actor, document_id=document_id, thread_id=thread, body=body).pk
    if act == "edit":
        found = service.edit_comment(
            actor=actor, document_id=document_id, thread_id=thread, comment_id=post.get("comment", ""), body=body
        )
        messages.success(request, _("Changed."))
        return found.pk
    if act == "delete":
        service.delete_comment(
            actor=actor, document_id=document_id, thread_id=thread, comment_id=post.get("comment", "")
        )
        messages.success(request, _("The comment is gone."))
        return None
    if act in ("settle", "reopen"):
        service.resolve(actor=actor, document_id=document_id, thread_id=thread, resolved=act == "settle")
        messages.success(request, _("Settled.") if act == "settle" else _("Open again."))
        return None
    raise InvalidInput(
        _("The page sent something that cannot be done."), field="act", remedy=_("Reload it and try again.")
    )
