"""The backend: streams, lists models and counts tokens over the Messages API."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from urllib.parse import urlsplit

from aiwriter_model_anthropic.faults import fault, refused_part
from aiwriter_model_anthropic.prices import PRICES
from aiwriter_model_anthropic.wire import MessageStream, messages_body, prefills, prompt
from aiwriter_sdk import (
    BackendContext,
    CallControl,
    Config,
    ConfigInvalid,
    Event,
    GenerateRequest,
    Health,
    HttpResponse,
    ModelBackend,
    ModelInfo,
    NotFound,
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

_API = "api.anthropic.com"
_VERSION = "2023-06-01"
_LIST_SILENCE = 20.0
_CAPABILITIES = frozenset({"generate", "system", "json", "continue", "count_tokens"})


class AnthropicBackend(ModelBackend):
    """One account; remembers for the life of the process what its models refuse."""

    def __init__(self, config: Config, context: BackendContext) -> None:
        super().__init__(config, context)
        base = base_address(config.text("base_url", f"https://{_API}"), endings=("/messages", "/models", "/v1"))
        self._url = f"{base}/v1"
        self._known_prices = PRICES if urlsplit(base).hostname == _API else None
        self._price = operator_price(config)
        self._refused: dict[str, frozenset[str]] = {}

    async def health(self, *, control: CallControl) -> Health:
        """List the models, which costs nothing."""
        begin = time.monotonic()
        models = await self.models(control=control)
        data = {"latency_ms": (time.monotonic() - begin) * 1000, "models": float(len(models))}
        return Health(status="ok", detail=f"{len(models)} models.", data=data)

    async def models(self, *, control: CallControl) -> Sequence[ModelInfo]:
        """The account's list and the default model; only the default model where a gateway lists none."""
        default = self.config.text("default_model")
        try:
            answer = mapping(await self._call("GET", "/models?limit=1000", None, control))
        except NotFound:
            if not default:
                raise
            answer = {}
        found = {info.id: info for info in map(self._info, items(answer.get("data"))) if info.id}
        if default and default not in found:
            found[default] = self._info({"id": default})
        return list(found.values())

    async def stream(self, request: GenerateRequest, *, control: CallControl) -> AsyncIterator[Event]:
        """Write; a part that the model refuses is left out in a second request, before the first event."""
        model = self._model(request.model)
        sent = [message.content for message in request.messages]
        while True:
            without = self._without(model)
            limit = self.config.integer("max_output", 8192)
            call = opened(
                self.context.http,
                "POST",
                f"{self._url}/messages",
                control=control,
                headers=self._headers(),
                json=messages_body(request, model, without=without, max_output=limit),
                silence=self.config.number("silence", 120),
            )
            async with call as response:
                if response.status_code == 200:
                    answer = MessageStream(request, without=without)
                    async with aclosing(_events(response, answer, control)) as events:
                        async for event in events:
                            yield event
                    return
                body = await read_fault(response, control=control)
                part = refused_part(response.status_code, body)
                if not part or part in without:
                    raise self._error(response, body, sent)
                self._refused[model] = without | {part}
                self.context.logger.info("the model refuses %s and is asked without it", part)

    async def count_tokens(self, request: GenerateRequest, *, control: CallControl) -> int:
        """Count by the provider, free of charge."""
        model = self._model(request.model)
        body = {"model": model, **prompt(request.messages, prefill=prefills(request, self._without(model)))}
        sent = [message.content for message in request.messages]
        answer = await self._call("POST", "/messages/count_tokens", body, control, sent)
        return count(mapping(answer).get("input_tokens"))

    async def _call(
        self, method: str, path: str, body: object | None, control: CallControl, texts: Sequence[str] = ()
    ) -> object:
        call = opened(
            self.context.http,
            method,
            self._url + path,
            control=control,
            headers=self._headers(),
            json=body,
            silence=_LIST_SILENCE,
        )
        async with call as response:
            if response.status_code != 200:
                raise self._error(response, await read_fault(response, control=control), texts)
            return await read_json(response, control=control)

    def _error(self, response: HttpResponse, body: object, texts: Sequence[str]) -> Exception:
        secrets = [self.config.secret("api_key").reveal()]
        return fault(response.status_code, body, headers=response.headers, secrets=secrets, texts=texts)

    def _headers(self) -> dict[str, str]:
        key = header_value(self.config.secret("api_key"))
        return {"x-api-key": key, "anthropic-version": _VERSION}

    def _without(self, model: str) -> frozenset[str]:
        if self.config.text("continuation", "auto") == "instruction":
            return self._refused.get(model, frozenset()) | {"prefill"}
        return self._refused.get(model, frozenset())

    def _model(self, wanted: str) -> str:
        model = wanted or self.config.text("default_model")
        if not model:
            remedy = "Choose a model for this use, or a default model for the profile."
            raise ConfigInvalid("No model is chosen.", field="default_model", remedy=remedy)
        return model

    def _info(self, entry: Mapping[str, object]) -> ModelInfo:
        model = text(entry.get("id"))
        known = self._known_prices.find(model) if self._known_prices else None
        return ModelInfo(
            id=model,
            label=text(entry.get("display_name")) or model,
            capabilities=_CAPABILITIES,
            context_window=count(entry.get("max_input_tokens")) or None,
            max_output=count(entry.get("max_tokens")) or None,
            pricing=self._price or known,
        )


async def _events(response: HttpResponse, answer: MessageStream, control: CallControl) -> AsyncGenerator[Event, None]:
    async with aclosing(server_events(response, control=control)) as events:
        async for server_event in events:
            for event in answer.event(mapping(parse_json(server_event.data))):
                yield event
            if answer.complete:
                break
        for event in answer.end():
            yield event
        await drained(events)
