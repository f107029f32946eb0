"""Rows that are jobs: taken by a conditional update, held by a lease, guarded by a fencing number.

The fencing number is the pattern of Kleppmann, "How to do distributed locking" (2016): it grows with every claim, and
every write names it, so that a worker which was thought dead cannot write over its successor.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import uuid
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


def worker_name() -> str:
    """Names this process in rows: host:pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


class LeasedQuerySet(models.QuerySet[Any]):
    """Claims, renewals and the sweeper's question, all as single statements."""

    def claimable(self) -> Self:
        """Rows that wait, or whose worker has let the lease run out."""
        model = self.model
        return self.filter(
            Q(state__in=model.WAITING_STATES) | Q(state__in=model.HELD_STATES, lease_until__lt=timezone.now())
        )

    def claim(self, pk: uuid.UUID | str, *, lease: dt.timedelta, to_state: str) -> int | None:
        """Take a row.

        Args:
            pk: the row.
            lease: how long the claim holds without renewal.
            to_state: the state of a held row.

        Returns:
            the fencing number, or None when somebody else has the row or it is finished.
        """
        if not self._take(pk, lease, to_state):
            return None
        fence: int = self.filter(pk=pk).values_list("fence", flat=True).get()
        return fence

    def claim_row(self, pk: uuid.UUID | str, *, lease: dt.timedelta, to_state: str, **more: Any) -> Any | None:
        """Take a row and read it, with one question less; in a transaction.

        Args:
            pk, lease, to_state: as `claim`.
            more: further columns to write with the claim.

        Returns:
            the row, whose `fence` is the claim's; None as `claim`.
        """
        return self.get(pk=pk) if self._take(pk, lease, to_state, **more) else None

    def _take(self, pk: uuid.UUID | str, lease: dt.timedelta, to_state: str, **more: Any) -> bool:
        waiting = self.filter(pk=pk).claimable()
        return bool(
            waiting.update(
                state=to_state,
                lease_until=timezone.now() + lease,
                fence=F("fence") + 1,
                attempts=F("attempts") + 1,
                worker=worker_name(),
                **more,
            )
        )

    def held(self, pk: uuid.UUID | str, *, fence: int) -> Self:
        """The row if this fencing number still holds it; chain `.update()` for a guarded write."""
        return self.filter(pk=pk, fence=fence, state__in=self.model.HELD_STATES)

    def renew(self, pk: uuid.UUID | str, *, fence: int, lease: dt.timedelta) -> bool:
        """Prolong the lease. False: the row is lost, stop working on it."""
        return bool(self.held(pk, fence=fence).update(lease_until=timezone.now() + lease))


class LeasedJob(models.Model):
    """Fields of a row that is a job. Subclasses name their states."""

    WAITING_STATES: ClassVar[tuple[str, ...]] = ("queued",)
    HELD_STATES: ClassVar[tuple[str, ...]] = ("running",)

    state = models.CharField(max_length=16, default="queued", db_index=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    fence = models.PositiveIntegerField(default=0, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    worker = models.CharField(max_length=120, blank=True, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def waiting(cls, now: dt.datetime) -> Q:
        """Rows that a worker could begin at this time: one that failed waits for its next try."""
        waiting = Q(state__in=cls.WAITING_STATES)
        retried = any(field.name == "next_try_at" for field in cls._meta.concrete_fields)
        return waiting & Q(next_try_at__lte=now) if retried else waiting
