"""What parameters of reviews name."""

from __future__ import annotations

from apps.content.models import Document, ReviewRequest
from apps.content.services.reviewing import request_review
from tests.web.matrix.content import THINGS as CONTENT


def _review(people):
    """Open; wanda asks eddie."""
    found = ReviewRequest.objects.filter(workspace=people.press, state="open").first()
    if found is None:
        document = Document.objects.get(pk=CONTENT["document_id"](people))
        found = request_review(actor=people.actor("wanda"), document_id=document.pk, reviewers=[str(people.eddie.pk)])
    return found.pk


THINGS = {"review_id": _review}
BODIES = {
    "POST api/v1/content/<uuid:document_id>/reviews": lambda people: {"reviewers": [str(people.eddie.pk)]},
    "POST api/v1/reviews/<uuid:review_id>/request-changes": lambda people: {"note": "Shorter."},
    "POST reviews/<uuid:review_id>/decide": lambda people: {"word": "approve"},
}
