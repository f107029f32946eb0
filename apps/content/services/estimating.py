"""What a wish is likely to use and to cost, told before it is sent.

Tokens are first guessed from the brief: the request is built as it would be sent, without the passages, which are not
looked up yet. Then the guess is corrected by what earlier wishes of the same kind in this workspace really used: each
keeps its own guess (`Generation.input["estimate"]`), and the calls that it made tell the truth.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Sum

from aiwriter.core.errors import InvalidInput
from apps.backends.models import ModelCall
from apps.backends.services.counting import count_request, count_text
from apps.backends.services.estimating import ModelEstimate, Span, estimate_models
from apps.content.models import Generation, Source
from apps.content.selectors.documents import get_document
from apps.content.services.briefs import check_brief
from apps.content.services.prompts import MAX_CONTEXT, PASSAGES, PURPOSES, build_request
from apps.monitoring.selectors.usage import BudgetState, binding_budgets, states_of
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require

# One word of English or German prose is about four thirds of a token in the common tokenizers.
_TOKENS_A_WORD = 4 / 3
_PASSAGE_TOKENS = 180
_DEFAULT_WORDS = {"draft": (400, 1_200), "outline": (80, 300), "section": (150, 500), "title": (3, 15)}
# How much longer or shorter than the selection an answer is.
_FACTORS = {"shorten": (0.3, 0.7), "expand": (1.5, 2.5), "summarise": (0.1, 0.4), "continue": (0.3, 1.5)}
_FACTOR = (0.8, 1.3)
_RECORDED, _ENOUGH = 40, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far earlier guesses were from the truth.

    Args:
        calls: wishes that were compared.
        input_ratio, output_ratio: real tokens by guessed ones, the median; 1.0 is a perfect guess.
    """

    calls: int
    input_ratio: float = 1.0
    output_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WishEstimate:
    """What a wish is likely to use.

    Args:
        models: who would answer, then the fallbacks; empty when no model is set up.
        budgets: those that would be booked, with what is left of them.
        calibration: see `Calibration`.
    """

    kind: str
    input_tokens: Span
    output_tokens: Span
    models: list[ModelEstimate]
    budgets: list[BudgetState]
    calibration: Calibration

    @property
    def model(self) -> ModelEstimate | None:
        """Who would answer: the first that calls pass to now."""
        return next((each for each in self.models if each.healthy), self.models[0] if self.models else None)

    @property
    def fallbacks(self) -> list[ModelEstimate]:
        """Who follows when it fails."""
        first = self.model
        return [each for each in self.models if each is not first]

    @property
    def refusing(self) -> list[BudgetState]:
        """Hard budgets that are used up, or have less left than the least that is expected."""
        return [state for state in self.budgets if state.budget.hard and self._beyond(state)]

    def _beyond(self, state: BudgetState) -> bool:
        tokens, cost, first = state.remaining_tokens, state.remaining_cost, self.model
        if tokens is not None and (tokens == 0 or tokens < self.input_tokens.low + self.output_tokens.low):
            return True
        if cost is None:
            return False
        if first is None or first.cost_low is None or first.currency != state.budget.currency:
            return cost == 0 or state.budget.refuse_unpriced
        return cost == 0 or cost < first.cost_low


def estimate_wish(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    kind: str,
    brief: Mapping[str, Any],
    document_id: uuid.UUID | str | None = None,
    source_ids: Collection[uuid.UUID | str] | None = None,
) -> WishEstimate:
    """What `start_generation` with the same arguments is likely to use and to cost. Calls nobody, books nothing.

    Raises:
        NotFound, PermissionDenied: workspace or document are not the actor's.
        InvalidInput: the brief cannot be used.
    """
    require(actor, "content.generate", workspace=workspace)
    room = workspace if isinstance(workspace, Workspace) else get_workspace(actor, workspace)
    if kind not in Generation.Kind.values:
        raise InvalidInput(f"'{kind}' is no kind.", field="kind", remedy=f"Use {', '.join(Generation.Kind.values)}.")
    context: dict[str, Any] = {}
    if document_id:
        document = get_document(actor=actor, document_id=document_id)
        context = {"title": document.title, "body": document.body_markdown[-MAX_CONTEXT:]}
    checked = check_brief(kind, brief, has_document=bool(document_id))
    return _estimated(actor, room, kind, *guess(kind, checked, context, passages=_passages(room, kind, source_ids)))


def estimate_wishes(
    *,
    actor: Actor,
    workspace: Workspace,
    kind: str,
    briefs: Sequence[Mapping[str, Any]],
    count: int,
    source_ids: Collection[uuid.UUID | str] | None = None,
) -> WishEstimate:
    """What many wishes are likely to use together.

    Args:
        actor: who asks.
        workspace: a row that was loaded for this actor.
        kind: of all of them.
        briefs: some of them, checked; the others are taken to be like them.
        count: how many there are in all.
        source_ids: as for `start_generation`.

    Raises:
        PermissionDenied: the workspace is not the actor's to write in.
        InvalidInput: there is no brief.
    """
    require(actor, "content.generate", workspace=workspace)
    if not briefs:
        raise InvalidInput("Nothing is to be written.", remedy="Bring at least one row that can be used.")
    most = _passages(workspace, kind, source_ids)
    guesses = [guess(kind, brief, {}, passages=most) for brief in briefs]
    reading, writing = _mean([each for each, _ in guesses]), _mean([each for _, each in guesses])
    one = _estimated(actor, workspace, kind, reading, writing)
    # Each is priced alone, since a model's limit of output holds for each.
    return replace(
        one,
        input_tokens=_times(one.input_tokens, count),
        output_tokens=_times(one.output_tokens, count),
        models=[
            replace(
                each,
                cost_low=None if each.cost_low is None else each.cost_low * count,
                cost_high=None if each.cost_high is None else each.cost_high * count,
            )
            for each in one.models
        ],
    )


def _estimated(actor: Actor, room: Workspace, kind: str, guess_in: Span, guess_out: Span) -> WishEstimate:
    known = calibration(room.pk, kind)
    input_tokens, output_tokens = _times(guess_in, known.input_ratio), _times(guess_out, known.output_ratio)
    return WishEstimate(
        kind=kind,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        models=estimate_models(
            purpose=PURPOSES[kind],
            workspace_id=room.pk,
            user_id=actor.user_id,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        ),
        budgets=states_of(list(binding_budgets(room.pk, actor.user_id, actor.token_id))),
        calibration=known,
    )


def guess(
    kind: str, brief: Mapping[str, Any], context: Mapping[str, Any], *, passages: int | None = None
) -> tuple[Span, Span]:
    """Tokens in and out, guessed from the brief alone.

    Args:
        kind: one of `Generation.Kind`.
        brief: checked.
        context: "title" and "body" of the document.
        passages: the most that can be found; the kind's own number when left out.
    """
    bare = count_request(build_request(kind=kind, brief=brief, context=context, passages=[]))
    most = PASSAGES.get(kind, 0) if passages is None else passages
    return Span(bare, bare + most * _PASSAGE_TOKENS), _output(kind, brief)


def estimate_note(kind: str, brief: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, list[int]]:
    """The guess as a generation keeps it, so that it can be compared with the truth."""
    input_tokens, output_tokens = guess(kind, brief, context)
    return {
        "input": [input_tokens.low, input_tokens.high],
        "output": [output_tokens.low, output_tokens.high],
    }


def calibration(workspace_id: uuid.UUID, kind: str) -> Calibration:
    """Compare the newest finished wishes of a kind with what they had been guessed to use."""
    rows = (
        Generation.objects.in_workspace(workspace_id)
        .filter(kind=kind, state=Generation.State.SUCCEEDED)
        .order_by("-created_at")
        .values_list("pk", "input__estimate")[:_RECORDED]
    )
    noted = {f"generation:{pk}": note for pk, note in rows if isinstance(note, dict)}
    if not noted:
        return Calibration(calls=0)
    sums = (
        ModelCall.objects.filter(subject__in=noted, state=ModelCall.State.SUCCEEDED)
        .order_by()
        .values("subject")
        .annotate(read=Sum("input_tokens"), wrote=Sum("output_tokens"))
    )
    ratios_in, ratios_out = [], []
    for row in sums:
        note = noted[row["subject"]]
        ratios_in.append(row["read"] / max(1.0, sum(note["input"]) / 2))
        ratios_out.append(row["wrote"] / max(1.0, sum(note["output"]) / 2))
    if len(ratios_in) < _ENOUGH:
        return Calibration(calls=len(ratios_in))
    return Calibration(calls=len(ratios_in), input_ratio=_median(ratios_in), output_ratio=_median(ratios_out))


def _output(kind: str, brief: Mapping[str, Any]) -> Span:
    if kind == Generation.Kind.REWRITE:
        least, most = _FACTORS.get(str(brief.get("action")), _FACTOR)
        tokens = count_text(str(brief.get("text") or ""))
        return Span(max(1, round(tokens * least)), max(1, round(tokens * most)))
    low, high = _DEFAULT_WORDS.get(kind, (200, 1_000))
    if kind in ("draft", "section") and isinstance(brief.get("length"), int):
        low, high = round(brief["length"] * 0.6), round(brief["length"] * 1.3)
    return Span(max(1, round(low * _TOKENS_A_WORD)), max(1, round(high * _TOKENS_A_WORD)))


def _passages(room: Workspace, kind: str, source_ids: Collection[uuid.UUID | str] | None) -> int:
    most = PASSAGES.get(kind, 0)
    if source_ids is not None and not source_ids:
        return 0
    if source_ids is None and not Source.objects.filter(workspace=room, state=Source.State.READY).exists():
        return 0
    return most


def _times(span: Span, ratio: float) -> Span:
    return Span(max(1, round(span.low * ratio)), max(1, round(span.high * ratio)))


def _mean(spans: Sequence[Span]) -> Span:
    count = len(spans)
    return Span(round(sum(each.low for each in spans) / count), round(sum(each.high for each in spans) / count))


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return round(max(0.05, min(median, 20.0)), 3)
