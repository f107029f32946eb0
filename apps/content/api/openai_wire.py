"""OpenAI's wire: bodies checked and turned into requests, answers and errors in its shape.

The fields are those of the public API reference of chat completions, models and embeddings. What cannot be honoured is
refused by name; leaving it out silently would give another text than the one that was asked for.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from aiwriter.core.errors import AppError, InvalidInput
from aiwriter.core.late import numpy
from aiwriter_sdk import EmbedResult, GenerateRequest, Message, Task
from apps.content.services.completions import MAX_INPUTS

MAX_BYTES = 8 * 1024 * 1024
MAX_MESSAGES = 2_000
_ROLES: Mapping[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
# For the provider's bookkeeping only; they change no text.
_HARMLESS = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "parallel_tool_calls",
        "verbosity",
        "reasoning_effort",
    }
)
# Passed over with these values, refused with others: clients send them with every request.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1, None),
    "top_p": (1, None),
    "presence_penalty": (0, None),
    "frequency_penalty": (0, None),
    "logit_bias": ({}, None),
    "logprobs": (False, None),
    "top_logprobs": (0, None),
    "modalities": (["text"], None),
    "tools": ([], None),
    "tool_choice": ("none", "auto", None),
    "functions": ([], None),
    "function_call": ("none", "auto", None),
}
_KNOWN = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "seed",
    "response_format",
}
_KINDS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
_FINISH = {"stop": "stop", "length": "length", "filter": "content_filter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatWish:
    """A checked request for a chat completion."""

    model: str
    request: GenerateRequest
    stream: bool
    include_usage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedWish:
    """A checked request for embeddings."""

    model: str
    texts: Sequence[str]
    as_base64: bool
    dimensions: int | None


def read_body(data: bytes) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        InvalidInput: it is none.
    """
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not JSON: {error.msg}.", remedy="Send application/json.") from None
    if not isinstance(body, dict):
        raise InvalidInput("The body is not a JSON object.", remedy='Send {"model": …, "messages": […]}.')
    return body


def chat_wish(body: Mapping[str, Any]) -> ChatWish:
    """Check the body of POST /v1/chat/completions.

    Raises:
        InvalidInput: with the name of the field.
    """
    for name, value in body.items():
        if name in _NEUTRAL and value not in _NEUTRAL[name]:
            raise _wrong(name, f"{name} is not supported here.", "Leave it out.")
        if name not in _KNOWN and name not in _HARMLESS and name not in _NEUTRAL:
            raise _wrong(str(name)[:60], f"Unrecognized request argument supplied: {str(name)[:60]}.", "Leave it out.")
    messages = _messages(body.get("messages"))
    stream = _flag(body, "stream")
    options = body.get("stream_options")
    if options is not None and (not stream or not isinstance(options, dict)):
        raise _wrong("stream_options", "stream_options needs stream.", "Set stream to true, or leave it out.")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    if limit is not None and (not _whole(limit) or not 1 <= limit <= 1_000_000):
        raise _wrong("max_tokens", "max_tokens is not a whole number from 1.", "Send for example 1000.")
    temperature = body.get("temperature")
    if temperature is not None and (
        isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2
    ):
        raise _wrong("temperature", "temperature is not a number from 0 to 2.", "Send for example 0.7.")
    seed = body.get("seed")
    if seed is not None and (not _whole(seed) or abs(seed) > 2**63):
        raise _wrong("seed", "seed is not a whole number.", "Leave it out.")
    last = next((message.content for message in reversed(messages) if message.role == "user"), "")
    request = GenerateRequest(
        model="",
        messages=messages,
        task=Task(kind="chat", instruction=last, params={"topic": last[:1000]}),
        max_output=limit,
        temperature=temperature,
        stop=_stops(body.get("stop")),
        seed=seed,
        json_schema=_schema(body.get("response_format")),
    )
    return ChatWish(
        model=_model(body),
        request=request,
        stream=stream,
        include_usage=bool(options) and _flag(options or {}, "include_usage"),
    )


def embed_wish(body: Mapping[str, Any]) -> EmbedWish:
    """Check the body of POST /v1/embeddings.

    Raises:
        InvalidInput: with the name of the field.
    """
    for name in body:
        if name not in ("model", "input", "encoding_format", "dimensions", "user"):
            raise _wrong(str(name)[:60], f"Unrecognized request argument supplied: {str(name)[:60]}.", "Leave it out.")
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise _wrong("input", "input is neither a text nor a list of texts.", "Send texts; tokens cannot be read.")
    if len(texts) > MAX_INPUTS:
        raise _wrong("input", f"input has {len(texts)} texts.", f"Send at most {MAX_INPUTS} at once.")
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise _wrong("encoding_format", "encoding_format is neither float nor base64.", "Leave it out.")
    dimensions = body.get("dimensions")
    if dimensions is not None and (not _whole(dimensions) or dimensions < 1):
        raise _wrong("dimensions", "dimensions is not a whole number from 1.", "Leave it out.")
    return EmbedWish(model=_model(body), texts=texts, as_base64=encoding == "base64", dimensions=dimensions)


def chat_answer(
    identifier: str, created: int, model: str, text: str, finish: str, used: tuple[int, int]
) -> dict[str, Any]:
    """A whole chat completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
        "finish_reason": _FINISH.get(finish, "stop"),
    }
    return {
        "id": identifier,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
        "usage": usage(used),
    }


class Chunks:
    """The chunks of one streamed chat completion.

    Args:
        identifier: of the completion.
        created: seconds since 1970.
        include_usage: a last chunk tells the tokens, all others say null.
    """

    def __init__(self, identifier: str, created: int, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._head = {"id": identifier, "object": "chat.completion.chunk", "created": created}
        self.model = ""

    def begin(self) -> bytes:
        """Who speaks."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def text(self, text: str) -> bytes:
        """More of the text."""
        return self._chunk({"content": text})

    def end(self, finish: str, used: tuple[int, int]) -> bytes:
        """How it ended, and what was used when that was asked for."""
        data = self._chunk({}, _FINISH.get(finish, "stop"))
        if self._include_usage:
            data += event({**self._head, "model": self.model, "choices": [], "usage": usage(used)})
        return data + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        body = {**self._head, "model": self.model, "choices": [choice]}
        return event({**body, "usage": None} if self._include_usage else body)


def embed_answer(wish: EmbedWish, result: EmbedResult, model: str) -> dict[str, Any]:
    """The vectors.

    Raises:
        InvalidInput: they have another length than was asked for.
    """
    if wish.dimensions is not None and wish.dimensions != result.dimensions:
        raise _wrong("dimensions", f"The vectors have {result.dimensions} numbers.", "Leave it out.")
    rows: list[Any] = list(result.vectors)
    if wish.as_base64:
        rows = [base64.b64encode(numpy.asarray(row, dtype="<f4").tobytes()).decode() for row in rows]
    tokens = result.input_tokens or sum(max(1, len(text) // 4) for text in wish.texts)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def usage(used: tuple[int, int]) -> dict[str, int]:
    """Tokens in and out."""
    return {"prompt_tokens": used[0], "completion_tokens": used[1], "total_tokens": sum(used)}


def error_answer(error: AppError) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    kind, code = _KINDS.get(error.status, ("server_error", error.code))
    field = error.details[0].field if error.details else None
    if error.status == 403:
        code = error.code
    if error.status == 404 and field != "model":
        code = "not_found"
    return {"error": {"message": str(error), "type": kind, "param": field or None, "code": code}}


def event(value: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _wrong(field: str, message: str, remedy: str) -> InvalidInput:
    return InvalidInput(message, field=field, remedy=remedy)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, f"{name} is neither true nor false.", "Send true or false.")
    return bool(value)


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _wrong("model", "You must provide a model.", "GET /v1/models lists them.")
    return model


def _messages(given: Any) -> list[Message]:
    if not isinstance(given, list) or not given:
        raise _wrong(
            "messages", "messages is not a list with at least one message.", "Send what the model shall answer."
        )
    if len(given) > MAX_MESSAGES:
        raise _wrong("messages", f"{len(given)} messages came.", f"Send at most {MAX_MESSAGES}.")
    found = []
    for index, message in enumerate(given):
        where = f"messages.{index}"
        if not isinstance(message, dict):
            raise _wrong(where, "A message is not an object.", 'Send {"role": "user", "content": "…"}.')
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            shown = str(role)[:20]
            raise _wrong(f"{where}.role", f"The role '{shown}' is not supported.", f"Use {', '.join(_ROLES)}.")
        if message.get("tool_calls") or message.get("function_call"):
            raise _wrong(f"{where}.tool_calls", "Tools are not supported here.", "Leave such messages out.")
        found.append(Message(role=_ROLES[role], content=_content(message.get("content"), where)))
    return found


def _content(given: Any, where: str) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, list) and given:
        parts = []
        for part in given:
            if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise _wrong(f"{where}.content", "Only text can be read here.", "Leave images and files out.")
            parts.append(part["text"])
        return "".join(parts)
    raise _wrong(f"{where}.content", "A message has no text.", "Send content as a text.")


def _stops(given: Any) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else given or []
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(stop, str) and stop for stop in stops):
        raise _wrong("stop", "stop is neither a text nor a list of at most four.", "Send at most four texts.")
    return tuple(stops)


def _schema(given: Any) -> Mapping[str, object] | None:
    if given is None:
        return None
    kind = given.get("type") if isinstance(given, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema":
        schema = given["json_schema"].get("schema") if isinstance(given.get("json_schema"), dict) else None
        if isinstance(schema, dict):
            return schema
    raise _wrong("response_format", "response_format cannot be used.", "Use text, json_object or json_schema.")
