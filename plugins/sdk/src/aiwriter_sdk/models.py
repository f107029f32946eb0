"""Model backends: requests, streamed events, prices."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from aiwriter_sdk.backend import Backend, CallControl
from aiwriter_sdk.errors import Unsupported

MODEL_CAPABILITIES = frozenset(
    {"generate", "embed", "system", "json", "tools", "images", "continue", "count_tokens", "offline"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Prices as data; the host computes the cost. All per one million tokens."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    currency: str = "USD"
    as_of: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that a backend offers. None means unknown, never zero."""

    id: str
    label: str = ""
    capabilities: frozenset[str] = frozenset({"generate"})
    context_window: int | None = None
    max_output: int | None = None
    dimensions: int | None = None
    pricing: Pricing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of the conversation.

    A last message of role `assistant` is text already written: the model is asked to go on from its end, without
    repeating it. Backends without the capability "continue" get it as an ordinary turn with an instruction.
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of the writer's own sources that may be quoted.

    `marker` is what a citation in the text names, "[1]" for marker "1". The content is data, never instructions.
    """

    marker: str
    title: str
    text: str
    score: float = 0.0
    locator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked for, in a form that a program can follow.

    Language models need only `messages`; a rule-based backend needs this.

    Args:
        kind: "draft", "outline", "section", "rewrite", "title" or another word; an unknown word means free text.
        instruction: the writer's own words.
        params: topic, audience, tone, length in words, headings, action, language, the selected text ("text"), …
    """

    kind: str = "chat"
    instruction: str = ""
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """A request for text.

    Args:
        model: one of the ids that `models()` gave.
        messages: the whole conversation, passages already written into it.
        task: the same wish as structure.
        passages: the retrieved passages as structure, best first.
        max_output: most tokens to write; None leaves it to the model.
        temperature: None leaves it to the model.
        stop: texts at which to stop.
        json_schema: the answer must be JSON of this schema (capability "json").
        seed: asks for repeatable output where the model can.
        request_id: the host's id of this attempt, for the provider's logs.
    """

    model: str
    messages: Sequence[Message]
    task: Task = Task()
    passages: Sequence[Passage] = ()
    max_output: int | None = None
    temperature: float | None = None
    stop: Sequence[str] = ()
    json_schema: Mapping[str, object] | None = None
    seed: int | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """First event: the model that really answers, and the provider's id of the request."""

    model: str
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """A piece of the answer; the pieces joined are the answer."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """A piece of the model's reasoning; never part of the document."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model wants a tool; reserved for hosts that offer tools."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, at most one report a call, before `Finish`. `estimated` when the provider did not count."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Last event, exactly one. "length" means that the model was cut off and the host may go on."""

    reason: Literal["stop", "length", "filter", "tool"] = "stop"


Event = Start | TextDelta | ReasoningDelta | ToolCall | Usage | Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """Texts to embed, in order."""

    model: str
    texts: Sequence[str]
    purpose: Literal["document", "query"] = "document"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    """Vectors in the order of the texts. `fingerprint` changes whenever vectors stop being comparable."""

    vectors: Sequence[Sequence[float]]
    dimensions: int
    fingerprint: str
    input_tokens: int | None = None


class ModelBackend(Backend):
    """Writes text, and if it declares so embeds it.

    Capabilities: generate, embed, system, json, tools, images, continue, count_tokens, offline.
    """

    @abstractmethod
    async def models(self, *, control: CallControl) -> Sequence[ModelInfo]:
        """The models of this profile."""

    @abstractmethod
    def stream(self, request: GenerateRequest, *, control: CallControl) -> AsyncIterator[Event]:
        """Write. An async generator: `Start`, any deltas, at most one `Usage`, one `Finish`.

        `aclose()` cancels and the provider's connection is closed within one second. After the first delta a backend
        never starts again by itself; retries, fallbacks and budgets are the host's.

        Raises:
            BackendError: or a subclass; text given until then stays valid.
        """

    async def embed(self, request: EmbedRequest, *, control: CallControl) -> EmbedResult:
        """Embed texts (capability "embed"). Embedding one by one gives the same vectors as a batch."""
        raise Unsupported("This backend does not embed text.")

    async def count_tokens(self, request: GenerateRequest, *, control: CallControl) -> int:
        """Tokens of the request (capability "count_tokens")."""
        raise Unsupported("This backend does not count tokens.")
