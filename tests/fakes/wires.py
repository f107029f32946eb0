"""The three wire formats that the fake provider speaks: what a request means, and how an answer looks in each."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Ask:
    """A request for text, whatever the wire."""

    model: str
    turns: list[tuple[str, str]]
    system: str = ""
    stream: bool = True
    wants_usage: bool = True
    max_output: int | None = None
    stops: Sequence[str] = ()
    schema: Mapping[str, Any] | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt_words(self) -> int:
        """Words of the whole prompt, which are its tokens here."""
        return sum(len(text.split()) for _, text in self.turns) + len(self.system.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Tokens to report."""

    prompt: int
    output: int
    cached: int = 0
    reasoning: int = 0
    shown: bool = True


def event(data: object, name: str = "") -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


class Wire(ABC):
    """One provider's format for one answer."""

    name = ""

    def __init__(self, ask: Ask, number: int) -> None:
        self.ask = ask
        self.id = f"fake-{number}"

    def head(self, count: Count) -> bytes:
        """What comes before the first token."""
        return b""

    @abstractmethod
    def delta(self, text: str) -> bytes:
        """A token of the text."""

    @abstractmethod
    def thought(self, text: str) -> bytes:
        """A token of reasoning."""

    @abstractmethod
    def tail(self, finish: str, count: Count) -> bytes:
        """The end; `finish` is stop, length or filter."""

    @abstractmethod
    def whole(self, text: str, finish: str, count: Count) -> dict[str, Any]:
        """The answer as one document."""

    def trouble(self, code: str) -> bytes:
        """An error in the middle of a stream."""
        return event(self.error(500, code or "server_error", "The fake provider was told to fail here."))

    @classmethod
    @abstractmethod
    def error(cls, status: int, code: str, message: str, param: str = "") -> dict[str, Any]:
        """The body of an error."""


class OpenAI(Wire):
    """Chat completions."""

    name = "openai"
    _finish = {"stop": "stop", "length": "length", "filter": "content_filter"}

    @staticmethod
    def parse(body: Mapping[str, Any]) -> Ask:
        turns = [(m["role"], m.get("content") or "") for m in body["messages"]]
        form = (body.get("response_format") or {}).get("json_schema") or {}
        stops = body.get("stop") or ()
        return Ask(
            model=body["model"],
            turns=[t for t in turns if t[0] not in ("system", "developer")],
            system="\n".join(text for role, text in turns if role in ("system", "developer")),
            stream=bool(body.get("stream")),
            wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            max_output=body.get("max_completion_tokens") or body.get("max_tokens"),
            stops=[stops] if isinstance(stops, str) else stops,
            schema=form.get("schema"),
            body=body,
        )

    def _chunk(self, choices: list[object], **more: object) -> bytes:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": int(time.time()), "model": self.ask.model}
        return event({**head, "choices": choices, **more})

    def head(self, count: Count) -> bytes:
        return self._chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])

    def delta(self, text: str) -> bytes:
        return self._chunk([{"index": 0, "delta": {"content": text}, "finish_reason": None}])

    def thought(self, text: str) -> bytes:
        return self._chunk([{"index": 0, "delta": {"reasoning_content": text}, "finish_reason": None}])

    def tail(self, finish: str, count: Count) -> bytes:
        end = self._chunk([{"index": 0, "delta": {}, "finish_reason": self._finish[finish]}])
        return end + (self._chunk([], usage=_openai_usage(count)) if count.shown and self.ask.wants_usage else b"")

    def whole(self, text: str, finish: str, count: Count) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": self._finish[finish]}
        answer = {"id": self.id, "object": "chat.completion", "created": int(time.time()), "model": self.ask.model}
        answer |= {"choices": [choice]}
        return answer | ({"usage": _openai_usage(count)} if count.shown else {})

    @classmethod
    def error(cls, status: int, code: str, message: str, param: str = "") -> dict[str, Any]:
        kind = "insufficient_quota" if code == "insufficient_quota" else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": param or None, "code": code or None}}


def _openai_usage(count: Count) -> dict[str, Any]:
    return {
        "prompt_tokens": count.prompt,
        "completion_tokens": count.output,
        "total_tokens": count.prompt + count.output,
        "prompt_tokens_details": {"cached_tokens": count.cached},
        "completion_tokens_details": {"reasoning_tokens": count.reasoning},
    }


class Anthropic(Wire):
    """The Messages API."""

    name = "anthropic"
    _finish = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal"}
    _kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}

    def __init__(self, ask: Ask, number: int) -> None:
        super().__init__(ask, number)
        self._block = -1
        self._kind = ""

    @staticmethod
    def parse(body: Mapping[str, Any]) -> Ask:
        tools = body.get("tools") or ()
        forced = (body.get("tool_choice") or {}).get("type") == "tool"
        return Ask(
            model=body["model"],
            turns=[(m["role"], _blocks(m["content"])) for m in body["messages"]],
            system=_blocks(body.get("system") or ""),
            stream=bool(body.get("stream")),
            max_output=body.get("max_tokens"),
            stops=body.get("stop_sequences") or (),
            schema=tools[0]["input_schema"] if tools and forced else None,
            body=body,
        )

    def head(self, count: Count) -> bytes:
        usage = {"input_tokens": count.prompt - count.cached, "cache_read_input_tokens": count.cached}
        message: dict[str, object] = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.ask.model,
            "content": [],
        }
        message |= {"usage": {**usage, "output_tokens": 1}} if count.shown else {}
        return event({"type": "message_start", "message": message}, "message_start") + event({"type": "ping"}, "ping")

    def _to(self, kind: str) -> bytes:
        if self._kind == kind:
            return b""
        stop = self._close()
        self._block, self._kind = self._block + 1, kind
        content: dict[str, object] = {"type": kind}
        content |= {"thinking": {"thinking": ""}, "text": {"text": ""}}.get(kind, {"name": "answer", "input": {}})
        start = {"type": "content_block_start", "index": self._block, "content_block": content}
        return stop + event(start, "content_block_start")

    def _close(self) -> bytes:
        if not self._kind:
            return b""
        return event({"type": "content_block_stop", "index": self._block}, "content_block_stop")

    def _piece(self, kind: str, delta: dict[str, str]) -> bytes:
        start = self._to(kind)
        data = {"type": "content_block_delta", "index": self._block, "delta": delta}
        return start + event(data, "content_block_delta")

    def delta(self, text: str) -> bytes:
        if self.ask.schema is not None:
            return self._piece("tool_use", {"type": "input_json_delta", "partial_json": text})
        return self._piece("text", {"type": "text_delta", "text": text})

    def thought(self, text: str) -> bytes:
        return self._piece("thinking", {"type": "thinking_delta", "thinking": text})

    def _reason(self, finish: str) -> str:
        return "tool_use" if finish == "stop" and self.ask.schema is not None else self._finish[finish]

    def tail(self, finish: str, count: Count) -> bytes:
        data: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": self._reason(finish)}}
        data |= {"usage": {"output_tokens": count.output}} if count.shown else {}
        return self._close() + event(data, "message_delta") + event({"type": "message_stop"}, "message_stop")

    def whole(self, text: str, finish: str, count: Count) -> dict[str, Any]:
        usage = {"input_tokens": count.prompt - count.cached, "cache_read_input_tokens": count.cached}
        answer: dict[str, Any] = {"id": self.id, "type": "message", "role": "assistant", "model": self.ask.model}
        answer |= {"content": [{"type": "text", "text": text}], "stop_reason": self._reason(finish)}
        return answer | ({"usage": {**usage, "output_tokens": count.output}} if count.shown else {})

    def trouble(self, code: str) -> bytes:
        error = {"type": code or "overloaded_error", "message": "The fake provider was told to fail here."}
        return event({"type": "error", "error": error}, "error")

    @classmethod
    def error(cls, status: int, code: str, message: str, param: str = "") -> dict[str, Any]:
        fallback = "overloaded_error" if status == 529 else "api_error" if status >= 500 else "invalid_request_error"
        kind = code or cls._kinds.get(status, fallback)
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}


def _blocks(content: object) -> str:
    if isinstance(content, str):
        return content
    parts: list[Mapping[str, Any]] = content if isinstance(content, list) else []
    return "".join(part.get("text", "") for part in parts)


class Gemini(Wire):
    """generateContent and its stream."""

    name = "gemini"
    _finish = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}
    _codes = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    _codes |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}

    @staticmethod
    def parse(body: Mapping[str, Any], model: str, *, stream: bool) -> Ask:
        config = body.get("generationConfig") or {}
        roles = {"model": "assistant", "user": "user"}
        return Ask(
            model=model,
            turns=[(roles[c.get("role", "user")], _blocks(c["parts"])) for c in body["contents"]],
            system=_blocks((body.get("systemInstruction") or {}).get("parts") or []),
            stream=stream,
            max_output=config.get("maxOutputTokens"),
            stops=config.get("stopSequences") or (),
            schema=config.get("responseJsonSchema"),
            body=body,
        )

    def _answer(self, parts: list[object], **more: object) -> dict[str, Any]:
        candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        candidate |= {"finishReason": more.pop("finish")} if "finish" in more else {}
        return {"candidates": [candidate], "modelVersion": self.ask.model, "responseId": self.id, **more}

    def delta(self, text: str) -> bytes:
        return event(self._answer([{"text": text}]))

    def thought(self, text: str) -> bytes:
        return event(self._answer([{"text": text, "thought": True}]))

    def tail(self, finish: str, count: Count) -> bytes:
        return event(self.whole("", finish, count))

    def whole(self, text: str, finish: str, count: Count) -> dict[str, Any]:
        usage = {
            "promptTokenCount": count.prompt,
            "candidatesTokenCount": count.output - count.reasoning,
            "thoughtsTokenCount": count.reasoning,
            "cachedContentTokenCount": count.cached,
            "totalTokenCount": count.prompt + count.output,
        }
        more: dict[str, object] = {"usageMetadata": usage} if count.shown else {}
        return self._answer([{"text": text}], finish=self._finish[finish], **more)

    @classmethod
    def error(cls, status: int, code: str, message: str, param: str = "") -> dict[str, Any]:
        error: dict[str, object] = {"code": status, "message": message, "status": cls._codes.get(status, "UNKNOWN")}
        if code:
            info = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": info, "reason": code, "domain": "googleapis.com"}]
        return {"error": error}
