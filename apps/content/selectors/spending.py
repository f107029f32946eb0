"""Which model wrote what, and what it cost: per generation, per document."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Count, Q, Sum

from apps.backends.models import ModelCall
from apps.content.models import Document, Generation
from apps.content.selectors.documents import get_document
from apps.users.models import Membership, Workspace
from apps.users.selectors.access import Actor, require

_SHOWN = 100
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpending:
    """One attempt of a generation.

    Args:
        cost: None when the price is not known.
        ttft_ms: milliseconds until the first token; None when none came.
        counted: the tokens were counted here; False when the provider told them.
    """

    number: int
    model: str
    profile: str
    state: str
    error_kind: str
    input_tokens: int
    output_tokens: int
    counted: bool
    cost: Decimal | None
    currency: str
    ttft_ms: int | None
    duration_ms: int | None


@dataclass(slots=True, kw_only=True)
class Spending:
    """Sums.

    Args:
        costs: by currency, of the calls whose price is known.
        unpriced: calls whose price is not known.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    costs: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0

    def add(self, call: AttemptSpending) -> None:
        """Count an attempt in."""
        self.calls += 1
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens
        if call.cost is None:
            # A call that is still running has no cost yet; it is not "unknown".
            self.unpriced += call.state != ModelCall.State.RUNNING
        elif call.cost or call.currency:
            self.costs[call.currency] = self.costs.get(call.currency, Decimal(0)) + call.cost


@dataclass(slots=True, kw_only=True)
class GenerationSpending:
    """A generation with its attempts, oldest first."""

    id: uuid.UUID
    kind: str
    kind_label: str
    state: str
    created_at: dt.datetime
    person: str
    attempts: list[AttemptSpending]
    total: Spending

    @property
    def fallback(self) -> bool:
        """Whether another backend than the first one was needed."""
        return len({(each.profile, each.model) for each in self.attempts}) > 1

    @property
    def answered(self) -> AttemptSpending | None:
        """The attempt that wrote the end."""
        return self.attempts[-1] if self.attempts else None


@dataclass(slots=True, kw_only=True)
class DocumentSpending:
    """What a document cost.

    Args:
        generations: the newest ones, newest first.
        more: how many older ones are in the total only.
    """

    total: Spending
    generations: list[GenerationSpending]
    more: int


def document_spending(*, actor: Actor, document_id: uuid.UUID | str) -> DocumentSpending:
    """All that models wrote for a document.

    Raises:
        NotFound: there is no such document, or it is not the actor's to see.
        PermissionDenied: the actor may not see usage.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "usage.read", workspace=document.workspace_id)
    rows = Generation.objects.filter(document=document).order_by("-created_at", "-id")
    ids = list(rows.values_list("pk", flat=True))
    total = Spending()
    for attempts in _attempts(ids).values():
        for attempt in attempts:
            total.add(attempt)
    return DocumentSpending(
        total=total,
        generations=spending_of(rows.select_related("requested_by")[:_SHOWN]),
        more=max(0, len(ids) - _SHOWN),
    )


@dataclass(slots=True, kw_only=True)
class DocumentSum(Spending):
    """What a document used in a time.

    Args:
        deleted: it lies in the bin.
    """

    document_id: uuid.UUID
    title: str
    deleted: bool


def usage_by_document(
    *,
    actor: Actor,
    workspace: Workspace,
    since: dt.datetime,
    until: dt.datetime | None = None,
    limit: int = 200,
) -> tuple[list[DocumentSum], int]:
    """Sums by document, those that used most first. Editors see the workspace's calls, others the ones they asked for.

    Args:
        actor: who asks.
        workspace: one of the actor's.
        since: from here on.
        until: up to, not including.
        limit: how many documents.

    Returns:
        the sums, and how many more documents there are.

    Raises:
        NotFound, PermissionDenied: the usage of the workspace is not the actor's to see.
    """
    require(actor, "usage.read", workspace=workspace)
    rows = Generation.objects.in_workspace(workspace.pk).filter(document__isnull=False)
    rows = rows.filter(Q(finished_at__gte=since) | Q(finished_at=None))
    if until is not None:
        rows = rows.filter(created_at__lt=until)
    edits = Membership.objects.live().filter(user=actor.user, workspace=workspace, role=Membership.Role.EDITOR)
    if actor.user is not None and not edits.exists():
        rows = rows.filter(requested_by=actor.user)
    document_of = dict(rows.order_by().values_list("pk", "document"))
    found: dict[uuid.UUID, DocumentSum] = {}
    for subject, currency, calls, read, wrote, cost, unpriced in _sums_of(list(document_of), since, until):
        key = document_of[uuid.UUID(subject.partition(":")[2])]
        total = found.setdefault(key, DocumentSum(document_id=key, title="", deleted=False))
        total.calls += calls
        total.input_tokens += read
        total.output_tokens += wrote
        total.unpriced += unpriced
        if cost is not None and currency:
            # SQLite adds up as floating point; to the billionth the sum is exact again.
            total.costs[currency] = (total.costs.get(currency, Decimal(0)) + cost).quantize(Decimal(1).scaleb(-9))
    order = sorted(found.values(), key=lambda row: (-sum(row.costs.values()), -(row.input_tokens + row.output_tokens)))
    shown = order[:limit]
    named = Document.objects.filter(pk__in=[row.document_id for row in shown])
    titles = {pk: (title, deleted) for pk, title, deleted in named.values_list("pk", "title", "deleted_at")}
    for row in shown:
        row.title, deleted_at = titles.get(row.document_id, ("", None))
        row.deleted = deleted_at is not None
    return shown, len(order) - len(shown)


def _sums_of(
    ids: list[uuid.UUID], since: dt.datetime, until: dt.datetime | None
) -> Iterator[tuple[str, str, int, int, int, Decimal | None, int]]:
    """Sums of the calls of generations in a time, by subject and currency."""
    for start in range(0, len(ids), _AT_ONCE):
        subjects = [f"generation:{each}" for each in ids[start : start + _AT_ONCE]]
        calls = ModelCall.objects.filter(subject__in=subjects, started_at__gte=since)
        if until is not None:
            calls = calls.filter(started_at__lt=until)
        yield from (
            calls.order_by()
            .values("subject", "currency")
            .annotate(
                n=Count("pk"),
                read=Sum("input_tokens"),
                wrote=Sum("output_tokens"),
                money=Sum("cost"),
                # A call that is still running has no cost yet; it is not "unknown".
                unpriced=Count("pk", filter=Q(cost=None) & ~Q(state=ModelCall.State.RUNNING)),
            )
            .values_list("subject", "currency", "n", "read", "wrote", "money", "unpriced")
        )


def spending_of(generations: Iterable[Generation]) -> list[GenerationSpending]:
    """Generations with their attempts, in the order given."""
    rows = list(generations)
    attempts = _attempts([row.pk for row in rows])
    found = []
    for row in rows:
        total = Spending()
        for attempt in attempts[row.pk]:
            total.add(attempt)
        found.append(
            GenerationSpending(
                id=row.pk,
                kind=row.kind,
                kind_label=str(row.get_kind_display()),
                state=row.state,
                created_at=row.created_at,
                person=str(row.requested_by or ""),
                attempts=attempts[row.pk],
                total=total,
            )
        )
    return found


def _attempts(ids: list[uuid.UUID]) -> dict[uuid.UUID, list[AttemptSpending]]:
    found: dict[uuid.UUID, list[AttemptSpending]] = defaultdict(list)
    for start in range(0, len(ids), _AT_ONCE):
        subjects = [f"generation:{each}" for each in ids[start : start + _AT_ONCE]]
        for call in ModelCall.objects.filter(subject__in=subjects).order_by("subject", "number"):
            found[uuid.UUID(call.subject.partition(":")[2])].append(
                AttemptSpending(
                    number=call.number,
                    model=call.model,
                    profile=call.profile_name,
                    state=call.state,
                    error_kind=call.error_kind,
                    input_tokens=call.input_tokens,
                    output_tokens=call.output_tokens,
                    counted=call.usage_source == ModelCall.UsageSource.COUNTED,
                    cost=call.cost,
                    currency=call.currency,
                    ttft_ms=call.ttft_ms,
                    duration_ms=call.duration_ms,
                )
            )
    return found
