"""One row for each attempt: written before the provider is asked, settled once whatever becomes of it."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Max, Sum
from django.utils import timezone

from aiwriter.core import metrics, tracing
from aiwriter.core.errors import Conflict
from aiwriter_sdk import Pricing, Usage
from apps.backends.models import ModelCall
from apps.backends.selectors.profiles import ProfileView, price_overrides, profile_view
from apps.backends.selectors.routes import RouteStepView
from apps.backends.services.counting import cost_of, count_characters, count_text, pricing_of
from apps.monitoring.services import usage

log = logging.getLogger(__name__)

# A worker renews the sign of life of its calls every few seconds; two minutes without one and it is gone.
ABANDONED_AFTER = dt.timedelta(minutes=2)
_NUMBERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """What an attempt is for and whom it is billed to.

    Args:
        subject: "generation:<id>".
        purpose: of the route.
    """

    subject: str
    purpose: str
    workspace_id: uuid.UUID | None
    user_id: uuid.UUID | None
    token_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended.

    Args:
        state: "succeeded", "failed" or "stopped".
        usage: tokens, the provider's or counted.
        counted: whether we counted them.
        model: that really answered; "" for the one that was asked.
        output_chars: characters that were handed on.
        ttft_ms: until the first token.
        duration_ms: from the call to the end.
        billed: False when the provider never began, so that nothing is billed.
    """

    state: str
    usage: Usage
    counted: bool
    model: str = ""
    error_kind: str = ""
    error_message: str = ""
    finish_reason: str = ""
    output_chars: int = 0
    ttft_ms: int | None = None
    duration_ms: int = 0
    billed: bool = True


def open_attempt(
    *,
    call_id: uuid.UUID,
    billing: Billing,
    step: RouteStepView,
    input_tokens: int,
    output_tokens: int,
    first_number: int = 1,
    untried: bool = False,
) -> int:
    """Set the likely cost aside and write the attempt's row, in one transaction.

    Args:
        call_id: id of the row; chosen by the caller, who can then settle it whatever happens here.
        billing: see `Billing`.
        step: who will be asked.
        input_tokens: counted from the request.
        output_tokens: the most that is expected.
        first_number: least number of the row.
        untried: it is the first of its subject, as far as the caller knows.

    Returns:
        the attempt's number within its subject.

    Raises:
        BudgetExceeded: nothing was written.
    """
    pricing = _pricing(step.profile, step.model)
    estimate = usage.Estimate(
        tokens=input_tokens + output_tokens,
        cost=cost_of(Usage(input_tokens=input_tokens, output_tokens=output_tokens), pricing),
        currency=pricing.currency if pricing else "",
    )
    for _ in range(_NUMBERS):
        try:
            return _open(call_id, billing, step, input_tokens, estimate, first_number, untried)
        except IntegrityError:
            # Somebody else took the number: two processes believe that they hold the same generation. The fencing
            # number of its row decides between them; here each simply gets a number of its own.
            untried = False
    raise Conflict("The attempt could not be numbered.", remedy="Try again.")


@transaction.atomic
def _open(
    call_id: uuid.UUID,
    billing: Billing,
    step: RouteStepView,
    input_tokens: int,
    estimate: usage.Estimate,
    first_number: int,
    untried: bool,
) -> int:
    number = first_number
    if not untried:
        last = ModelCall.objects.filter(subject=billing.subject).aggregate(n=Max("number"))["n"] or 0
        number = max(last + 1, first_number)
    reservation_id = usage.reserve(
        subject=f"call:{call_id}",
        workspace_id=billing.workspace_id,
        user_id=billing.user_id,
        token_id=billing.token_id,
        estimate=estimate,
    )
    ModelCall.objects.create(
        id=call_id,
        subject=billing.subject,
        number=number,
        purpose=billing.purpose,
        workspace_id=billing.workspace_id,
        user_id=billing.user_id,
        token_id=billing.token_id,
        profile_id=step.profile.id,
        profile_name=step.profile.name,
        plugin_key=step.profile.plugin_key,
        model=step.model,
        reservation_id=reservation_id,
        input_tokens=input_tokens,
    )
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What an attempt cost; None when the price is not known."""

    cost: Decimal | None
    currency: str


def settle_attempt(call_id: uuid.UUID, step: RouteStepView, outcome: Outcome) -> Bill | None:
    """Write how an attempt ended and what it used.

    Returns:
        None when somebody settled it before, or it was never opened.
    """
    pricing = _pricing(step.profile, outcome.model or step.model, step.model)
    tokens = outcome.usage if outcome.billed else Usage(input_tokens=0, output_tokens=0)
    cost = cost_of(tokens, pricing) if outcome.billed else Decimal(0)
    currency = pricing.currency if pricing else ""
    values = {
        "state": outcome.state,
        "error_kind": outcome.error_kind,
        "error_message": outcome.error_message[:2000],
        "finish_reason": outcome.finish_reason,
        "input_tokens": tokens.input_tokens,
        "output_tokens": tokens.output_tokens,
        "cached_tokens": tokens.cached_tokens,
        "reasoning_tokens": tokens.reasoning_tokens,
        "usage_source": ModelCall.UsageSource.COUNTED if outcome.counted else ModelCall.UsageSource.PROVIDER,
        "cost": cost,
        "currency": currency,
        "ttft_ms": outcome.ttft_ms,
        "duration_ms": outcome.duration_ms,
        "output_chars": outcome.output_chars,
    }
    if outcome.model:
        values["model"] = outcome.model[:120]
    if not _settle(call_id, values, billed=outcome.billed):
        return None
    metrics.count_call(
        backend=step.profile.name,
        model=step.model,
        outcome=outcome.state,
        first_token_ms=outcome.ttft_ms,
        duration_ms=outcome.duration_ms,
        input_tokens=tokens.input_tokens,
        output_tokens=tokens.output_tokens,
        price=None if cost is None else float(cost),
        currency=currency,
    )
    if tracing.is_on():
        _trace(call_id, step, outcome, tokens)
    return Bill(cost=cost, currency=currency)


def _trace(call_id: uuid.UUID, step: RouteStepView, outcome: Outcome, tokens: Usage) -> None:
    """https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/, and no word of what was asked or written."""
    ended = timezone.now()
    embeds = ModelCall.objects.filter(pk=call_id, purpose="embed").exists()
    operation = "embeddings" if embeds else "chat"
    tracing.past(
        f"{operation} {step.model}",
        begun=ended - dt.timedelta(milliseconds=outcome.duration_ms),
        ended=ended,
        attributes={
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": step.profile.plugin_key,
            "gen_ai.request.model": step.model,
            "gen_ai.response.model": outcome.model or None,
            "gen_ai.response.finish_reasons": [outcome.finish_reason] if outcome.finish_reason else None,
            "gen_ai.usage.input_tokens": tokens.input_tokens,
            "gen_ai.usage.output_tokens": tokens.output_tokens,
            "aiwriter.first_token_ms": outcome.ttft_ms,
        },
        error=outcome.error_kind,
    )


def settle_dead_attempts(subject: str, written: str) -> int:
    """Settle what a killed process left running, for the successor that goes on with its text.

    Args:
        subject: whose attempts. Only its present holder may call this: any running attempt counts as dead.
        written: the whole text that was kept; what settled attempts did not deliver of it, the dead one did.

    Returns:
        how many were settled.
    """
    calls = ModelCall.objects.of_subject(subject)
    dead = list(calls.running().select_related("profile"))
    if not dead:
        return 0
    known = calls.exclude(state=ModelCall.State.RUNNING).aggregate(n=Sum("output_chars"))["n"] or 0
    rest = written[known:]
    for call in dead:
        # Only one can have been writing at a time; of several the last one wrote the rest.
        text = rest if call is dead[-1] else ""
        _abandon(call, output_tokens=count_text(text), output_chars=len(text))
    return len(dead)


def said_all(subject: str, written: str) -> str:
    """Why the model stopped, when its newest attempt came to an end and all of it was kept.

    A worker can die between the end of an attempt and the note that the text is whole; its successor must not pay for
    the same text again.

    Args:
        subject: whose attempts.
        written: the text that was kept.

    Returns:
        "stop" or "filter"; "" while there is text to come, or some that was delivered is lost.
    """
    calls = list(ModelCall.objects.of_subject(subject).values_list("state", "finish_reason", "output_chars"))
    if not calls or calls[-1][0] != ModelCall.State.SUCCEEDED or calls[-1][1] == "length":
        return ""
    return str(calls[-1][1]) if sum(chars for *_, chars in calls) <= len(written) else ""


def settle_abandoned_calls(*, older_than: dt.timedelta = ABANDONED_AFTER) -> int:
    """Settle attempts whose process has shown no sign of life for a while and that nobody took over.

    Returns:
        how many were settled.
    """
    border = timezone.now() - older_than
    gone = ModelCall.objects.running().filter(heartbeat_at__lt=border).select_related("profile")
    settled = 0
    for call in gone:
        settled += _abandon(call, output_tokens=count_characters(call.output_chars), output_chars=call.output_chars)
    return settled


def _abandon(call: ModelCall, *, output_tokens: int, output_chars: int) -> bool:
    tokens = Usage(input_tokens=call.input_tokens, output_tokens=output_tokens)
    pricing = _pricing(profile_view(call.profile), call.model) if call.profile else None
    values = {
        "state": ModelCall.State.ABANDONED,
        "error_kind": "abandoned",
        "error_message": "The process that made the call ended before the call did.",
        "output_tokens": output_tokens,
        "output_chars": output_chars,
        "usage_source": ModelCall.UsageSource.COUNTED,
        "cost": cost_of(tokens, pricing),
        "currency": pricing.currency if pricing else "",
        "duration_ms": max(0, int((call.heartbeat_at - call.started_at).total_seconds() * 1000)),
    }
    return _settle(call.pk, values, billed=True)


@transaction.atomic
def _settle(call_id: uuid.UUID, values: dict[str, object], *, billed: bool) -> bool:
    # The row leaves "running" once; whoever makes it do so settles the budget in the same transaction.
    running = ModelCall.objects.running().filter(pk=call_id)
    if not running.update(finished_at=timezone.now(), **values):
        return False
    names = ("input_tokens", "output_tokens", "cached_tokens", "cost", "currency", "purpose", "model")
    rows = ModelCall.objects.filter(pk=call_id).values(*names, "reservation_id", "profile_name", "duration_ms")
    call = rows.get()
    if (reservation_id := call["reservation_id"]) is None:
        return True
    used = usage.Used(
        **{name: call[name] for name in names},
        profile=call["profile_name"],
        duration_ms=call["duration_ms"] or 0,
    )
    usage.settle(reservation_id, used=used if billed else None)
    return True


def _pricing(profile: ProfileView, *models: str) -> Pricing | None:
    """The price of the first of these models that has one."""
    overrides = price_overrides([profile.id])
    for model in models:
        chosen = overrides.get((profile.id, model)) or overrides.get((profile.id, "*"))
        info = profile.model(model)
        if pricing := pricing_of(chosen, info.pricing if info else None):
            return pricing
    return None
