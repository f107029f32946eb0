"""What parameters of reviews name."""

from __future__ import annotations

from django.utils import timezone

from apps.content.models import Comment, CommentThread, Document, ReviewRequest
from apps.content.services.comments import comment
from apps.content.services.reviewing import request_review
from apps.content.services.sharing import create_link
from tests.web.matrix.content import THINGS as CONTENT


def _review(people):
    """Open; wanda asks eddie."""
    found = ReviewRequest.objects.filter(workspace=people.press, state="open").first()
    if found is None:
        document = Document.objects.get(pk=CONTENT["document_id"](people))
        found = request_review(actor=people.actor("wanda"), document_id=document.pk, reviewers=[str(people.eddie.pk)])
    return found.pk


def _thread(people):
    """Wanda's, about the whole document."""
    document = CONTENT["document_id"](people)
    found = CommentThread.objects.filter(document_id=document).first()
    return (found or comment(actor=people.actor("wanda"), document_id=document, body="Is it true?")).pk


def _comment(people):
    return Comment.objects.filter(thread_id=_thread(people)).first().pk


def _settled(people):
    CommentThread.objects.filter(pk=_thread(people)).update(resolved_at=timezone.now())
    return {}


def _link(people):
    row, _secret = create_link(actor=people.actor("wanda"), document_id=CONTENT["document_id"](people))
    return row.pk


def _secret(people):
    return create_link(actor=people.actor("wanda"), document_id=CONTENT["document_id"](people))[1].reveal()


_THREAD = "api/v1/content/<uuid:document_id>/comments/<uuid:thread_id>"
THINGS = {"review_id": _review, "thread_id": _thread, "comment_id": _comment, "link_id": _link, "secret": _secret}
BODIES = {
    "GET api/v1/calendar": lambda people: {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
    "POST documents/<uuid:document_id>/share": lambda people: {"which": "current", "days": "7"},
    "POST api/v1/content/<uuid:document_id>/comments": lambda people: {"body": "Is it true?"},
    f"POST {_THREAD}/replies": lambda people: {"body": "It is."},
    f"DELETE {_THREAD}/resolve": _settled,
    f"PATCH {_THREAD}/replies/<uuid:comment_id>": lambda people: {"body": "Is it so?"},
    "POST api/v1/content/<uuid:document_id>/reviews": lambda people: {"reviewers": [str(people.eddie.pk)]},
    "POST api/v1/reviews/<uuid:review_id>/request-changes": lambda people: {"note": "Shorter."},
    "POST reviews/<uuid:review_id>/decide": lambda people: {"word": "approve"},
}
