"""Who acts in a request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from aiwriter.core import context
from apps.users.models import ApiToken, User
from apps.users.selectors.access import Actor

# Where allauth keeps, in the session, by what the person has shown who they are; each entry has "method" and "at".
_RECORDS, _RECORDS_OF = "account_authentication_methods", "account_authentication_methods_user"


def actor_of(request: Request | HttpRequest) -> Actor:
    """Who acts in a request of DRF or of Django; the anonymous actor when nobody is signed in."""
    token = getattr(request, "auth", None)
    if isinstance(token, ApiToken):
        return Actor.for_token(token)
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return Actor.anonymous()
    context.actor_id.set(f"user:{user.pk}")
    age = proof_age(getattr(request, "session", {}), user)
    return Actor.for_user(user, proven=age < settings.PROOF_SECONDS, proof_age=age)


def proofs(session: Mapping[str, Any], user: User) -> list[dict[str, Any]]:
    """By what a session has shown that it is this person's, oldest first."""
    if session.get(_RECORDS_OF) != str(user.pk):
        return []
    records = session.get(_RECORDS)
    return records if isinstance(records, list) else []


def proof_age(session: Mapping[str, Any], user: User) -> float:
    """Seconds since the session has shown whose it is; infinite when it has not."""
    shown = proofs(session, user)
    return time.time() - float(shown[-1].get("at", 0)) if shown else float("inf")


def is_proven(session: Mapping[str, Any], user: User) -> bool:
    """Whether the session has shown it lately enough for grave acts."""
    return proof_age(session, user) < settings.PROOF_SECONDS
