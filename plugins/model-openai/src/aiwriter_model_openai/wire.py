"""Chat completions on the wire: the request's body, and the events that the chunks of an answer mean."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from aiwriter_model_openai.faults import Fault, in_stream
from aiwriter_sdk import Event, Finish, GenerateRequest, ReasoningDelta, Refused, Start, TextDelta, Unavailable, Usage
from aiwriter_sdk.calls import count, estimated_usage, items, mapping, text
from aiwriter_sdk.continuation import Seam, begun, told

_UNKNOWN = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|extra (inputs|fields)|not permitted|not allowed|instead"
    r"|only the default|does not support|deprecated",
    re.IGNORECASE,
)
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OPTIONAL = ("temperature", "seed", "reasoning_effort")
_FINISH: dict[str, Literal["length", "filter", "tool"]] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filter",
    "tool_calls": "tool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a server or one model of it understands; learnt from its refusals and kept for later requests.

    Args:
        limit: name of the field for the most tokens to write.
        usage: whether to ask for the tokens used.
        style: how to go on with a text: "instruction", "prefill" or "vllm".
        effort: reasoning effort, "" to leave it to the model.
        dropped: optional fields that the model refuses.
        swapped: the limit's other name was tried already.
    """

    limit: str = "max_tokens"
    usage: bool = True
    style: str = "instruction"
    effort: str = ""
    dropped: frozenset[str] = frozenset()
    swapped: bool = False

    def adjusted(self, fault: Fault) -> Dialect | None:
        """The dialect to try after this refusal; None when the refusal is about something else."""
        if fault.status not in (400, 422):
            return None
        words = f"{fault.param} {fault.words}"
        if self.usage and ("stream_options" in words or "include_usage" in words):
            return dataclasses.replace(self, usage=False)
        if self.style != "instruction" and re.search(r"prefill|end with a user message|continue_final", words):
            return dataclasses.replace(self, style="instruction")
        if not _UNKNOWN.search(words) and not fault.code.startswith("unsupported"):
            return None
        if not self.swapped and re.search(rf"\b{self.limit}\b", words):
            return dataclasses.replace(self, limit=_LIMITS[self.limit], swapped=True)
        for name in _OPTIONAL:
            if name not in self.dropped and name in words:
                return dataclasses.replace(self, dropped=self.dropped | {name})
        return None


def chat_body(request: GenerateRequest, model: str, dialect: Dialect) -> dict[str, object]:
    """The body of POST /chat/completions."""
    messages = told(request.messages) if dialect.style == "instruction" else list(request.messages)
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "stream": True,
    }
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if dialect.style == "vllm" and begun(request.messages):
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    optional = {
        dialect.limit: request.max_output,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "reasoning_effort": dialect.effort or None,
    }
    body |= {name: value for name, value in optional.items() if value is not None and name not in dialect.dropped}
    if request.json_schema is not None:
        # "strict" is refused unless every object of the schema forbids other members.
        strict = request.json_schema.get("additionalProperties") is False
        schema = {"name": "answer", "schema": dict(request.json_schema), "strict": strict}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


class ChatStream:
    """Turns the chunks of one answer into events.

    Attributes:
        complete: the provider has said how the answer ends; a body that ends before that was cut.
    """

    def __init__(self, request: GenerateRequest, dialect: Dialect) -> None:
        self.complete = False
        self._request = request
        self._seam = Seam(begun(request.messages), instructed=dialect.style == "instruction")
        self._started = False
        self._finish = ""
        self._usage: Usage | None = None
        self._text: list[str] = []

    def chunk(self, data: Mapping[str, object]) -> Iterator[Event]:
        """The events of one chunk.

        Raises:
            BackendError: the chunk is an error.
            Refused: the provider's policy stopped the answer before a word of it.
        """
        if data.get("error"):
            raise in_stream(data)
        if "choices" not in data and "usage" not in data:
            return
        if not self._started:
            self._started = True
            yield Start(model=text(data.get("model")) or self._request.model, request_id=text(data.get("id")))
        for choice in items(data.get("choices"))[:1]:
            # "message" is what a server sends that does not stream although it was asked to.
            yield from self._deltas(mapping(choice.get("delta") or choice.get("message")))
            if finish := text(choice.get("finish_reason")):
                self._finish, self.complete = finish, True
        if data.get("usage"):
            self._usage = _usage(mapping(data["usage"]))

    def _deltas(self, delta: Mapping[str, object]) -> Iterator[Event]:
        if thought := text(delta.get("reasoning_content")) or text(delta.get("reasoning")):
            yield ReasoningDelta(text=thought)
        if text(delta.get("refusal")) and not self._text:
            raise Refused("The model declined to answer.", provider_code="refusal")
        if piece := text(delta.get("content")):
            self._text.append(piece)
            if shown := self._seam.feed(piece):
                yield TextDelta(text=shown)

    def end(self) -> Iterator[Event]:
        """The events after the last chunk.

        Raises:
            Unavailable: the answer is not complete.
            Refused: the provider's policy stopped it before a word.
        """
        if not self.complete:
            raise Unavailable("The connection broke off before the answer was complete.", provider_code="cut")
        if self._finish == "content_filter" and not self._text:
            raise Refused("The provider's policy refused to answer.", provider_code="content_filter")
        if rest := self._seam.end():
            yield TextDelta(text=rest)
        yield self._usage or estimated_usage(self._request, "".join(self._text))
        yield Finish(reason=_FINISH.get(self._finish, "stop"))


def _usage(data: Mapping[str, object]) -> Usage:
    return Usage(
        input_tokens=count(data.get("prompt_tokens")),
        output_tokens=count(data.get("completion_tokens")),
        cached_tokens=count(mapping(data.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_tokens=count(mapping(data.get("completion_tokens_details")).get("reasoning_tokens")),
    )
