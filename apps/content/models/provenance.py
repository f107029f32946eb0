"""Where the characters of a version come from."""

from __future__ import annotations

from django.db import models

from aiwriter.core.ids import uuid7


class Provenance(models.Model):
    """The origins of one version. `spans` covers its Markdown: [[start, end, origin, generation], …].

    One row of JSON and not a row a span: a version has up to thousands of spans, is written every few seconds while
    somebody types, and its spans are only ever read together.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.OneToOneField("content.DocumentVersion", on_delete=models.CASCADE, related_name="provenance")
    spans = models.JSONField(default=list)
    human = models.PositiveIntegerField(default=0, help_text="Characters that a person wrote.")
    ai = models.PositiveIntegerField(default=0, help_text="Characters that a model wrote.")
    ai_edited = models.PositiveIntegerField(
        default=0, help_text="Characters of a model in sentences that a person changed."
    )
    quoted = models.PositiveIntegerField(default=0, help_text="Characters in quotations.")

    class Meta:
        ordering = ["version"]
        verbose_name_plural = "provenance"

    def __str__(self) -> str:
        return f"provenance of {self.version_id}"
