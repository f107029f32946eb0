"""What parameters of the privacy desk name: a request of wanda's that waits, and a hold on eddie."""

from __future__ import annotations

from apps.users.models import ConsentText, LegalHold, PrivacyRequest
from apps.users.selectors.access import Actor
from apps.users.services import consents, legal_holds, privacy
from tests.factories.users import SETUP


def _request(people):
    found = PrivacyRequest.objects.filter(person=people.wanda, kind="erase").first()
    return (found or privacy.ask(actor=Actor.for_user(people.wanda), kind="erase")).pk


def _hold(people):
    found = LegalHold.objects.filter(user=people.eddie).first()
    return (found or legal_holds.place_hold(actor=SETUP, user=people.eddie, reason="A case")).pk


def _text(people):
    """In force for those who asked for its id only: who is asked something first gets nowhere else."""
    found = ConsentText.objects.filter(purpose="usage_analysis").first()
    text = found or consents.publish_text(actor=SETUP, purpose="usage_analysis", title="A question", body="Words.")
    return text.pk


def _ended(people):
    """A version that nobody is asked about any more, so that the pages of the console open."""
    key = _text(people)
    if ConsentText.objects.filter(pk=key, ended_at=None).exists():
        consents.end_text(actor=SETUP, text_id=key)
    return key


def _answer(people):
    _text(people)
    return {"purpose": "usage_analysis", "version": 1, "given": False}


def _answer_on_page(people):
    _text(people)
    return {"usage_analysis": "no", "usage_analysis_version": "1"}


BODIES = {
    "POST api/v1/privacy/consents": _answer,
    "POST privacy/consents/": _answer_on_page,
    "POST api/v1/privacy/consent-texts": lambda people: {"purpose": "terms", "title": "Terms", "body": "Words."},
    "POST admin/users/consenttext/add/": lambda people: {"purpose": "terms", "title": "Terms", "body": "Words."},
    "POST api/v1/privacy/requests": lambda people: {"kind": "export"},
    "POST api/v1/privacy/requests/<uuid:privacy_id>": lambda people: {"decision": "stop"},
    "POST api/v1/privacy/holds": lambda people: {"email": people.eve.email, "reason": "A case"},
    "POST privacy/": lambda people: {"kind": "export"},
    "POST admin/users/privacyrequest/receive/": lambda people: {
        "of": people.eve.email,
        "identity": "seen",
        "kind": "export",
    },
    "POST admin/users/privacyrequest/<path:object_id>/change/": lambda people: {"decision": "stop"},
    "POST admin/users/privacyrequest/hold/": lambda people: {"email": people.eve.email, "reason": "A case"},
}
THINGS = {
    "privacy_id": _request,
    "hold_id": _hold,
    "users.privacyrequest": _request,
    "consent_text_id": _text,
    "users.consenttext": _ended,
}
