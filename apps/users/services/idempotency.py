"""Keeps the answer of a request, so that a client which asks again after a lost connection gets the same one.

The table is the lock: its unique key lets exactly one of several equal requests through, whichever process they reach.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict
from apps.users.models import IdempotencyRecord

KEPT = dt.timedelta(hours=24)
# Much longer than any request of the API takes, the largest upload included: a record that is older and has no answer
# belongs to a process that died.
ABANDONED = dt.timedelta(minutes=5)


class StillRunning(Conflict):
    """The first request with this key has not been answered yet.

    Args:
        retry_after: seconds until it makes sense to ask again.
    """

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__(
            "A request with this Idempotency-Key is still being answered.",
            field="Idempotency-Key",
            remedy="Send it again in a moment.",
        )
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that was given before."""

    status: int
    body: bytes
    headers: dict[str, str]


def begin(*, scope: str, key: str, request_hash: str) -> IdempotencyRecord | KeptAnswer:
    """Take the key, or get the answer that it has.

    Args:
        scope: who asks for what: actor, method and path. Kept as a digest.
        key: the client's key, at most 128 characters.
        request_hash: digest of the body.

    Returns:
        a record to hand to `finish` or `abandon`, or the earlier answer.

    Raises:
        Conflict: the key was used for another body.
        StillRunning: the first request is not finished.
    """
    scope = hashlib.sha256(scope.encode()).hexdigest()
    for _ in range(3):
        try:
            with transaction.atomic():
                return IdempotencyRecord.objects.create(scope=scope, key=key, request_hash=request_hash)
        except IntegrityError:
            found = IdempotencyRecord.objects.filter(scope=scope, key=key).first()
        if found is None:
            continue
        age = timezone.now() - found.created_at
        if age > (KEPT if found.response_status else ABANDONED):
            # Conditional on the age that was read, so that of two takers one deletes and both then race for the insert.
            IdempotencyRecord.objects.filter(pk=found.pk, created_at=found.created_at).delete()
            continue
        if found.request_hash != request_hash:
            raise Conflict(
                "This Idempotency-Key was used for another request.",
                field="Idempotency-Key",
                remedy="Use a new key for a new request.",
            )
        if found.response_status is None:
            raise StillRunning
        return KeptAnswer(found.response_status, bytes(found.response_body), found.response_headers)
    raise StillRunning


def finish(record: IdempotencyRecord, *, status: int, body: bytes, headers: dict[str, str]) -> None:
    """Keep the answer for 24 hours."""
    IdempotencyRecord.objects.filter(pk=record.pk).update(
        response_status=status, response_body=body, response_headers=headers
    )


def abandon(record: IdempotencyRecord) -> None:
    """Free the key: nothing was done, so the client may try again with it."""
    IdempotencyRecord.objects.filter(pk=record.pk, response_status=None).delete()


def prune() -> int:
    """Forget answers older than 24 hours. Returns how many."""
    return IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
