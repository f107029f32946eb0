"""Figures over time: what was measured, minute by minute, then by five minutes, then by the hour."""

from __future__ import annotations

from django.db import models

MINUTE, FIVE_MINUTES, HOUR = 60, 300, 3600


class MetricSeries(models.Model):
    """One figure of one thing on one machine."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=80, help_text="What is measured, with its unit: model_first_token_p95_seconds.")
    label = models.CharField(max_length=160, blank=True, help_text="Of what: a route, a backend, a check's figure.")
    node = models.CharField(max_length=120)

    class Meta:
        ordering = ["name", "label", "node"]
        verbose_name = "figure"
        verbose_name_plural = "figures over time"
        constraints = [models.UniqueConstraint(fields=["name", "label", "node"], name="metric_series_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.label}".strip()


class MetricPoint(models.Model):
    """What a series was within one step of time.

    Times are whole seconds since 1970: a year of hours is read in a few milliseconds, which 8,760 dates are not.
    """

    id = models.BigAutoField(primary_key=True)
    series = models.ForeignKey(MetricSeries, on_delete=models.CASCADE, related_name="points")
    step = models.PositiveSmallIntegerField(help_text="Seconds that it stands for.")
    at = models.BigIntegerField(help_text="When they begin.")
    count = models.PositiveIntegerField(default=1, help_text="Values that it was made of.")
    total = models.FloatField(help_text="Their sum.")
    low = models.FloatField()
    high = models.FloatField()

    class Meta:
        ordering = ["series", "step", "at"]
        constraints = [models.UniqueConstraint(fields=["series", "step", "at"], name="metric_point_once")]
        indexes = [models.Index(fields=["step", "at"], name="metric_point_age")]

    def __str__(self) -> str:
        return f"{self.series_id} at {self.at}"
