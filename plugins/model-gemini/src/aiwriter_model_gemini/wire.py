"""The Gemini API on the wire: the request's body, and what the events of an answer mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from aiwriter_model_gemini.faults import Fault
from aiwriter_sdk import (
    Event,
    Finish,
    GenerateRequest,
    InvalidRequest,
    Message,
    ReasoningDelta,
    Refused,
    Start,
    TextDelta,
    Unavailable,
    Usage,
)
from aiwriter_sdk.calls import count, estimated_usage, items, mapping, text
from aiwriter_sdk.continuation import Seam, begun, told

_ROLES = {"assistant": "model", "user": "user"}
# All other reasons (SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, LANGUAGE, OTHER, …) stop the answer against
# the model's will; OTHER is what Google says when it does not want to say more.
_FINISHED = {"STOP", "MAX_TOKENS"}


def prompt(messages: Sequence[Message], *, prefill: bool) -> dict[str, object]:
    """The fields `systemInstruction` and `contents`; turns of one role in a row become one, as the API wants it."""
    turns: list[dict[str, object]] = []
    for message in messages if prefill else told(messages):
        if message.role == "system":
            continue
        role, part = _ROLES[message.role], {"text": message.content}
        if turns and turns[-1]["role"] == role:
            turns[-1] = {"role": role, "parts": [*_parts(turns[-1]), part]}
        else:
            turns.append({"role": role, "parts": [part]})
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    if not turns or turns[0]["role"] == "model":
        turns.insert(0, {"role": "user", "parts": [{"text": system or "Write the text."}]})
    body: dict[str, object] = {"contents": turns}
    return body | ({"systemInstruction": {"parts": [{"text": system}]}} if system else {})


def _parts(turn: Mapping[str, object]) -> list[Mapping[str, object]]:
    return items(turn.get("parts"))


def prefills(request: GenerateRequest, without: Set[str]) -> bool:
    """Whether begun text is sent as the beginning of the answer, and not with the instruction to go on."""
    return "prefill" not in without and request.json_schema is None


def generate_body(request: GenerateRequest, *, without: Set[str]) -> dict[str, object]:
    """The body of streamGenerateContent.

    Args:
        request: what is asked for.
        without: parts that the model refuses: prefill, temperature.
    """
    settings: dict[str, object] = {
        "maxOutputTokens": request.max_output,
        "temperature": None if "temperature" in without else request.temperature,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
    }
    if request.json_schema is not None:
        settings |= {"responseMimeType": "application/json", "responseJsonSchema": dict(request.json_schema)}
    config = {name: value for name, value in settings.items() if value is not None}
    body = prompt(request.messages, prefill=prefills(request, without))
    return body | ({"generationConfig": config} if config else {})


class ContentStream:
    """Turns the events of one answer into ours."""

    def __init__(self, request: GenerateRequest, *, without: Set[str]) -> None:
        self._request = request
        self._seam = Seam(begun(request.messages), instructed=not prefills(request, without))
        self._started = False
        self._reason = ""
        self._usage: Usage | None = None
        self._text: list[str] = []

    def event(self, data: Mapping[str, object]) -> Iterator[Event]:
        """The events that one of theirs means.

        Raises:
            BackendError: it is an error.
            Refused: the prompt was blocked.
        """
        if data.get("error"):
            status = count(mapping(data["error"]).get("code"))
            raise Fault.read(status if status >= 400 else 500, data).error()
        if not self._started:
            self._started = True
            model = text(data.get("modelVersion")) or self._request.model
            yield Start(model=model, request_id=text(data.get("responseId")))
        if blocked := text(mapping(data.get("promptFeedback")).get("blockReason")):
            raise Refused("Google's policy refused the prompt.", provider_code=blocked)
        for candidate in items(data.get("candidates"))[:1]:
            for part in items(mapping(candidate.get("content")).get("parts")):
                yield from self._part(part)
            self._reason = text(candidate.get("finishReason")) or self._reason
        if usage := mapping(data.get("usageMetadata")):
            self._usage = _usage(usage)

    def _part(self, part: Mapping[str, object]) -> Iterator[Event]:
        piece = text(part.get("text"))
        if piece and part.get("thought") is True:
            yield ReasoningDelta(text=piece)
        elif piece:
            self._text.append(piece)
            if shown := self._seam.feed(piece):
                yield TextDelta(text=shown)

    def end(self) -> Iterator[Event]:
        """The events after the last of theirs.

        Raises:
            Unavailable: the answer is not complete.
            Refused: the provider's policy stopped it before a word.
            InvalidRequest: the model tried to call a tool although it was given none.
        """
        if not self._reason:
            raise Unavailable("The connection broke off before the answer was complete.", provider_code="cut")
        if self._reason == "MALFORMED_FUNCTION_CALL":
            raise InvalidRequest("The model tried to call a tool.", provider_code=self._reason)
        if self._reason not in _FINISHED and not self._text:
            raise Refused("Google's policy refused to answer.", provider_code=self._reason)
        if rest := self._seam.end():
            yield TextDelta(text=rest)
        yield self._usage or estimated_usage(self._request, "".join(self._text))
        if self._reason == "MAX_TOKENS":
            yield Finish(reason="length")
        else:
            yield Finish(reason="stop" if self._reason == "STOP" else "filter")


def _usage(data: Mapping[str, object]) -> Usage:
    # Thoughts are billed as output, but candidatesTokenCount leaves them out.
    thoughts = count(data.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=count(data.get("promptTokenCount")),
        output_tokens=count(data.get("candidatesTokenCount")) + thoughts,
        cached_tokens=count(data.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )
