"""One attempt to have a model write: asked, read, measured, settled."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from aiwriter.core.ids import uuid7
from aiwriter.core.threads import in_thread, to_the_end
from aiwriter.pluginhost import calls
from aiwriter_sdk import (
    BackendError,
    Finish,
    GenerateRequest,
    Message,
    ReasoningDelta,
    Start,
    TextDelta,
    Usage,
)
from apps.backends.selectors.routes import RouteStepView
from apps.backends.services import metering
from apps.backends.services.clearing import ready_if_cleared
from apps.backends.services.counting import count_request, count_text
from apps.backends.services.heartbeats import Pulse, beating
from apps.backends.services.joining import joiner

# What is set aside for the answer of a model that names no limit, in tokens; settled with what it really writes.
_LIKELY_OUTPUT = 2_000


class Attempt:
    """One attempt. Call `open`, read `deltas` inside `aclosing`, then `settle` whatever happened.

    Args:
        billing: what for, and for whom.
        step: who is asked.
        request: what the caller wants; model, options and the text so far are filled in here.
        written: the text so far.
        limits: of time and size.

    Attributes:
        account: names the account that was asked, see `instances.Ready`.
        delivered: characters handed on.
        finish: the proper end, once it came.
        bill: what it cost, once it is settled.
    """

    def __init__(
        self,
        billing: metering.Billing,
        step: RouteStepView,
        request: GenerateRequest,
        written: str,
        limits: calls.StreamLimits,
    ) -> None:
        self.id: uuid.UUID = uuid7()
        self.step = step
        self.account = ""
        self.delivered = 0
        self.finish: Finish | None = None
        self.bill: metering.Bill | None = None
        self.model = step.model
        self.tokens = Usage(input_tokens=0, output_tokens=0)
        self._billing = billing
        self._limits = limits
        self._written = written
        self._request = self._filled(request)
        self._input = count_request(self._request)
        self._usage: Usage | None = None
        self._begun = time.monotonic()
        self._first: float | None = None
        self._answered = False
        self._raw: list[str] = []

    def _filled(self, request: GenerateRequest) -> GenerateRequest:
        messages = list(request.messages)
        if self._written:
            messages.append(Message(role="assistant", content=self._written))
        options: dict[str, Any] = {
            name: self.step.options[name]
            for name in ("temperature", "seed")
            if getattr(request, name) is None and self.step.options.get(name) is not None
        }
        limit = self.step.options.get("max_output")
        if limit is not None:
            options["max_output"] = min(limit, request.max_output or limit)
        return replace(request, model=self.step.model, messages=messages, request_id=str(self.id), **options)

    async def open(self, *, first_number: int, untried: bool = False) -> int:
        """Set the likely cost aside and write the row. Returns the attempt's number.

        Raises:
            BudgetExceeded: the budget does not allow it.
        """
        info = self.step.info
        limits = [self._request.max_output, info.max_output if info else None]
        most = min((limit for limit in limits if limit), default=_LIKELY_OUTPUT)
        # To the end: a row that appeared after a cancelled caller had settled it would stay running.
        return await to_the_end(
            in_thread(
                metering.open_attempt,
                call_id=self.id,
                billing=self._billing,
                step=self.step,
                input_tokens=self._input,
                output_tokens=min(most, max(_LIKELY_OUTPUT, self._request.max_output or 0)),
                first_number=first_number,
                untried=untried,
            )
        )

    async def find_account(self) -> calls.BuiltBackend:
        """Build the backend, and learn whose account it uses.

        Raises:
            NotCleared: a rule has come since the chain was made; nothing is sent.
            ConfigInvalid: settings, secrets or plugin cannot be used.
        """
        ready = await in_thread(
            ready_if_cleared,
            self.step.profile,
            workspace_id=self._billing.workspace_id,
            user_id=self._billing.user_id,
        )
        self.account = ready.account
        return ready.backend

    async def deltas(self, backend: calls.BuiltBackend) -> AsyncGenerator[str, None]:
        """The text as it comes, joined to what was written before.

        Raises:
            BackendError: text given until then stays valid.
        """
        info = self.step.info
        abilities = info.capabilities if info else backend.descriptor.capabilities
        seam = joiner(self._written, continues="continue" in abilities)
        self._begun = time.monotonic()
        with beating(self.id) as pulse:
            async with aclosing(calls.stream(backend, self._request, self._limits)) as events:
                try:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            self._heard(event.text)
                            if text := seam.feed(event.text):
                                yield self._hand_on(text, pulse)
                        elif isinstance(event, ReasoningDelta):
                            self._heard(event.text)
                        elif isinstance(event, Start):
                            self._answered = True
                            self.model = event.model or self.model
                        elif isinstance(event, Usage):
                            self._answered = True
                            self._usage = event
                        elif isinstance(event, Finish):
                            self.finish = event
                except BackendError:
                    # What the seam held back belongs to the text that the next backend goes on from.
                    if text := seam.end():
                        yield self._hand_on(text, pulse)
                    raise
            if text := seam.end():
                yield self._hand_on(text, pulse)

    def _heard(self, text: str) -> None:
        self._answered = True
        if self._first is None:
            self._first = time.monotonic()
        self._raw.append(text)

    def _hand_on(self, text: str, pulse: Pulse) -> str:
        self.delivered += len(text)
        pulse.output_chars = self.delivered
        return text

    async def settle(self, state: str, error: BackendError | None = None) -> None:
        """Write how it ended. Runs to its end even when the caller is being cancelled."""
        counted = self._usage is None
        # A stopped or broken answer has no report, or one from before the end: then the text itself is counted.
        self.tokens = self._usage or Usage(input_tokens=self._input, output_tokens=count_text("".join(self._raw)))
        outcome = metering.Outcome(
            state=state,
            usage=self.tokens,
            counted=counted,
            model=self.model,
            error_kind=error.kind if error else "",
            error_message=error.message if error else "",
            finish_reason=self.finish.reason if self.finish else "",
            output_chars=self.delivered,
            ttft_ms=None if self._first is None else round((self._first - self._begun) * 1000),
            duration_ms=round((time.monotonic() - self._begun) * 1000),
            # Providers bill the prompt once they begin; a call that was refused before its first event is free.
            billed=state != "failed" or self._answered,
        )
        if not outcome.billed:
            self.tokens = Usage(input_tokens=0, output_tokens=0)
        self.bill = await to_the_end(in_thread(metering.settle_attempt, self.id, self.step, outcome))
