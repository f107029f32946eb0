"""Having models write and embed: the one door through which the portal calls a model."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from aiwriter.core.errors import AppError, InvalidInput, Unavailable
from aiwriter.core.ids import uuid7
from aiwriter.core.threads import in_thread, to_the_end
from aiwriter.pluginhost import calls
from aiwriter_sdk import (
    BackendError,
    ContextTooLong,
    EmbedRequest,
    EmbedResult,
    GenerateRequest,
    RateLimited,
    Refused,
    TimedOut,
    Usage,
)
from aiwriter_sdk import Unavailable as BackendUnavailable
from apps.backends.models import Route
from apps.backends.selectors.clearance import Clearance, clearance_for
from apps.backends.selectors.routes import JudgedRoute, RouteStepView, judged_route
from apps.backends.services import cooldowns, metering
from apps.backends.services.attempts import Attempt
from apps.backends.services.chain import Chain, RetryPolicy
from apps.backends.services.clearing import NotCleared, ready_if_cleared, refuse
from apps.backends.services.counting import count_texts

# Below the worker's time limit of 900 s, so that a generation ends by itself and its outcome is written.
TOTAL_SECONDS = 840.0
EMBED_SECONDS = 120.0
_EMBED_RETRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCallSpec:
    """A wish for text.

    Args:
        purpose: "write", "edit" or "small"; chooses the chain.
        workspace_id: where; its budget pays.
        user_id: for whom.
        token_id: through which API token.
        subject: what for, "generation:<uuid>"; attempts are numbered within it.
        request: the conversation without the text so far; `model` is left empty.
        written: text already kept from earlier attempts; the answer goes on from its end.
        first_attempt_number: least number of the first attempt.
        untried: nobody has asked for this subject before, so there is nothing to settle and no number to look for.
        continue_on_length: how often a model that was cut off by its length limit is asked to go on.
        enough: characters after which it is not asked again; 0 for no such limit.
        seconds: for everything together, all attempts and waits.
        keep: makes all text so far durable. Awaited when an attempt has said everything and before it is settled, so
            that a process which is killed in between never has an attempt settled whose text is lost.
    """

    purpose: str
    workspace_id: uuid.UUID
    user_id: uuid.UUID | None
    subject: str
    request: GenerateRequest
    token_id: uuid.UUID | None = None
    written: str = ""
    first_attempt_number: int = 1
    untried: bool = False
    continue_on_length: int = 0
    enough: int = 0
    seconds: float = TOTAL_SECONDS
    keep: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """A backend is asked. `label` is what a writer reads."""

    call_id: uuid.UUID
    number: int
    profile_name: str
    plugin_key: str
    model: str
    label: str


@dataclass(frozen=True, slots=True)
class Delta:
    """Text to append."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """A backend failed; the text so far stays. `next_label` is "" when nobody follows."""

    call_id: uuid.UUID
    error_kind: str
    message: str
    remedy: str
    next_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The proper end, with the tokens and the cost of all attempts of this wish.

    Args:
        finish_reason: "stop", "length" or "filter".
        model: that wrote the end.
        cost: None when the price of an attempt is not known.
    """

    finish_reason: str
    model: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    currency: str


ModelEvent = AttemptStarted | Delta | AttemptEnded | Completed


async def open_model(spec: ModelCallSpec, *, policy: RetryPolicy | None = None) -> AsyncGenerator[ModelEvent, None]:
    """Have a text written by the chain of a purpose.

    Use it inside `contextlib.aclosing`. Closing it, or cancelling the task, stops the provider within a second and
    settles the attempt with what was used. No database connection is held while a model is waited for.

    Args:
        spec: what is wanted.
        policy: for retries; the usual one when left out.

    Raises:
        BudgetExceeded: before an attempt that the budget does not allow; text so far stays with the caller.
        Unavailable: nobody is set up, or the chain is at its end.
        ResidencyRefused: the rules of the workspace leave no backend. Nothing was sent.
        ConsentMissing: the person has not agreed to models outside, and there is no other.
        InvalidInput: the request is too long for every model, or was refused by a provider's policy.
    """
    steps = (await in_thread(_prepare, spec)).steps
    chain = Chain(steps, policy)
    step = chain.first()
    if step is None:
        raise _nobody(spec.purpose, steps)
    billing = metering.Billing(
        subject=spec.subject,
        purpose=spec.purpose,
        workspace_id=spec.workspace_id,
        user_id=spec.user_id,
        token_id=spec.token_id,
    )
    deadline = time.monotonic() + spec.seconds
    rounds = spec.continue_on_length
    written, untried = spec.written, spec.untried
    total = _Total()
    while True:
        left = deadline - time.monotonic()
        limits = calls.StreamLimits(total=max(1.0, left), first=min(90.0, max(1.0, left)))
        attempt = Attempt(billing, step, spec.request, written, limits)
        failure: BackendError | None = None
        state = "stopped"
        try:
            number = await attempt.open(first_number=spec.first_attempt_number, untried=untried)
            untried = False
            yield AttemptStarted(
                call_id=attempt.id,
                number=number,
                profile_name=step.profile.name,
                plugin_key=step.profile.plugin_key,
                model=step.model,
                label=step.label,
            )
            backend = await attempt.find_account()
            if chain.may_ask(attempt.account):
                async with aclosing(attempt.deltas(backend)) as deltas:
                    async for text in deltas:
                        written += text
                        yield Delta(text)
                state = "succeeded"
                if spec.keep:
                    await spec.keep()
            else:
                state, failure = "failed", _SameAccount()
        except BackendError as error:
            state, failure = "failed", error
        except AppError:
            state = "failed"
            raise
        finally:
            await attempt.settle(state, failure)
        total.add(attempt)
        if failure is None:
            await in_thread(cooldowns.note_success, step.profile)
            reason = attempt.finish.reason if attempt.finish else "stop"
            more = not spec.enough or len(written) < spec.enough
            if reason == "length" and rounds > 0 and attempt.delivered and more:
                rounds -= 1
                continue
            yield total.completed(reason, attempt.model)
            return
        step, wait = await _next(chain, attempt, failure, deadline)
        yield AttemptEnded(
            call_id=attempt.id,
            error_kind=failure.kind,
            message=failure.message,
            remedy=failure.remedy,
            next_label=step.label if step else "",
        )
        if step is None:
            raise _given_up(failure, attempt.step)
        if wait:
            await asyncio.sleep(wait)


class _SameAccount(BackendError):
    """This backend uses an account that has refused already; it was not asked."""

    kind = "skipped"


async def _next(
    chain: Chain, attempt: Attempt, failure: BackendError, deadline: float
) -> tuple[RouteStepView | None, float]:
    if isinstance(failure, _SameAccount | NotCleared):
        return chain.skip(), 0.0
    await in_thread(cooldowns.note_failure, attempt.step.profile, failure)
    move = chain.after(failure, account=attempt.account, wrote=attempt.delivered > 0, left=deadline - time.monotonic())
    return (move.step, move.wait) if move else (None, 0.0)


class _Total:
    """Tokens and cost of all attempts of a wish."""

    def __init__(self) -> None:
        self._input = self._output = 0
        self._cost: Decimal | None = Decimal(0)
        self._currency = ""

    def add(self, attempt: Attempt) -> None:
        """Count one attempt in. Costs in two currencies have no sum."""
        self._input += attempt.tokens.input_tokens
        self._output += attempt.tokens.output_tokens
        bill = attempt.bill
        if bill is None or self._cost is None or (bill.cost == 0 and not bill.currency):
            return
        if bill.cost is None or (self._currency and bill.currency != self._currency):
            self._cost, self._currency = None, ""
        else:
            self._cost, self._currency = self._cost + bill.cost, bill.currency

    def completed(self, reason: str, model: str) -> Completed:
        """The last event."""
        return Completed(
            finish_reason=reason,
            model=model,
            input_tokens=self._input,
            output_tokens=self._output,
            cost=self._cost,
            currency=self._currency,
        )


def _prepare(spec: ModelCallSpec) -> JudgedRoute:
    """Settle what a killed predecessor left behind, and load the chain.

    Raises:
        ResidencyRefused: none of its backends may be asked.
    """
    if not spec.untried:
        metering.settle_dead_attempts(spec.subject, spec.written)
    clearance = clearance_for(spec.workspace_id, user_id=spec.user_id)
    return _cleared_route(spec.purpose, spec.workspace_id, spec.user_id, clearance)


def _cleared_route(
    purpose: str, workspace_id: uuid.UUID | None, user_id: uuid.UUID | None, clearance: Clearance
) -> JudgedRoute:
    judged = judged_route(purpose, workspace_id, clearance)
    if judged.refused and not judged.steps:
        step, refusal = judged.refused[0]
        refuse(refusal, backend=step.profile.id, workspace_id=workspace_id, user_id=user_id)
    return judged


def _nobody(purpose: str, steps: Sequence[RouteStepView]) -> Unavailable:
    what = Route.Purpose(purpose).label.lower() if purpose in Route.Purpose.values else purpose
    if not steps:
        return Unavailable(
            f"No model is set up for {what}.",
            remedy="An operator sets one up in the console under Backends: a profile that is enabled, and a route.",
        )
    reasons = "; ".join(f"{step.profile.name}: {step.profile.cooldown_reason}" for step in steps)
    return Unavailable(
        f"Every backend for {what} is left alone for a while after failures ({reasons}).",
        remedy="Try again in some minutes. An operator can test the backends in the console, which ends the pause.",
    )


def _given_up(error: BackendError, step: RouteStepView) -> AppError:
    if isinstance(error, NotCleared):
        return error.refusal.error()
    message = f"{step.label}: {error.message}"
    if isinstance(error, ContextTooLong):
        return InvalidInput(message, remedy=error.remedy or "Use fewer or shorter sources, or a shorter text.")
    if isinstance(error, Refused):
        return InvalidInput(message, remedy=error.remedy or "Say it in other words.")
    return Unavailable(message, remedy=error.remedy or "Try again; if it stays, tell the operator.")


async def embed(
    *,
    workspace_id: uuid.UUID | None,
    user_id: uuid.UUID | None,
    texts: Sequence[str],
    purpose: Literal["document", "query"] = "document",
    token_id: uuid.UUID | None = None,
) -> EmbedResult:
    """Embed texts with the first backend of the route "embed" that the workspace's rules allow.

    The chain's other backends are not asked: their vectors could not be compared with those that are stored.

    Args:
        workspace_id: where; its budget pays.
        user_id: for whom.
        texts: in order; the vectors come in the same.
        purpose: "document" for what is searched in, "query" for what is searched for.
        token_id: through which API token.

    Raises:
        BudgetExceeded: the budget does not allow it.
        Unavailable: no embedder is set up, or it does not answer.
        ResidencyRefused: the rules of the workspace leave none.
        ConsentMissing: it is a model outside, and the person has not agreed to those.
        InvalidInput: a text is too long for it.
    """
    step = await in_thread(_embedder, workspace_id, user_id)
    billing = metering.Billing(
        subject=f"embed:{uuid7()}", purpose="embed", workspace_id=workspace_id, user_id=user_id, token_id=token_id
    )
    request = EmbedRequest(model=step.model, texts=list(texts), purpose=purpose)
    for tries_left in range(_EMBED_RETRIES, -1, -1):
        try:
            return await _embed_once(billing, step, request)
        except BackendError as error:
            if not isinstance(error, NotCleared):
                await in_thread(cooldowns.note_failure, step.profile, error)
            if not tries_left or not isinstance(error, RateLimited | BackendUnavailable | TimedOut):
                raise _given_up(error, step) from None
            asked = error.retry_after if isinstance(error, RateLimited) and error.retry_after else 0.0
            await asyncio.sleep(min(asked, 20.0) + random.uniform(0.1, 1.0))  # noqa: S311 - spreads load
    raise AssertionError("the loop returns or raises")


def _embedder(workspace_id: uuid.UUID | None, user_id: uuid.UUID | None = None) -> RouteStepView:
    # One embedder for all of a workspace: who has not agreed to it goes without, instead of filling a second index.
    clearance = clearance_for(workspace_id, user_id=user_id)
    steps = _cleared_route(Route.Purpose.EMBED, workspace_id, user_id, replace(clearance, withheld=None)).steps
    if not steps:
        raise _nobody(Route.Purpose.EMBED, steps)
    if refusal := clearance.refusal(steps[0].profile):
        refuse(refusal, backend=steps[0].profile.id, workspace_id=workspace_id, user_id=user_id)
    return steps[0]


async def _embed_once(billing: metering.Billing, step: RouteStepView, request: EmbedRequest) -> EmbedResult:
    call_id = uuid7()
    counted = count_texts(request.texts)
    begun = time.monotonic()
    state, error_kind, error_message = "stopped", "", ""
    tokens = Usage(input_tokens=counted, output_tokens=0)
    reported = False
    opening = in_thread(
        metering.open_attempt, call_id=call_id, billing=billing, step=step, input_tokens=counted, output_tokens=0
    )
    try:
        await to_the_end(opening)
        ready = await in_thread(
            ready_if_cleared, step.profile, workspace_id=billing.workspace_id, user_id=billing.user_id
        )
        result: EmbedResult = await calls.call(ready.backend, "embed", request, timeout=EMBED_SECONDS)
        if result.input_tokens is not None:
            tokens, reported = replace(tokens, input_tokens=result.input_tokens), True
        state = "succeeded"
    except BackendError as error:
        state, error_kind, error_message = "failed", error.kind, error.message
        raise
    finally:
        outcome = metering.Outcome(
            state=state,
            usage=tokens,
            counted=not reported,
            error_kind=error_kind,
            error_message=error_message,
            duration_ms=round((time.monotonic() - begun) * 1000),
            billed=state != "failed",
        )
        await to_the_end(in_thread(metering.settle_attempt, call_id, step, outcome))
    await in_thread(cooldowns.note_success, step.profile)
    return result


_fingerprints: dict[tuple[uuid.UUID, int, str], tuple[str, int]] = {}


async def embedder_fingerprint(workspace_id: uuid.UUID | None) -> tuple[str, int]:
    """Which vectors the embedder of a workspace makes: an id that changes when they stop being comparable, and their
    length. Asked of the backend once for each state of its settings and process.

    Raises:
        Unavailable: no embedder is set up, or it does not answer.
    """
    step = await in_thread(_embedder, workspace_id)
    key = (step.profile.id, step.profile.revision, step.model)
    if key not in _fingerprints:
        result = await embed(workspace_id=workspace_id, user_id=None, texts=["fingerprint"])
        _fingerprints[key] = (result.fingerprint, result.dimensions)
    return _fingerprints[key]


__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "Completed",
    "Delta",
    "ModelCallSpec",
    "ModelEvent",
    "embed",
    "embedder_fingerprint",
    "open_model",
]
