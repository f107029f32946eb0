"""How often somebody may ask."""

from __future__ import annotations

from django.db import models


class RateLimit(models.Model):
    """The theoretical arrival time of one caller: the moment at which all of its requests so far would be worked off.

    The generic cell rate algorithm needs nothing else, so one statement can ask and take.
    """

    key = models.CharField(max_length=80, primary_key=True)
    due = models.FloatField(help_text="Seconds since 1970.")

    class Meta:
        indexes = [models.Index(fields=["due"], name="rate_limit_age")]

    def __str__(self) -> str:
        return self.key
