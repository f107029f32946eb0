"""Which path of the fake provider does what, keys and errors included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.fakes.behaviour import Behaviour
from tests.fakes.ledger import Entry, Ledger
from tests.fakes.server import Answer, Connection, counted, plan
from tests.fakes.text import embedding, written
from tests.fakes.wires import Anthropic, Ask, Gemini, OpenAI, Wire

DIMENSIONS = 64
MODELS = ("fake-large", "fake-small", "fake-embed")
_SECRET_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
# The sentences are the providers' own; there is no code in these answers to tell the case by.
_NO_PREFILL = {
    "openai": "This model does not support assistant message prefill. The conversation must end with a user message.",
    "anthropic": "This model does not support assistant message prefill. The conversation must end with a user message.",
    "gemini": "Requests ending with a model turn are not supported unless the last part is a function response.",
}
_TOO_LONG = {
    "openai": "This model's maximum context length is {limit} tokens, however your messages resulted in {sent} tokens.",
    "anthropic": "prompt is too long: {sent} tokens > {limit} maximum",
    "gemini": "The input token count ({sent}) exceeds the maximum number of tokens allowed ({limit}).",
}
_IDENTITIES: dict[str, dict[str, object]] = {
    "ollama": {"/api/version": {"version": "0.12.0"}},
    "llamacpp": {"/health": {"status": "ok"}, "/props": {"default_generation_settings": {}, "total_slots": 1}},
    "vllm": {"/health": {}, "/version": {"version": "0.11.0"}},
}


class Routes:
    """Args:
    ledger: where requests are noted.
    keys: the keys that are accepted; empty accepts all but those that begin with "wrong", and none at all.
    models: what the lists of models name.
    identity: which local server's own paths are answered: ollama, llamacpp, vllm, lmstudio or "".
    """

    def __init__(self, ledger: Ledger, *, keys: tuple[str, ...], models: tuple[str, ...], identity: str) -> None:
        self._ledger, self._keys, self._models = ledger, keys, models
        self._identity = _IDENTITIES.get(identity, {})

    def __call__(self, connection: Connection, entry: Entry, body: bytes) -> None:
        """Answer one request."""
        path = unquote(urlsplit(entry.path).path)
        if path.startswith("/__"):
            self._admin(connection, entry, path, body)
            return
        if path in self._identity:
            connection.reply(200, self._identity[path])
            return
        wire = _wire_of(path, entry.headers)
        key = _key(entry.headers)
        for name in _SECRET_HEADERS:
            entry.headers.pop(name, None)
        entry.key_ok = key in self._keys if self._keys else not key.startswith("wrong")
        if not entry.key_ok:
            self._refuse(connection, entry, wire, 401, "", "Incorrect API key provided.")
        elif entry.method == "GET" and path.endswith("/models"):
            self._list(connection, wire)
        elif entry.method != "POST" or not isinstance(entry.body, dict | type(None)):
            self._refuse(connection, entry, wire, 404, "", "Unknown path.")
        else:
            self._post(connection, entry, wire, path, json.loads(body or b"{}"))

    def _post(self, connection: Connection, entry: Entry, wire: type[Wire], path: str, body: dict[str, Any]) -> None:
        try:
            if path.endswith("/embeddings"):
                self._embed_openai(connection, entry, body)
            elif path.endswith(":batchEmbedContents"):
                self._embed_gemini(connection, entry, path, body)
            elif path.endswith(("/count_tokens", ":countTokens")):
                self._count(connection, wire, path, body)
            elif path.endswith(("/chat/completions", "/messages", ":generateContent", ":streamGenerateContent")):
                self._write(connection, entry, wire, self._ask(wire, path, body))
            else:
                self._refuse(connection, entry, wire, 404, "", "Unknown path.")
        except (KeyError, TypeError, ValueError) as error:
            self._refuse(connection, entry, wire, 400, "", f"The request cannot be read: {error!r}")

    @staticmethod
    def _ask(wire: type[Wire], path: str, body: dict[str, Any]) -> Ask:
        if wire is OpenAI:
            return OpenAI.parse(body)
        if wire is Anthropic:
            return Anthropic.parse(body)
        return Gemini.parse(body, _gemini_model(path), stream=path.endswith(":streamGenerateContent"))

    def _write(self, connection: Connection, entry: Entry, wire: type[Wire], ask: Ask) -> None:
        behaviour = self._ledger.behaviour(ask.model, entry.headers.get("x-fake", ""))
        entry.wire, entry.model, entry.stream = wire.name, ask.model, ask.stream
        entry.continued, entry.prompt_tokens = bool(written(ask.turns)[0]), ask.prompt_words
        if behaviour.silent:
            entry.ended = "silent"
            return
        if behaviour.html:
            entry.status, entry.ended = 200, "html"
            connection.reply(200, b"<!doctype html><title>Sign in</title>", kind="text/html")
            return
        if self._unwilling(connection, entry, wire, ask, behaviour):
            return
        entry.status = 200
        answer = wire(ask, entry.number)
        if ask.stream and behaviour.stream:
            connection.stream(Answer(connection, entry, answer, behaviour))
            return
        tokens, finish = plan(ask, behaviour)
        end, kind = behaviour.ending(len(tokens))
        entry.tokens_sent, entry.ended = end, kind if kind in ("length", "filter") else finish
        count = counted(ask, behaviour, end + behaviour.reasoning, behaviour.reasoning)
        connection.reply(200, answer.whole("".join(tokens[:end]), entry.ended, count))

    def _unwilling(
        self, connection: Connection, entry: Entry, wire: type[Wire], ask: Ask, behaviour: Behaviour
    ) -> bool:
        """Refuse the request where it was told to; whether it did."""
        name = behaviour.refuse_field
        if behaviour.status:
            code, retry = behaviour.code, behaviour.retry_after
            headers = {"Retry-After": f"{retry:g}"} if retry >= 0 else {}
            self._refuse(connection, entry, wire, behaviour.status, code, "Told to fail.", headers=headers)
        elif ask.model.startswith("missing"):
            self._refuse(connection, entry, wire, 404, "model_not_found" if wire is OpenAI else "", "No such model.")
        elif name and (name in ask.body or name in ask.body.get("generationConfig", {})):
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            self._refuse(connection, entry, wire, 400, "unsupported_parameter", message, param=name)
        elif not behaviour.prefill and ask.turns and ask.turns[-1][0] == "assistant":
            self._refuse(connection, entry, wire, 400, "", _NO_PREFILL[wire.name])
        elif behaviour.context and ask.prompt_words > behaviour.context:
            message = _TOO_LONG[wire.name].format(sent=ask.prompt_words, limit=behaviour.context)
            self._refuse(connection, entry, wire, 400, "context_length_exceeded" if wire is OpenAI else "", message)
        else:
            return False
        return True

    @staticmethod
    def _refuse(
        connection: Connection,
        entry: Entry,
        wire: type[Wire],
        status: int,
        code: str,
        message: str,
        *,
        param: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        entry.status, entry.ended = status, "refused"
        connection.reply(status, wire.error(status, code, message, param), headers=headers)

    def _list(self, connection: Connection, wire: type[Wire]) -> None:
        if wire is Gemini:
            kinds = {True: ["embedContent"], False: ["generateContent", "countTokens"]}
            items = [{"name": f"models/{m}", "displayName": m, "inputTokenLimit": 100_000, "outputTokenLimit": 8192,
                      "supportedGenerationMethods": kinds["embed" in m]} for m in self._models]  # fmt: skip
            connection.reply(200, {"models": items})
        elif wire is Anthropic:
            data = [{"type": "model", "id": m, "display_name": m.title()} for m in self._models if "embed" not in m]
            connection.reply(200, {"data": data, "has_more": False})
        else:
            connection.reply(200, {"object": "list", "data": [{"id": m, "object": "model"} for m in self._models]})

    @staticmethod
    def _embed_openai(connection: Connection, entry: Entry, body: dict[str, Any]) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        size = body.get("dimensions") or DIMENSIONS
        data = [{"object": "embedding", "index": i, "embedding": embedding(t, size)} for i, t in enumerate(texts)]
        tokens = sum(len(t.split()) for t in texts)
        entry.wire, entry.model, entry.status, entry.prompt_tokens = "openai", body["model"], 200, tokens
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        # Real servers may answer out of order; the index counts.
        connection.reply(200, {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage})

    @staticmethod
    def _embed_gemini(connection: Connection, entry: Entry, path: str, body: dict[str, Any]) -> None:
        entry.wire, entry.model, entry.status = "gemini", _gemini_model(path), 200
        parts = [(r["content"]["parts"], r.get("outputDimensionality") or DIMENSIONS) for r in body["requests"]]
        vectors = [{"values": embedding("".join(p["text"] for p in texts), size)} for texts, size in parts]
        connection.reply(200, {"embeddings": vectors})

    def _count(self, connection: Connection, wire: type[Wire], path: str, body: dict[str, Any]) -> None:
        words = self._ask(wire, path, body.get("generateContentRequest", body)).prompt_words
        connection.reply(200, {"totalTokens": words} if wire is Gemini else {"input_tokens": words})

    def _admin(self, connection: Connection, entry: Entry, path: str, body: bytes) -> None:
        if path == "/__behaviour":
            wish = json.loads(body)
            try:
                self._ledger.behave(wish.get("model", "*"), wish["behaviour"])
            except ValueError as error:
                connection.reply(400, {"error": str(error)})
                return
        elif entry.method == "DELETE":
            self._ledger.clear()
        connection.reply(200, self._ledger.state() if path == "/__log" else {"live": self._ledger.live})


def _wire_of(path: str, headers: Mapping[str, str]) -> type[Wire]:
    if "x-goog-api-key" in headers or path.startswith("/v1beta"):
        return Gemini
    if "anthropic-version" in headers or "/messages" in path:
        return Anthropic
    return OpenAI


def _key(headers: Mapping[str, str]) -> str:
    bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or bearer


def _gemini_model(path: str) -> str:
    """ ".../models/fake:words=5:streamGenerateContent" → "fake:words=5": a model's name may hold colons."""
    return path.split("/models/", 1)[1].rpartition(":")[0]
