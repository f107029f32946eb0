"""The backend: streams, lists models, embeds and counts tokens over the Gemini API."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from urllib.parse import quote, urlsplit

from aiwriter_model_gemini.faults import Fault
from aiwriter_model_gemini.prices import PRICES
from aiwriter_model_gemini.wire import ContentStream, generate_body, prefills, prompt
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
    HttpResponse,
    ModelBackend,
    ModelInfo,
    Unavailable,
)
from aiwriter_sdk.calls import (
    base_address,
    count,
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

_API = "generativelanguage.googleapis.com"
_BATCH = 100
_PAGES = 20
_LIST_SILENCE = 20.0
_WRITES = frozenset({"generate", "system", "json", "continue", "count_tokens"})
_TASKS = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}


class GeminiBackend(ModelBackend):
    """One account; remembers for the life of the process what its models refuse."""

    def __init__(self, config: Config, context: BackendContext) -> None:
        super().__init__(config, context)
        self._base = base_address(config.text("base_url", f"https://{_API}/v1beta"), endings=("/models",))
        self._known_prices = PRICES if urlsplit(self._base).hostname == _API else None
        self._price = operator_price(config)
        self._refused: dict[str, frozenset[str]] = {}

    async def health(self, *, control: CallControl) -> Health:
        """List the models, which costs nothing."""
        begin = time.monotonic()
        models = await self.models(control=control)
        data = {"latency_ms": (time.monotonic() - begin) * 1000, "models": float(len(models))}
        return Health(status="ok", detail=f"{len(models)} models.", data=data)

    async def models(self, *, control: CallControl) -> Sequence[ModelInfo]:
        """The account's list, as far as it writes or embeds text, and the default model."""
        found: dict[str, ModelInfo] = {}
        page = ""
        for _ in range(_PAGES):
            answer = mapping(await self._call("GET", f"/models?pageSize=1000{page}", None, control))
            infos = map(self._info, items(answer.get("models")))
            found |= {info.id: info for info in infos if info.id and info.capabilities}
            token = text(answer.get("nextPageToken"))
            if not token:
                break
            page = f"&pageToken={quote(token, safe='')}"
        default = self.config.text("default_model").removeprefix("models/")
        if default and default not in found:
            found[default] = self._info({"name": default, "supportedGenerationMethods": ["generateContent"]})
        return list(found.values())

    async def stream(self, request: GenerateRequest, *, control: CallControl) -> AsyncIterator[Event]:
        """Write; a part that the model refuses is left out in a second request, before the first event."""
        model = self._model(request.model)
        sent = [message.content for message in request.messages]
        while True:
            without = self._without(model)
            call = opened(
                self.context.http,
                "POST",
                f"{self._base}/models/{quote(model, safe='')}:streamGenerateContent?alt=sse",
                control=control,
                headers=self._headers(),
                json=generate_body(request, without=without),
                silence=self.config.number("silence", 120),
            )
            async with call as response:
                if response.status_code == 200:
                    answer = ContentStream(request, without=without)
                    async with aclosing(_events(response, answer, control)) as events:
                        async for event in events:
                            yield event
                    return
                fault = Fault.read(response.status_code, await read_fault(response, control=control))
                part = fault.refused_part
                if not part or part in without:
                    raise self._error(fault, response, sent)
                self._refused[model] = without | {part}
                self.context.logger.info("the model refuses %s and is asked without it", part)

    async def embed(self, request: EmbedRequest, *, control: CallControl) -> EmbedResult:
        """Embed, 100 texts a request; the vectors have length one whatever their dimensions."""
        model = self._model(request.model)
        size = self.config.integer("dimensions")
        entries = [self._embed_entry(model, one, request.purpose, size) for one in request.texts]
        vectors: list[list[float]] = []
        for at in range(0, len(entries), _BATCH):
            path = f"/models/{quote(model, safe='')}:batchEmbedContents"
            body = {"requests": entries[at : at + _BATCH]}
            answer = mapping(await self._call("POST", path, body, control, request.texts))
            vectors += [_unit(one.get("values")) for one in items(answer.get("embeddings"))]
        sizes = {len(vector) for vector in vectors}
        if len(vectors) != len(request.texts) or len(sizes) > 1:
            raise Unavailable("Google gave another number of vectors than there are texts, or vectors of many lengths.")
        dimensions = sizes.pop() if sizes else size
        digest = hashlib.sha256(repr((self._base, model, dimensions)).encode()).hexdigest()[:16]
        return EmbedResult(vectors=vectors, dimensions=dimensions, fingerprint=f"gemini:{digest}")

    @staticmethod
    def _embed_entry(model: str, one: str, purpose: str, size: int) -> dict[str, object]:
        # An empty text is refused; a space has a vector.
        entry: dict[str, object] = {"model": f"models/{model}", "content": {"parts": [{"text": one or " "}]}}
        entry["taskType"] = _TASKS[purpose]
        return entry | ({"outputDimensionality": size} if size else {})

    async def count_tokens(self, request: GenerateRequest, *, control: CallControl) -> int:
        """Count by the provider, free of charge."""
        model = self._model(request.model)
        body = prompt(request.messages, prefill=prefills(request, self._without(model)))
        whole = {"generateContentRequest": {"model": f"models/{model}", **body}}
        sent = [message.content for message in request.messages]
        answer = await self._call("POST", f"/models/{quote(model, safe='')}:countTokens", whole, control, sent)
        return count(mapping(answer).get("totalTokens"))

    async def _call(
        self, method: str, path: str, body: object | None, control: CallControl, texts: Sequence[str] = ()
    ) -> object:
        call = opened(
            self.context.http,
            method,
            self._base + path,
            control=control,
            headers=self._headers(),
            json=body,
            silence=_LIST_SILENCE if body is None else None,
        )
        async with call as response:
            if response.status_code != 200:
                fault = Fault.read(response.status_code, await read_fault(response, control=control))
                raise self._error(fault, response, texts)
            return await read_json(response, control=control)

    def _error(self, fault: Fault, response: HttpResponse, texts: Sequence[str]) -> Exception:
        return fault.error(headers=response.headers, secrets=[self.config.secret("api_key").reveal()], texts=texts)

    def _headers(self) -> dict[str, str]:
        return {"x-goog-api-key": header_value(self.config.secret("api_key"))}

    def _without(self, model: str) -> frozenset[str]:
        if self.config.text("continuation", "auto") == "instruction":
            return self._refused.get(model, frozenset()) | {"prefill"}
        return self._refused.get(model, frozenset())

    def _model(self, wanted: str) -> str:
        model = (wanted or self.config.text("default_model")).removeprefix("models/")
        if not model:
            remedy = "Choose a model for this use, or a default model for the profile."
            raise ConfigInvalid("No model is chosen.", field="default_model", remedy=remedy)
        return model

    def _info(self, entry: Mapping[str, object]) -> ModelInfo:
        model = text(entry.get("name")).removeprefix("models/")
        methods = entry.get("supportedGenerationMethods")
        methods = methods if isinstance(methods, list) else []
        embeds = "embedContent" in methods or "batchEmbedContents" in methods
        writes = "generateContent" in methods or "streamGenerateContent" in methods
        return ModelInfo(
            id=model,
            label=text(entry.get("displayName")) or model,
            capabilities=_WRITES if writes else frozenset({"embed"}) if embeds else frozenset(),
            context_window=count(entry.get("inputTokenLimit")) or None,
            max_output=None if embeds else count(entry.get("outputTokenLimit")) or None,
            dimensions=(self.config.integer("dimensions") or None) if embeds else None,
            pricing=self._price or (self._known_prices.find(model) if self._known_prices else None),
        )


async def _events(response: HttpResponse, answer: ContentStream, control: CallControl) -> AsyncGenerator[Event, None]:
    async with aclosing(server_events(response, control=control)) as events:
        async for server_event in events:
            for event in answer.event(mapping(parse_json(server_event.data))):
                yield event
    for event in answer.end():
        yield event


def _unit(value: object) -> list[float]:
    numbers = value if isinstance(value, list) else []
    vector = [float(n) for n in numbers if isinstance(n, int | float)]
    length = math.sqrt(sum(n * n for n in vector))
    if not vector or len(vector) != len(numbers) or not math.isfinite(length) or length == 0:
        raise Unavailable("Google gave something that is not a vector.")
    # Only the full length comes normalised from Google.
    return [n / length for n in vector]
