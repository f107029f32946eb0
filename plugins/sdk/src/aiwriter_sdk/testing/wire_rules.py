"""Rules about how a model backend speaks to its provider, tried over real connections.

What it sends, how it reads streams that come in odd pieces, and what it makes of a provider that fails.
"""

from __future__ import annotations

import asyncio
import time

from aiwriter_sdk.errors import AuthFailed, BackendError, QuotaExceeded, RateLimited, TimedOut, Unavailable
from aiwriter_sdk.models import Event, Finish, Message, Usage
from aiwriter_sdk.testing.model_stage import TEXTS, ModelStage
from aiwriter_sdk.testing.rules import rule
from aiwriter_sdk.testing.stage import CANARY, everything_said
from aiwriter_sdk.testing.wire_scenes import Bend, Fault, Scene, bytewise, cut, garbled, merged, mute, truncated

_ODD = ("Grüße, ", "漢字", " and 🙂\u200d🔬", "\nline two\u2028", "\tтаб", ' "quoted" \\ ', "e\u0301nd")


class WireRules(ModelStage):
    """The rules that need a provider's test server; see `ModelConformance`."""

    def _play(self, scene: Scene, bend: Bend | None = None) -> list[Event]:
        self.stage.scene, self.stage.bend = scene, bend
        return self.write(self.build())

    def _fail(self, fault: Fault, *, retry_after: str | None = None) -> BaseException | None:
        backend, request = self.build(), self.request()
        self.stage.scene, self.stage.retry_after = Scene(fault=fault), retry_after
        before = len(self.stage.server.exchanges)
        events, error = self.write_until_error(backend, request)
        assert not self.text(events), "text came out of an error"
        asked = len(self.stage.server.exchanges) - before
        assert asked == 1, f"the backend asked {asked} times; trying again is the portal's business"
        return error

    def _break(self, bend: Bend) -> tuple[str, BaseException | None]:
        backend, request = self.build(), self.request()
        self.stage.bend = bend
        events, error = self.write_until_error(backend, request)
        assert not any(isinstance(event, Finish) for event in events), "it says Finish although the answer broke off"
        return self.text(events), error

    @rule("W01", "wire", "generate")
    def test_the_request_is_sent_whole(self) -> None:
        """The writer's words, of any script, reach the provider, with the model's id."""
        words = 'naïve 漢字 🙂 \u2028 "quoted" back\\slash'
        self.write(self.build(), self.with_messages(Message(role="user", content=words)))
        request = self.stage.streams[-1]
        sent = (request.json() or {}) if request.body else {}
        assert words in _texts(sent), f"not found in {request.text()[:500]}"
        assert self.model_for("generate") in f"{request.path} {request.text()}", "the model's id was not sent"

    @rule("W02", "wire", "generate")
    def test_the_answer_arrives_whole(self) -> None:
        """The deltas joined are exactly the provider's text, of any script."""
        scene = Scene(pieces=_ODD)
        assert self.text(self._play(scene)) == scene.text

    @rule("W03", "wire", "generate")
    def test_pieces_may_be_split_anywhere(self) -> None:
        """The same text when every byte arrives by itself: characters and events are split."""
        scene = Scene(pieces=_ODD)
        assert self.text(self._play(scene, bytewise)) == scene.text

    @rule("W04", "wire", "generate")
    def test_pieces_may_arrive_at_once(self) -> None:
        """The same text when all events arrive in one piece, one of them very long."""
        scene = Scene(pieces=(*_ODD, "long " * 60_000))
        assert self.text(self._play(scene, merged)) == scene.text

    @rule("W05", "wire", "generate")
    def test_usage_is_what_the_provider_counted(self) -> None:
        """The tokens reported are the provider's."""
        found = [event for event in self._play(Scene(usage=(1234, 567))) if isinstance(event, Usage)]
        assert found, "no Usage came although the provider reports it"
        assert (found[0].input_tokens, found[0].output_tokens) == (1234, 567), f"{found[0]}"

    @rule("W06", "wire", "generate")
    def test_missing_usage_is_not_invented(self) -> None:
        """A provider that reports no tokens gives no Usage, or one that says it is estimated."""
        found = [event for event in self._play(Scene(usage=None)) if isinstance(event, Usage)]
        assert all(event.estimated for event in found), f"{found} where the provider reported nothing"

    @rule("W07", "wire", "generate")
    def test_the_reason_of_the_end_is_told(self) -> None:
        """An answer that was cut off at its limit ends with "length"."""
        assert Finish(reason="length") in self._play(Scene(reason="length"))

    @rule("W08", "wire", "generate", grade="recommended")
    def test_the_filter_is_told(self) -> None:
        """An answer that the provider's filter ended ends with "filter"."""
        assert Finish(reason="filter") in self._play(Scene(reason="filter"))

    @rule("W10", "wire", "secrets")
    def test_a_wrong_key_is_named(self) -> None:
        """A refused key raises AuthFailed, in the health probe as well as while writing or embedding."""
        backend = self.build()
        if "generate" in self.descriptor.capabilities:
            error = self._fail("auth")
            assert isinstance(error, AuthFailed), f"it raised {error!r}"
        self.stage.scene = Scene(fault="auth")
        try:
            health = self.run(backend.health(control=self.control()))
        except AuthFailed:
            return
        assert health.status == "fail", f"health is {health.status} with a wrong key"

    @rule("W11", "wire", "generate")
    def test_slow_down_is_named(self) -> None:
        """Status 429 raises RateLimited with the provider's Retry-After in seconds, after one attempt."""
        error = self._fail("rate", retry_after="7")
        assert isinstance(error, RateLimited), f"it raised {error!r}"
        assert error.retry_after == 7, f"retry_after is {error.retry_after!r}, the provider said 7"

    @rule("W12", "wire", "generate")
    def test_an_empty_account_is_named(self) -> None:
        """No credit left raises QuotaExceeded, which the portal does not try again, after one attempt."""
        error = self._fail("quota")
        assert isinstance(error, QuotaExceeded), f"it raised {error!r}"

    @rule("W13", "wire", "generate")
    def test_a_failing_provider_is_named(self) -> None:
        """Status 500 raises Unavailable, after one attempt."""
        error = self._fail("server")
        assert isinstance(error, Unavailable), f"it raised {error!r}"

    @rule("W14", "wire")
    def test_an_unreachable_provider_is_named(self) -> None:
        """No server at the address raises Unavailable, and the health probe does not say ok."""
        backend = self.build()
        if "generate" in self.descriptor.capabilities:
            request = self.request()
            self.stage.stop()
            _, error = self.write_until_error(backend, request)
            assert isinstance(error, Unavailable), f"it raised {error!r}"
        self.stage.stop()
        try:
            health = self.run(backend.health(control=self.control()))
        except (Unavailable, TimedOut):
            return
        assert health.status == "fail", f"health is {health.status} without a provider"

    @rule("W15", "wire", "generate")
    def test_a_broken_connection_is_named(self) -> None:
        """A connection cut inside the answer raises a retryable error after the text so far, and nobody asks again."""
        text, error = self._break(cut)
        assert isinstance(error, BackendError), f"it raised {error!r}"
        assert error.retryable, f"{type(error).__name__} is not retryable"
        assert text, "the text that had arrived was lost"
        assert self.stage.scene.text.startswith(text), f"the text is {text!r}"
        assert len(self.stage.streams) == 1, f"the backend asked {len(self.stage.streams)} times"

    @rule("W16", "wire", "generate")
    def test_a_missing_end_is_noticed(self) -> None:
        """An answer that ends without the provider's sign of the end is an error, not a finished text."""
        _, error = self._break(truncated)
        assert isinstance(error, BackendError), f"it ended with {error!r}"
        assert error.retryable, f"{type(error).__name__} is not retryable"

    @rule("W17", "wire", "generate")
    def test_a_garbled_event_is_noticed(self) -> None:
        """An event that cannot be read raises a BackendError: neither another exception nor a text with a hole."""
        _, error = self._break(garbled)
        assert isinstance(error, BackendError), f"it ended with {error!r}"

    @rule("W18", "wire", "generate")
    def test_the_deadline_holds(self) -> None:
        """A provider that says nothing is given up at the deadline with TimedOut; the connection is closed."""
        backend, request = self.build(), self.request()
        self.stage.bend = mute

        async def work() -> tuple[BaseException | None, float, bool]:
            error: BaseException | None = None
            started = time.monotonic()
            try:
                async for _ in self.as_model(backend).stream(request, control=self.control(0.6)):
                    pass
            except Exception as caught:  # noqa: BLE001 - judged below
                error = caught
            took = time.monotonic() - started
            return error, took, await self.stage.last.closed_within(1.0)

        error, took, closed = self.run(work())
        assert isinstance(error, TimedOut), f"it raised {error!r} after {took:.1f} s"
        assert took < 2, f"it took {took:.1f} s; the deadline was 0.6 s away"
        assert closed, "the provider's connection is still open a second later"

    @rule("W19", "wire", "generate")
    def test_a_cancelled_task_stops_the_work(self) -> None:
        """Cancelling while the provider is silent passes CancelledError on and closes its connection in a second."""
        backend, request = self.build(), self.request()
        self.stage.bend = mute

        async def work() -> tuple[bool, float, bool]:
            async def consume() -> None:
                async for _ in self.as_model(backend).stream(request, control=self.control()):
                    pass

            task = asyncio.create_task(consume())
            while not self.stage.streams:  # noqa: ASYNC110 - filled by the thread of the server
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            started = time.monotonic()
            task.cancel()
            await asyncio.wait({task}, timeout=3)
            took = time.monotonic() - started
            return task.done() and task.cancelled(), took, await self.stage.last.closed_within(1.0)

        cancelled, took, closed = self.run(work())
        assert cancelled, "CancelledError did not come out of the stream"
        assert took < 1, f"it took {took:.1f} s"
        assert closed, "the provider's connection is still open a second later"

    @rule("W20", "wire")
    def test_health_holds_the_deadline(self) -> None:
        """The health probe gives up at its deadline, and asks for no text, which would cost money."""
        backend = self.build()
        self.stage.delay = 30
        started = time.monotonic()
        try:
            health = self.run(backend.health(control=self.control(0.6)))
            assert health.status == "fail", f"health is {health.status} while the provider is silent"
        except (TimedOut, Unavailable):
            pass
        took = time.monotonic() - started
        assert took < 2, f"it took {took:.1f} s; the deadline was 0.6 s away"
        assert not self.stage.streams, "the probe asked for text"

    @rule("W21", "wire", "secrets")
    def test_errors_do_not_tell_secrets(self) -> None:
        """No secret in any exception, its causes, or the log, whatever the provider answers."""
        backend, request = self.build(), self.request() if "generate" in self.descriptor.capabilities else None
        said = ""
        for fault in ("auth", "quota", "rate", "server", "context"):
            self.stage.scene = Scene(fault=fault)
            if request is not None:
                _, error = self.write_until_error(backend, request)
                said += everything_said(error) if error else ""
            try:
                self.run(backend.health(control=self.control()))
            except Exception as problem:  # noqa: BLE001 - of any kind, it may not tell a secret
                said += everything_said(problem)
        for value in self.secrets().values():
            assert value not in said, "an exception tells a secret"
            assert value not in "\n".join(self.logs.lines), "the log tells a secret"

    @rule("W22", "wire", "secrets")
    def test_two_profiles_keep_their_keys_apart(self) -> None:
        """Two instances with different secrets, used in turn, each send their own."""
        names = self.descriptor.config.secret_names
        keys = [f"{CANARY}-{which}" for which in ("first", "second")]
        backends = [self.build(name=key, secrets=dict.fromkeys(names, key)) for key in keys]
        for _ in range(2):
            for key, other, backend in zip(keys, reversed(keys), backends, strict=True):
                before = len(self.stage.server.exchanges)
                if "generate" in self.descriptor.capabilities:
                    self.write(backend)
                else:
                    self.run(self.as_model(backend).embed(self.embed_request(TEXTS), control=self.control()))
                sent = "".join(
                    f"{request.path} {dict(request.headers)} {request.text()}"
                    for request in self.stage.server.requests[before:]
                    if request in self.stage.streams or "generate" not in self.descriptor.capabilities
                )
                assert key in sent, "its own secret was not sent"
                assert other not in sent, "the other profile's secret was sent"


def _texts(value: object) -> str:
    """All texts inside a JSON value, so that a search sees them as they are and not as JSON spells them."""
    if isinstance(value, dict):
        return "\n".join(_texts(part) for part in value.values())
    if isinstance(value, list):
        return "\n".join(_texts(part) for part in value)
    return value if isinstance(value, str) else ""
