"""How much a place holds, day by day."""

from __future__ import annotations

from django.db import models

from apps.backups.models.destinations import Destination


class PlaceSize(models.Model):
    """Bytes in a repository at the end of the last run of a day (UTC). What a forecast is made from."""

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="sizes")
    day = models.DateField()
    bytes = models.BigIntegerField()

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["destination", "day"], name="backup_size_of_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.bytes:,} bytes"
