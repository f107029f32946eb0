"""Tasks of the users app, and the fixture with which tests run tasks."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from aiwriter.core.queue import enqueue
from apps.users.models import IdempotencyRecord


def test_old_answers_are_pruned_when_the_job_runs(run_jobs, db):
    old = timezone.now() - dt.timedelta(days=2)
    IdempotencyRecord.objects.create(scope="s", key="k", request_hash="h", created_at=old)
    enqueue("users.prune_idempotency")
    assert IdempotencyRecord.objects.exists()
    assert run_jobs() == ["users.prune_idempotency"]
    assert not IdempotencyRecord.objects.exists()
    assert run_jobs() == []


def test_a_misspelt_task_fails_where_it_is_named(db):
    with pytest.raises(KeyError):
        enqueue("users.prune_idempotencies")
