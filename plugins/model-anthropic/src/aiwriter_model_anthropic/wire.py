"""The Messages API on the wire: the request's body, and what the events of an answer mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Literal

from aiwriter_model_anthropic.faults import fault
from aiwriter_sdk import (
    Event,
    Finish,
    GenerateRequest,
    Message,
    ReasoningDelta,
    Refused,
    Start,
    TextDelta,
    Unavailable,
    Usage,
)
from aiwriter_sdk.calls import count, estimated_usage, mapping, text
from aiwriter_sdk.continuation import Seam, begun, told

_ANSWER = "answer"
_FINISH: dict[str, Literal["length", "filter", "tool"]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "filter",
    "tool_use": "tool",
}


def prompt(messages: Sequence[Message], *, prefill: bool) -> dict[str, object]:
    """The fields `system` and `messages`: instructions apart from the turns, which begin with the user's.

    Text to go on with loses the spaces at its end, since the API refuses a prefill that has any; `Seam` minds them.
    """
    turns = [message for message in (messages if prefill else told(messages)) if message.role != "system"]
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    if not turns or turns[0].role == "assistant":
        turns = [Message(role="user", content=system or "Write the text."), *turns]
    entries = [{"role": turn.role, "content": turn.content} for turn in turns]
    if turns[-1].role == "assistant":
        entries[-1]["content"] = turns[-1].content.rstrip()
    body: dict[str, object] = {"messages": entries}
    return body | ({"system": system} if system else {})


def messages_body(request: GenerateRequest, model: str, *, without: Set[str], max_output: int) -> dict[str, object]:
    """The body of POST /v1/messages.

    JSON of a schema comes as the input of a tool that the model has to call, which all models can do and which takes any
    schema; models that always think take no such order and get the schema as the format of their text.

    Args:
        request: what is asked for.
        model: the model's name.
        without: parts that the model refuses: prefill, temperature, tool.
        max_output: the limit where the request sets none.
    """
    body: dict[str, object] = {"model": model, "max_tokens": request.max_output or max_output, "stream": True}
    body |= prompt(request.messages, prefill=prefills(request, without))
    if request.temperature is not None and "temperature" not in without:
        body["temperature"] = min(1.0, request.temperature)
    if stops := [stop for stop in request.stop if stop.strip()]:
        body["stop_sequences"] = stops
    if request.json_schema is not None:
        schema = dict(request.json_schema)
        if "tool" in without:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        else:
            body["tools"] = [{"name": _ANSWER, "description": "Give the answer.", "input_schema": schema}]
            body["tool_choice"] = {"type": "tool", "name": _ANSWER}
    return body


def prefills(request: GenerateRequest, without: Set[str]) -> bool:
    """Whether begun text is sent as the beginning of the answer, and not with the instruction to go on."""
    return "prefill" not in without and request.json_schema is None


class MessageStream:
    """Turns the events of one answer into ours.

    Attributes:
        complete: the provider has said that the message is over.
    """

    def __init__(self, request: GenerateRequest, *, without: Set[str]) -> None:
        self.complete = False
        self._request = request
        self._as_tool = request.json_schema is not None and "tool" not in without
        self._seam = Seam(begun(request.messages), instructed=not prefills(request, without))
        self._reason = ""
        self._input: dict[str, int] = {}
        self._output = 0
        self._text: list[str] = []

    def event(self, data: Mapping[str, object]) -> Iterator[Event]:
        """The events that one of theirs means; those of an unknown type mean none, as their documentation asks.

        Raises:
            BackendError: it is an error.
        """
        match data.get("type"):
            case "message_start":
                message = mapping(data.get("message"))
                self._count(mapping(message.get("usage")))
                yield Start(model=text(message.get("model")) or self._request.model, request_id=text(message.get("id")))
            case "content_block_delta":
                yield from self._delta(mapping(data.get("delta")))
            case "message_delta":
                self._reason = text(mapping(data.get("delta")).get("stop_reason")) or self._reason
                self._count(mapping(data.get("usage")))
            case "message_stop":
                self.complete = True
            case "error":
                raise fault(500, data)

    def _delta(self, delta: Mapping[str, object]) -> Iterator[Event]:
        if thought := text(delta.get("thinking")):
            yield ReasoningDelta(text=thought)
        if piece := text(delta.get("partial_json" if self._as_tool else "text")):
            self._text.append(piece)
            if shown := self._seam.feed(piece):
                yield TextDelta(text=shown)

    def _count(self, usage: Mapping[str, object]) -> None:
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        self._input |= {name: count(usage.get(name)) for name in names if usage.get(name) is not None}
        self._output = count(usage.get("output_tokens")) or self._output

    def end(self) -> Iterator[Event]:
        """The events after the last of theirs.

        Raises:
            Unavailable: the answer is not complete.
            Refused: the provider's policy stopped it before a word.
        """
        if not self.complete:
            raise Unavailable("The connection broke off before the answer was complete.", provider_code="cut")
        if self._reason == "refusal" and not self._text:
            raise Refused("Anthropic's policy refused to answer.", provider_code="refusal")
        if rest := self._seam.end():
            yield TextDelta(text=rest)
        yield self._usage()
        if self._as_tool and self._reason == "tool_use":
            yield Finish()  # the tool was only the form of the answer
        else:
            yield Finish(reason=_FINISH.get(self._reason, "stop"))

    def _usage(self) -> Usage:
        if not self._input and not self._output:
            return estimated_usage(self._request, "".join(self._text))
        # Their input_tokens leaves out what was read from or written to the cache.
        return Usage(
            input_tokens=sum(self._input.values()),
            output_tokens=self._output,
            cached_tokens=self._input.get("cache_read_input_tokens", 0),
        )
