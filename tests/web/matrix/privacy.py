"""What parameters of the privacy desk name: a request of wanda's that waits, and a hold on eddie."""

from __future__ import annotations

from apps.users.models import LegalHold, PrivacyRequest
from apps.users.selectors.access import Actor
from apps.users.services import legal_holds, privacy
from tests.factories.users import SETUP


def _request(people):
    found = PrivacyRequest.objects.filter(person=people.wanda, kind="erase").first()
    return (found or privacy.ask(actor=Actor.for_user(people.wanda), kind="erase")).pk


def _hold(people):
    found = LegalHold.objects.filter(user=people.eddie).first()
    return (found or legal_holds.place_hold(actor=SETUP, user=people.eddie, reason="A case")).pk


BODIES = {
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
THINGS = {"privacy_id": _request, "hold_id": _hold, "users.privacyrequest": _request}
