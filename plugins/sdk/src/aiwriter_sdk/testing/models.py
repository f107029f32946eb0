"""The conformance suite of model backends.

    class TestMyModel(ModelConformance):
        descriptor = descriptor

        def options(self):
            return {"base_url": self.url}

        def wire(self, request, scene):
            if scene.fault:
                return WireReply.json({"error": scene.fault}, status=FAULT_STATUS[scene.fault])
            if request.path == "/models":
                return WireReply.json({"models": ["small"]})
            return WireReply.lines([*({"text": piece} for piece in scene.pieces), {"done": scene.reason}])

A backend with the capability "offline" needs no `wire`; the rules that need one do not apply to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiwriter_sdk.errors import ContextTooLong, Unsupported
from aiwriter_sdk.grammar import EventGrammar, GrammarError
from aiwriter_sdk.models import (
    MODEL_CAPABILITIES,
    EmbedRequest,
    Finish,
    GenerateRequest,
    Message,
    ModelInfo,
    TextDelta,
)
from aiwriter_sdk.testing.model_stage import TEXTS
from aiwriter_sdk.testing.rules import rule
from aiwriter_sdk.testing.stage import CANARY, make_config, make_context, no_network
from aiwriter_sdk.testing.wire import WireReply
from aiwriter_sdk.testing.wire_rules import WireRules
from aiwriter_sdk.testing.wire_scenes import FAULT_STATUS, Scene, silent

__all__ = ["CANARY", "FAULT_STATUS", "ModelConformance", "Scene", "WireReply"]


class ModelConformance(WireRules):
    """Subclass it, give `descriptor`, `options` and, for a backend that speaks HTTP, `wire`; see `ModelStage`."""

    @rule("M01")
    def test_models_are_described(self) -> None:
        """`models()` names models with distinct ids, known capabilities, and sizes that are positive or None."""
        models = self.models()
        assert models, "models() is empty"
        ids = [model.id for model in models]
        assert len(set(ids)) == len(ids), "two models have the same id"
        for model in models:
            assert isinstance(model, ModelInfo), f"models() gave {type(model).__name__}"
            assert model.id, "a model has an empty id"
            assert not model.capabilities - MODEL_CAPABILITIES, f"{model.id} has unknown capabilities"
            for name in ("context_window", "max_output", "dimensions"):
                size = getattr(model, name)
                assert size is None or size > 0, f"{model.id}: {name} is {size!r}; unknown is None"

    @rule("M02", "generate")
    def test_events_follow_the_grammar(self) -> None:
        """Start first if at all, at most one Usage, exactly one Finish, last; counts are not negative."""
        events, grammar = self.write(self.build()), EventGrammar()
        try:
            for event in events:
                grammar.accept(event)
            grammar.end()
        except GrammarError as error:
            raise AssertionError(f"{error} The events were {events}") from None
        assert self.text(events), "no text came"

    @rule("M03", "generate", "offline")
    def test_offline_means_offline(self) -> None:
        """A backend that declares "offline" writes without any network."""
        backend, request = self.build(), self.request()
        with no_network() as attempts:
            self.write(backend, request)
        assert not attempts, f"it used the network: {attempts}"

    @rule("M04", "generate")
    def test_the_output_limit_is_honoured(self) -> None:
        """`max_output` reaches the provider, or an offline backend keeps to it and says "length"."""
        if not self.lacks("wire"):
            self.write(self.build(), self.with_options(max_output=1373))
            assert "1373" in self.stage.streams[-1].text(), "max_output was not sent"
            return
        whole = self.text(self.write(self.build()))
        events = self.write(self.build(), self.with_options(max_output=12))
        words = len(self.text(events).split())
        assert words <= 12, f"{words} words where at most 12 tokens were allowed"
        if len(whole.split()) > 12:
            assert events[-1] == Finish(reason="length"), f"the text was cut off and the end is {events[-1]}"

    @rule("M05", "generate")
    def test_stop_texts_are_honoured(self) -> None:
        """A stop text reaches the provider, or does not appear in the answer."""
        if not self.lacks("wire"):
            self.stage.scene = Scene(pieces=("before ", "QUOKKA-STOP", " after"))
            text = self.text(self.write(self.build(), self.with_options(stop=("QUOKKA-STOP",))))
            sent = "QUOKKA-STOP" in self.stage.streams[-1].text()
            assert sent or text == "before ", "the stop text was neither sent nor looked for in the answer"
            return
        words = self.text(self.write(self.build())).split()
        stop = words[len(words) // 2]
        text = self.text(self.write(self.build(), self.with_options(stop=(stop,))))
        assert stop not in text, f"the answer contains the stop text {stop!r}"

    @rule("M06", "generate")
    def test_closing_the_stream_stops_the_work(self) -> None:
        """`aclose()` after the first text ends within a second, and with it the provider's connection."""
        if not self.lacks("wire"):
            self.stage.bend = silent
        backend, request = self.build(), self.request()

        async def work() -> tuple[float, int, bool]:
            tasks = len(asyncio.all_tasks())
            stream = self.as_model(backend).stream(request, control=self.control())
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
            started = time.monotonic()
            await stream.aclose()  # type: ignore[attr-defined]
            took = time.monotonic() - started
            # Looked at while the loop runs: its end would close what the backend forgot.
            closed = bool(self.lacks("wire")) or await self.stage.last.closed_within(1.0)
            # Iterators inside the stream are let go by the loop in tasks of its own, a moment later.
            for _ in range(100):
                if len(asyncio.all_tasks()) <= tasks:
                    break
                await asyncio.sleep(0.01)
            return took, len(asyncio.all_tasks()) - tasks, closed

        took, tasks, closed = self.run(work())
        assert took < 1, f"aclose() took {took:.1f} s"
        assert tasks <= 0, f"{tasks} tasks still run after aclose()"
        assert closed, "the provider's connection is still open a second later"

    @rule("M07", "generate")
    def test_input_that_is_too_long_is_named(self) -> None:
        """A request beyond the context window raises ContextTooLong, unless the backend can take it."""
        if not self.lacks("wire"):
            backend, request = self.build(), self.request()
            self.stage.scene = Scene(fault="context")
            _, error = self.write_until_error(backend, request)
            assert isinstance(error, ContextTooLong), f"it raised {error!r}"
            return
        flood = Message(role="user", content="harbour " * 250_000)
        _, error = self.write_until_error(self.build(), self.with_messages(flood), seconds=20)
        assert error is None or isinstance(error, ContextTooLong), f"it raised {error!r}"

    @rule("M08", "generate", "system")
    def test_the_system_message_counts(self) -> None:
        """With "system": the system message reaches the model."""
        system = Message(role="system", content="You are terse. Marker: quokka-314.")
        events = self.write(self.build(), self.with_messages(system, *self.request().messages))
        assert self.text(events)
        if not self.lacks("wire"):
            assert "quokka-314" in self.stage.streams[-1].text(), "the system message was not sent"

    @rule("M09", "generate", "continue")
    def test_a_beginning_is_continued(self) -> None:
        """With "continue": text already written is handed on, and not repeated."""
        begun = "The harbour of Visby was dug by hand, quokka-271, and"
        request = self.with_messages(*self.request().messages, Message(role="assistant", content=begun))
        text = self.text(self.write(self.build(), request))
        assert not text.startswith(begun), "the text already written was repeated"
        if not self.lacks("wire"):
            assert "quokka-271" in self.stage.streams[-1].text(), "the text already written was not sent"

    @rule("M10", "generate", "json")
    def test_json_is_asked_for(self) -> None:
        """With "json": the schema reaches the provider, or an offline answer is JSON."""
        schema = {"type": "object", "properties": {"quokka": {"type": "string"}}, "required": ["quokka"]}
        events = self.write(self.build(), self.with_options(json_schema=schema))
        if self.lacks("wire"):
            assert "quokka" in json.loads(self.text(events))
        else:
            assert "quokka" in self.stage.streams[-1].text(), "the schema was not sent"

    @rule("M11", "generate", "no json")
    def test_json_is_refused_when_not_declared(self) -> None:
        """Without "json": a request for JSON raises Unsupported instead of prose that looks like an answer."""
        events, error = self.write_until_error(self.build(), self.with_options(json_schema={"type": "object"}))
        assert isinstance(error, Unsupported), f"it gave {len(events)} events and {error!r}"

    @rule("M12", "no embed")
    def test_embedding_is_refused_when_not_declared(self) -> None:
        """Without "embed": `embed()` raises Unsupported."""
        backend = self.as_model(self.build())
        self._expect_unsupported(lambda: backend.embed(EmbedRequest(model="m", texts=("a",)), control=self.control()))

    @rule("M13", "no count_tokens")
    def test_counting_is_refused_when_not_declared(self) -> None:
        """Without "count_tokens": `count_tokens()` raises Unsupported."""
        backend, request = self.as_model(self.build()), GenerateRequest(model="m", messages=())
        self._expect_unsupported(lambda: backend.count_tokens(request, control=self.control()))

    @rule("M14", "count_tokens")
    def test_tokens_are_counted(self) -> None:
        """With "count_tokens": longer requests have more tokens."""
        backend = self.as_model(self.build())
        short = self.with_messages(Message(role="user", content="harbour"))
        long = self.with_messages(Message(role="user", content="harbour and ferry " * 200))
        few = self.run(backend.count_tokens(short, control=self.control()))
        many = self.run(backend.count_tokens(long, control=self.control()))
        assert 0 < few < many, f"{few} tokens for one word, {many} for 600"

    @rule("E01", "embed")
    def test_embeddings_keep_order_and_number(self) -> None:
        """One vector for each text, in order, each as long as `dimensions` says; a batch equals single texts."""
        backend = self.build()
        whole = self.embed(backend, TEXTS)
        assert len(whole.vectors) == len(TEXTS), f"{len(whole.vectors)} vectors for {len(TEXTS)} texts"
        assert {len(vector) for vector in whole.vectors} == {whole.dimensions}, "a vector has another length"
        for text, vector in zip(TEXTS, whole.vectors, strict=True):
            alone = self.embed(backend, (text,)).vectors[0]
            apart = max(abs(a - b) for a, b in zip(alone, vector, strict=True))
            assert apart < 1e-4, f"{text!r} has another vector alone than in a batch; they differ by {apart:.2g}"

    @rule("E02", "embed")
    def test_large_batches_are_split(self) -> None:
        """300 texts give 300 vectors, whatever the provider takes at once."""
        texts = [f"sentence number {number}" for number in range(300)]
        result = self.embed(self.build(), texts)
        assert len(result.vectors) == 300, f"{len(result.vectors)} vectors for 300 texts"
        last = self.embed(self.build(), texts[-1:]).vectors[0]
        assert max(abs(a - b) for a, b in zip(last, result.vectors[-1], strict=True)) < 1e-4, "the order was lost"

    @rule("E03", "embed")
    def test_vectors_have_a_fingerprint(self) -> None:
        """The fingerprint is there, stable, and the declared dimensions are the real ones."""
        one, two = (self.embed(self.build(name=name), ("harbour",)) for name in ("a", "b"))
        assert one.fingerprint, "the fingerprint is empty"
        assert one.fingerprint == two.fingerprint, "two instances with the same settings have different fingerprints"
        declared = {m.dimensions for m in self.models() if m.id == self.model_for("embed")}
        assert declared <= {None, one.dimensions}, f"models() says {declared}, the vectors have {one.dimensions}"

    @rule("L01", "live", "generate", grade="recommended")
    def test_live_the_provider_writes(self) -> None:
        """Live: the provider is healthy and writes a few words."""
        config = make_config(self.descriptor, self.live_options(), self.live_secrets())
        backend = self._target()(config, make_context(self.tmp_path / "live"))
        health = self.run(backend.health(control=self.control(60)), limit=65)
        assert health.status != "fail", health.detail
        models = self.run(self.as_model(backend).models(control=self.control(60)), limit=65)
        model = self.model or next(m.id for m in models if "generate" in m.capabilities)
        ask = GenerateRequest(model=model, messages=(Message(role="user", content="Say hello."),), max_output=200)
        events, error = self.write_until_error(backend, ask, seconds=60)
        assert error is None, error
        assert self.text(events)

    def _expect_unsupported(self, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
        with contextlib.suppress(Unsupported):
            outcome = self.run(call())
            raise AssertionError(f"it gave {type(outcome).__name__} instead of raising Unsupported")
