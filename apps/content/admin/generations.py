"""Generations as jobs: state, attempts, lease, worker, tokens. What was asked and written is not shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

from aiwriter.core.errors import AppError
from apps.backends.models import ModelCall
from apps.content.models import Generation
from apps.content.services.operating import requeue_as_operator, stop_as_operator
from apps.users.admin.service_admin import ReadOnlyAdmin
from apps.users.selectors.access import can
from apps.users.selectors.callers import actor_of


@admin.register(Generation)
class GenerationAdmin(ReadOnlyAdmin):
    """Generations."""

    list_display = ["id", "kind", "state", "workspace", "requested_by", "attempts", "worker", "lease", "created_at"]
    list_filter = ["state", "kind", "error_code"]
    search_fields = ["=id", "requested_by__email", "worker"]
    search_help_text = "Id, person's address or worker"
    list_select_related = ["workspace", "requested_by"]
    date_hierarchy = "created_at"
    actions = ["stop", "requeue"]
    fields = [
        "id",
        "kind",
        "state",
        "finish_reason",
        "workspace",
        "requested_by",
        "attempts",
        "stalls",
        "fence",
        "worker",
        "lease",
        "written",
        "last_seq",
        "tokens",
        "error_code",
        "error",
        "remedy",
        "queued_at",
        "started_at",
        "finished_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        """Without the columns that hold content."""
        return super().get_queryset(request).defer("input", "output_markdown")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All of them."""
        return self.fields  # type: ignore[return-value]

    def has_job_permission(self, request: HttpRequest) -> bool:
        """Whether the actions are offered."""
        return can(actor_of(request), "jobs.manage")

    @admin.display(description="Lease")
    def lease(self, row: Generation) -> str:
        """How long the claim still holds."""
        if row.lease_until is None or row.is_final:
            return "–"
        left = (row.lease_until - timezone.now()).total_seconds()
        return f"{left:.0f} s left" if left > 0 else f"ran out {-left:.0f} s ago"

    @admin.display(description="Characters written")
    def written(self, row: Generation) -> str:
        """How much text there is."""
        return f"{row.partial_length:,}"

    @admin.display(description="Tokens of all attempts")
    def tokens(self, row: Generation) -> str:
        """What it used."""
        calls = ModelCall.objects.of_subject(f"generation:{row.pk}")
        sums = calls.aggregate(read=Sum("input_tokens"), wrote=Sum("output_tokens"), cost=Sum("cost"))
        if sums["read"] is None:
            return "–"
        cost = "" if sums["cost"] is None else f", cost {sums['cost'].normalize():f}"
        return f"{sums['read']:,} read, {sums['wrote']:,} written in {calls.count()} attempts{cost}"

    @admin.action(description="Stop; the text so far is kept", permissions=["job"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """Stop the chosen ones."""
        self._each(request, queryset, stop_as_operator, "stopped")

    @admin.action(description="Give to another worker", permissions=["job"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """Take the chosen ones from their workers."""
        self._each(request, queryset, requeue_as_operator, "put back into the queue")

    def _each(self, request: HttpRequest, queryset: QuerySet[Generation], act: Callable[..., None], done: str) -> None:
        count = 0
        for row in queryset:
            try:
                act(actor=actor_of(request), generation_id=row.pk)
                count += 1
            except AppError as error:
                self.message_user(request, f"{row.pk}: {error}", messages.WARNING)
        self.message_user(request, f"{count} {done}.")
