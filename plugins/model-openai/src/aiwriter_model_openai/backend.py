"""The backend: streams, lists models and embeds over the OpenAI wire format."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from urllib.parse import urlsplit

from aiwriter_model_openai.discover_local import LocalServer, find_local_servers
from aiwriter_model_openai.faults import Fault
from aiwriter_model_openai.prices import DIMENSIONS, PRICES
from aiwriter_model_openai.wire import ChatStream, Dialect, chat_body
from aiwriter_sdk import (
    BackendContext,
    CallControl,
    Config,
    ConfigInvalid,
    EmbedRequest,
    EmbedResult,
    Event,
    GenerateRequest,
    Health,
    HttpClient,
    HttpResponse,
    ModelBackend,
    ModelInfo,
    NotFound,
    Pricing,
    Unavailable,
)
from aiwriter_sdk.calls import (
    base_address,
    count,
    drained,
    header_value,
    items,
    mapping,
    opened,
    parse_json,
    read_fault,
    read_json,
    server_events,
    text,
)
from aiwriter_sdk.prices import operator_price

_OPENAI = "api.openai.com"
_ADJUSTMENTS = 5
_BATCH = 64
_LIST_SILENCE = 20.0
_EMBEDS = re.compile(r"embed|(^|[/_-])(bge|gte|e5|minilm|mxbai|arctic-embed)([/_.-]|$)", re.IGNORECASE)
_NO_TEXT = re.compile(
    r"whisper|tts|dall-e|image|moderation|sora|realtime|audio|transcribe|live|translate|davinci|babbage|computer-use|search"
)


class OpenAIBackend(ModelBackend):
    """One server, with what was learnt about its dialect since this process started."""

    def __init__(self, config: Config, context: BackendContext) -> None:
        super().__init__(config, context)
        default = "https://api.openai.com/v1"
        endings = ("/chat/completions", "/completions", "/models", "/embeddings")
        self._base = base_address(config.text("base_url", default), endings=endings)
        self._is_openai = urlsplit(self._base).hostname == _OPENAI
        self._price = operator_price(config)
        self._dialects: dict[str, Dialect] = {}

    @classmethod
    async def find_local(cls, http: HttpClient, *, extra_urls: Sequence[str] = ()) -> list[LocalServer]:
        """Servers of this wire format on the machine itself, to offer to the operator; see `find_local_servers`."""
        return await find_local_servers(http, extra_urls=extra_urls)

    async def health(self, *, control: CallControl) -> Health:
        """List the models, which costs nothing."""
        begin = time.monotonic()
        try:
            entries = await self._list(control)
        except NotFound:
            if not self.config.text("default_model"):
                raise
            return Health(status="warn", detail="The server answers but lists no models; the default model is used.")
        data = {"latency_ms": (time.monotonic() - begin) * 1000, "models": float(len(entries))}
        wanted = self.config.text("default_model")
        if wanted and wanted not in {text(entry.get("id")) for entry in entries}:
            return Health(status="warn", detail=f"The server does not list the default model {wanted}.", data=data)
        if not entries and not wanted:
            return Health(status="warn", detail="The server answers but has no model loaded.", data=data)
        return Health(status="ok", detail=f"{len(entries)} models.", data=data)

    async def models(self, *, control: CallControl) -> Sequence[ModelInfo]:
        """The server's list and the default model; of OpenAI's own list only what writes or embeds text."""
        default = self.config.text("default_model")
        try:
            entries = await self._list(control)
        except NotFound:
            if not default:
                raise
            entries = []
        if self._is_openai:
            entries = [entry for entry in entries if not _NO_TEXT.search(text(entry.get("id")))]
        found = {info.id: info for info in map(self._info, entries) if info.id}
        if default and default not in found:
            found[default] = self._info({"id": default})
        return list(found.values())

    async def stream(self, request: GenerateRequest, *, control: CallControl) -> AsyncIterator[Event]:
        """Write; a refusal of an optional field is answered with a request without it, before the first event."""
        model = self._model(request.model)
        for _ in range(_ADJUSTMENTS):
            dialect = self._dialect(model)
            body = chat_body(request, model, dialect)
            call = opened(
                self.context.http,
                "POST",
                f"{self._base}/chat/completions",
                control=control,
                headers=self._headers(request.request_id, accept="text/event-stream"),
                json=body,
                silence=self.config.number("silence", 120),
            )
            async with call as response:
                if response.status_code == 200:
                    async with aclosing(_events(response, ChatStream(request, dialect), control)) as events:
                        async for event in events:
                            yield event
                    return
                fault = Fault.read(response.status_code, await read_fault(response, control=control))
                adjusted = dialect.adjusted(fault)
                if adjusted is None:
                    raise self._error(fault, response, [message.content for message in request.messages])
                self._dialects[model] = adjusted
                self.context.logger.info("the server refuses a field of the request and is asked without it")
        raise Unavailable("The server refuses every form of the request that was tried.")

    async def embed(self, request: EmbedRequest, *, control: CallControl) -> EmbedResult:
        """Embed, 64 texts a request."""
        prefix = self.config.text(f"{request.purpose}_prefix")
        # An empty text is refused by OpenAI; a space has a vector.
        texts = [f"{prefix} {one}".strip() or " " for one in request.texts]
        vectors: list[list[float]] = []
        tokens = 0
        for at in range(0, len(texts), _BATCH):
            part, used = await self._embed(request.model, texts[at : at + _BATCH], control)
            vectors += part
            tokens += used
        sizes = {len(vector) for vector in vectors}
        if len(sizes) > 1:
            raise Unavailable("The server gave vectors of different lengths.")
        dimensions = sizes.pop() if sizes else 0
        wanted = self.config.integer("dimensions")
        if dimensions and wanted and dimensions != wanted:
            remedy = f"Leave it empty, or enter {dimensions}."
            message = f"The model gives vectors of {dimensions} dimensions only."
            raise ConfigInvalid(message, field="dimensions", remedy=remedy)
        known = (self._base, request.model, dimensions, *map(self.config.text, ("query_prefix", "document_prefix")))
        digest = hashlib.sha256(repr(known).encode()).hexdigest()[:16]
        return EmbedResult(
            vectors=vectors, dimensions=dimensions, fingerprint=f"openai:{digest}", input_tokens=tokens or None
        )

    async def _embed(self, model: str, texts: list[str], control: CallControl) -> tuple[list[list[float]], int]:
        body: dict[str, object] = {"model": model, "input": texts, "encoding_format": "float"}
        if size := self.config.integer("dimensions"):
            body["dimensions"] = size
        url = f"{self._base}/embeddings"
        call = opened(self.context.http, "POST", url, control=control, headers=self._headers(), json=body)
        async with call as response:
            await self._must_succeed(response, control, texts)
            answer = mapping(await read_json(response, control=control))
        entries = sorted(items(answer.get("data")), key=lambda entry: count(entry.get("index")))
        vectors = [_vector(entry.get("embedding")) for entry in entries]
        if len(vectors) != len(texts):
            raise Unavailable(f"The server gave {len(vectors)} vectors for {len(texts)} texts.")
        return vectors, count(mapping(answer.get("usage")).get("prompt_tokens"))

    async def _list(self, control: CallControl) -> list[Mapping[str, object]]:
        url = f"{self._base}/models"
        call = opened(self.context.http, "GET", url, control=control, headers=self._headers(), silence=_LIST_SILENCE)
        async with call as response:
            await self._must_succeed(response, control)
            answer = await read_json(response, control=control)
        # Some gateways answer the bare list.
        return items(answer if isinstance(answer, list) else mapping(answer).get("data"))

    async def _must_succeed(self, response: HttpResponse, control: CallControl, texts: Sequence[str] = ()) -> None:
        if response.status_code != 200:
            fault = Fault.read(response.status_code, await read_fault(response, control=control))
            raise self._error(fault, response, texts)

    def _error(self, fault: Fault, response: HttpResponse, texts: Sequence[str]) -> Exception:
        return fault.error(headers=response.headers, secrets=[self.config.secret("api_key").reveal()], texts=texts)

    def _headers(self, request_id: str = "", *, accept: str = "application/json") -> dict[str, str]:
        headers = {"Accept": accept}
        if key := header_value(self.config.secret("api_key")):
            headers["Authorization"] = f"Bearer {key}"
        names = {"OpenAI-Organization": "organisation", "OpenAI-Project": "project"}
        headers |= {header: value for header, name in names.items() if (value := self.config.text(name))}
        if request_id:
            headers["X-Client-Request-Id"] = request_id
        return headers

    def _model(self, wanted: str) -> str:
        model = wanted or self.config.text("default_model")
        if not model:
            remedy = "Choose a model for this use, or a default model for the profile."
            raise ConfigInvalid("No model is chosen.", field="default_model", remedy=remedy)
        return model

    def _dialect(self, model: str) -> Dialect:
        known = self._dialects.get(model)
        if known is not None:
            return known
        limit = self.config.text("max_tokens_field", "auto")
        effort = self.config.text("reasoning_effort", "default")
        return Dialect(
            limit=limit if limit != "auto" else "max_completion_tokens" if self._is_openai else "max_tokens",
            swapped=limit != "auto",
            usage=self.config.text("usage", "auto") != "off",
            style=self.config.text("continuation", "instruction"),
            effort="" if effort == "default" else effort,
        )

    def _info(self, entry: Mapping[str, object]) -> ModelInfo:
        model = text(entry.get("id"))
        embeds = bool(_EMBEDS.search(model)) or model in self._named_embedders()
        meta = mapping(entry.get("meta"))
        # vLLM, OpenRouter, llama.cpp and LM Studio each have a name of their own for the context window.
        places = (entry.get("max_model_len"), entry.get("context_length"), meta.get("n_ctx_train"))
        window = next(filter(None, map(count, (*places, entry.get("max_context_length")))), None)
        known = DIMENSIONS.get(model) if self._is_openai else None
        return ModelInfo(
            id=model,
            label=text(entry.get("name")) or model,
            capabilities=frozenset({"embed"} if embeds else {"generate", "system", "json", "continue"}),
            context_window=window,
            max_output=count(mapping(entry.get("top_provider")).get("max_completion_tokens")) or None,
            dimensions=(self.config.integer("dimensions") or known) if embeds else None,
            pricing=self._price or self._known_price(model),
        )

    def _named_embedders(self) -> set[str]:
        return {name.strip() for name in self.config.text("embedding_models").split(",")}

    def _known_price(self, model: str) -> Pricing | None:
        return PRICES.find(model) if self._is_openai else None


async def _events(response: HttpResponse, answer: ChatStream, control: CallControl) -> AsyncGenerator[Event, None]:
    if "event-stream" not in response.headers.get("content-type", "text/event-stream").lower():
        for event in (*answer.chunk(mapping(await read_json(response, control=control))), *answer.end()):
            yield event
        return
    async with aclosing(server_events(response, control=control)) as events:
        async for server_event in events:
            if server_event.data == "[DONE]":
                answer.complete = True
                break
            for event in answer.chunk(mapping(parse_json(server_event.data))):
                yield event
        for event in answer.end():
            yield event
        await drained(events)


def _vector(value: object) -> list[float]:
    numbers = value if isinstance(value, list) else []
    vector = [float(n) for n in numbers if isinstance(n, int | float)]
    if not vector or len(vector) != len(numbers) or not all(map(math.isfinite, vector)):
        raise Unavailable("The server gave something that is not a vector.")
    return vector
