"""Rows that end at a moment.

Expiry is a predicate on the database's clock, never the work of a job: what has ended gives nothing, even when every
worker is down and the web servers' clocks disagree.
"""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


def not_expired(prefix: str = "") -> Q:
    """Rows without an end, or with one that lies ahead.

    Args:
        prefix: path to the row, "membership__".
    """
    return Q(**{f"{prefix}expires_at__isnull": True}) | Q(**{f"{prefix}expires_at__gt": Now()})


class ExpiringQuerySet(models.QuerySet[Any]):
    """For models with a nullable `expires_at`."""

    def live(self) -> Self:
        """Those that hold now."""
        return self.filter(not_expired())
