"""What the rules of model backends stand on: the provider's test server, a request, and ways to call the backend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from aiwriter_sdk.backend import Backend
from aiwriter_sdk.descriptor import Kind
from aiwriter_sdk.models import (
    EmbedRequest,
    EmbedResult,
    Event,
    GenerateRequest,
    Message,
    ModelBackend,
    ModelInfo,
    Passage,
    Task,
    TextDelta,
)
from aiwriter_sdk.testing.every_backend import BackendConformance
from aiwriter_sdk.testing.wire import WireReply, WireRequest
from aiwriter_sdk.testing.wire_scenes import Scene, Stage

TEXTS = ("A harbour at dawn.", "Ein Hafen am Morgen.", "夜明けの港", "x", "The ferry leaves at six, says the notice.")

# Nearly every rule needs the id of a model, and what `models()` says is a rule of its own.
_MODELS: dict[tuple[type[BackendConformance], str], str] = {}


class ModelStage(BackendConformance):
    """The part of `ModelConformance` that is no rule.

    Attributes:
        model: id of the model to use; the first that `models()` gives for the purpose when left empty.
        url: address of the suite's server, for the options.
        stage: the suite's server itself.
    """

    kind: ClassVar[Kind] = "model"
    model: ClassVar[str] = ""
    stage: Stage
    url: str

    def wire(self, request: WireRequest, scene: Scene) -> WireReply:
        """Answer one request as the provider would.

        Args:
            request: what the backend sent.
            scene: what to play. A stream of text is a `WireReply` with `stream` set and one step for each of the provider's
                events (`WireReply.sse` and `WireReply.lines` do so). Embeddings are `scene.vector(text)`.
        """
        raise AssertionError("this backend is not offline, so its test class has to give wire()")

    def request(self) -> GenerateRequest:
        """A request that the backend can answer; a rule-based backend may want another one."""
        question = "Write three sentences about the harbour of Visby — naïve, 漢字 and 🙂 included."
        return GenerateRequest(
            model=self.model_for("generate"),
            messages=(Message(role="user", content=question),),
            task=Task(kind="draft", instruction=question, params={"topic": "the harbour of Visby", "length": 120}),
            passages=(
                Passage(
                    marker="1",
                    title="Visby",
                    text="The harbour of Visby was dug by hand in 1810. Ferries have used it since 1865. "
                    "The harbour freezes in hard winters. A lighthouse marks the entrance of the harbour.",
                ),
                Passage(
                    marker="2",
                    title="Gotland",
                    text="Visby is the only town of Gotland. Its wall is three kilometres long. "
                    "Merchants from Visby sailed to Novgorod. The harbour made the town rich.",
                ),
            ),
        )

    @classmethod
    def lacks(cls, need: str) -> str:
        """See `Conformance.lacks`; "wire" is a backend that speaks HTTP, "live" an author who gave `live_options`."""
        if need == "wire":
            return "it works offline" if "offline" in cls.descriptor.capabilities else ""
        if need == "live":
            return "" if cls.live_options is not ModelStage.live_options else "no live_options() were given"
        return super().lacks(need)

    @contextlib.contextmanager
    def _scenery(self) -> Iterator[None]:
        self.stage = Stage(self.wire)
        server = self.stage.server
        try:
            self.url = server.start()
            yield
        finally:
            server.stop()
        assert not server.faults, f"wire() raised {server.faults[0]!r}"

    def exercise(self, backend: Backend) -> None:
        """Let the backend write, or embed where it only embeds."""
        if "generate" in self.descriptor.capabilities:
            self.write(backend)
        else:
            self.embed(backend, TEXTS)

    def write(self, backend: Backend, request: GenerateRequest | None = None) -> list[Event]:
        """All events of one stream; only one rule holds them to the grammar, so that one fault fails one rule."""
        events, error = self.write_until_error(backend, request)
        if error is not None:
            raise error
        return events

    def write_until_error(
        self, backend: Backend, request: GenerateRequest | None = None, *, seconds: float = 10.0
    ) -> tuple[list[Event], BaseException | None]:
        """The events that came, and what the stream ended with."""
        wanted = request or self.request()
        events: list[Event] = []

        async def work() -> BaseException | None:
            stream = self.as_model(backend).stream(wanted, control=self.control(seconds))
            assert hasattr(stream, "__aiter__"), "stream() must be an async generator: async def with yield"
            try:
                async for event in stream:
                    events.append(event)
            except Exception as error:  # noqa: BLE001 - the test judges it
                return error
            return None

        return events, self.run(work(), limit=seconds + 5)

    @staticmethod
    def text(events: Sequence[Event]) -> str:
        """The answer that the events make."""
        return "".join(event.text for event in events if isinstance(event, TextDelta))

    def embed(self, backend: Backend, texts: Sequence[str]) -> EmbedResult:
        """Embed texts as documents."""
        return self.run(self.as_model(backend).embed(self.embed_request(texts), control=self.control()))

    def embed_request(self, texts: Sequence[str]) -> EmbedRequest:
        """A request to embed texts as documents."""
        return EmbedRequest(model=self.model_for("embed"), texts=tuple(texts))

    @staticmethod
    def as_model(backend: Backend) -> ModelBackend:
        """The backend as what `build` has checked it to be."""
        return cast("ModelBackend", backend)

    def models(self) -> Sequence[ModelInfo]:
        """What a new instance says of its models."""
        return self.run(self.as_model(self.build(name="models")).models(control=self.control()))

    def model_for(self, capability: str) -> str:
        """Id of a model with the capability; asked of the provider once for a test class, while it plays no fault."""
        if self.model:
            return self.model
        if known := _MODELS.get((type(self), capability)):
            return known
        scene, self.stage.scene = self.stage.scene, Scene()
        delay, self.stage.delay = self.stage.delay, 0.0
        try:
            usable = [model.id for model in self.models() if capability in model.capabilities]
        finally:
            self.stage.scene, self.stage.delay = scene, delay
        assert usable, f"models() names no model with the capability {capability!r}"
        return _MODELS.setdefault((type(self), capability), usable[0])

    def with_messages(self, *messages: Message) -> GenerateRequest:
        """The usual request with other messages."""
        return replace(self.request(), messages=messages)

    def with_options(self, **options: Any) -> GenerateRequest:
        """The usual request with other values."""
        return replace(self.request(), **options)

    def live_options(self) -> Mapping[str, object]:
        """Options for the real provider; overridden by authors who want the tests under `--aiwriter-live`."""
        return {}

    def live_secrets(self) -> Mapping[str, str]:
        """Secrets for the real provider, read from the environment."""
        return {}
