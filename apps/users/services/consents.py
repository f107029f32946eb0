"""Publishing what people are asked, and taking their answers.

What an answer does:

* terms, privacy: nobody uses the portal's pages without having agreed.
* outside_models: for a person who has not agreed no model outside is called, whosever text it is; asked by
  `apps.backends.selectors.clearance` before every call.
* usage_analysis: reports by person show what somebody who has not agreed has used without their name; asked by
  `apps.monitoring.selectors.usage`.
"""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.users.models import Consent, ConsentText
from apps.users.selectors.access import Actor, require, require_person, require_proof
from apps.users.services.audit import record


def publish_text(*, actor: Actor, purpose: str, title: str, body: str) -> ConsentText:
    """Put a new version in force. Everybody is asked anew; until then nobody has agreed to it.

    Args:
        actor: needs "privacy.manage".
        purpose: one of `ConsentText.Purpose`.
        title: at most 120 characters.
        body: plain text, at most 50,000 characters.

    Raises:
        InvalidInput: an unknown purpose, or nothing to read.
        Conflict: somebody else publishes a version in the same moment.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    title, body = " ".join(title.split()), body.strip()
    if purpose not in ConsentText.Purpose.values:
        raise InvalidInput(
            f"'{purpose[:40]}' is no purpose.",
            field="purpose",
            remedy=f"Use one of {', '.join(ConsentText.Purpose.values)}.",
        )
    if not 0 < len(title) <= 120:
        raise InvalidInput("The title has to have 1 to 120 characters.", field="title")
    if not 0 < len(body) <= 50_000:
        raise InvalidInput(
            "The text has to have 1 to 50,000 characters.", field="body", remedy="Say what people agree to."
        )
    rows = ConsentText.objects.filter(purpose=purpose)
    with transaction.atomic():
        rows.filter(ended_at=None).update(ended_at=timezone.now())
        last = rows.aggregate(last=Max("version"))["last"] or 0
        try:
            with transaction.atomic():
                row = ConsentText.objects.create(
                    purpose=purpose, version=last + 1, title=title, body=body, published_by=actor.user
                )
        except IntegrityError:
            raise Conflict(
                "Somebody else has just published a version of this text.", remedy="Read it, then publish yours."
            ) from None
        record(actor, "consent.published", obj=row, after={"purpose": purpose, "version": row.version})
    return row


def end_text(*, actor: Actor, text_id: uuid.UUID | str) -> ConsentText:
    """Ask for a purpose no longer. Its answers stay as records, and bind nobody any more.

    Raises:
        NotFound: there is no such text.
        Conflict: it is not in force.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    with transaction.atomic():
        row = ConsentText.objects.select_for_update().filter(pk=text_id).first()
        if row is None:
            raise NotFound("There is no such text.")
        if row.ended_at is not None:
            raise Conflict("This version is not in force.", remedy="Choose the newest one of its purpose.")
        row.ended_at = timezone.now()
        row.save(update_fields=["ended_at"])
        record(actor, "consent.ended", obj=row, after={"purpose": row.purpose, "version": row.version})
    return row


def answer(*, actor: Actor, purpose: str, version: int, given: bool) -> Consent:
    """Agree, refuse, or withdraw. It counts from the next call on.

    Args:
        actor: the person; a key may withdraw, and not agree.
        purpose: of a text in force.
        version: the one that the person has read.
        given: yes or no.

    Raises:
        NotFound: nothing is asked about this purpose.
        Conflict: there is a newer version by now.
        InvalidInput: who uses the portal cannot refuse it.
        PermissionDenied: a key agrees.
    """
    user = require_person(actor)
    if given and actor.token is not None:
        raise PermissionDenied("An API key cannot agree for its person.", remedy="Agree on the page Your data.")
    text = ConsentText.objects.filter(purpose=purpose, ended_at=None).first()
    if text is None:
        raise NotFound("Nothing is asked about this purpose.", field="purpose")
    if text.version != version:
        raise Conflict(
            f"Version {text.version} of this text is in force.", field="version", remedy="Read it, then answer again."
        )
    if text.is_duty and not given:
        raise InvalidInput(
            "The portal cannot be used without this.",
            field="given",
            remedy="To leave, ask for the erasure of your data on the page Your data, which stays open.",
        )
    with transaction.atomic():
        newest = Consent.objects.filter(user=user, text=text).order_by("-id").first()
        if newest is not None and newest.given == given:
            return newest
        row = Consent.objects.create(user=user, text=text, purpose=text.purpose, version=text.version, given=given)
        what = "consent.given" if given else "consent.withdrawn" if newest else "consent.refused"
        record(actor, what, obj=row, after={"purpose": text.purpose, "version": text.version})
    return row
