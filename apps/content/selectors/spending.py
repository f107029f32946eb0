"""Which model wrote what, and what it cost: per generation, per document."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from apps.backends.models import ModelCall
from apps.content.models import Generation
from apps.content.selectors.documents import get_document
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
