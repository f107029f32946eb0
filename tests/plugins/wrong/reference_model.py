"""A right model backend, cut into small methods so that each wrong one can get a single thing wrong."""

from __future__ import annotations

import json
from typing import Any

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    ContextTooLong,
    EmbedResult,
    Finish,
    Health,
    InvalidRequest,
    ModelBackend,
    ModelInfo,
    QuotaExceeded,
    RateLimited,
    Start,
    TextDelta,
    Unavailable,
    Usage,
)


class Right(ModelBackend):
    """Speaks a small protocol: GET /models, POST /chat with JSON lines, POST /embed."""

    async def health(self, *, control):
        found = await self.models(control=control)
        return Health(status="ok", detail=f"{len(found)} models")

    async def models(self, *, control):
        answer = await self.ask("GET", "/models", None, control)
        return [ModelInfo(id=name, capabilities=frozenset({"generate", "embed"})) for name in answer["models"]]

    async def embed(self, request, *, control):
        vectors = []
        for at in range(0, len(request.texts), 100):
            body = {"model": request.model, "texts": list(request.texts[at : at + 100])}
            vectors += (await self.ask("POST", "/embed", body, control))["vectors"]
        return EmbedResult(vectors=vectors, dimensions=len(vectors[0]), fingerprint=f"right/{request.model}")

    async def ask(self, method, path, body, control):
        async with self.context.http.stream(
            method, self.url(path), headers=self.headers(), json=body, timeout=control.remaining()
        ) as response:
            await self.check(response)
            return self.parsed(await response.aread())

    async def stream(self, request, *, control):
        async with self.open(request, control) as response:
            await self.check(response)
            yield Start(model=request.model)
            async for line in self.lines(response):
                piece = self.parsed(line.encode())
                if "text" in piece:
                    yield TextDelta(text=piece["text"])
                else:
                    for event in self.last(piece):
                        yield event
                    return
        raise Unavailable("The server ended its answer in the middle.")

    def open(self, request, control):
        return self.context.http.stream(
            "POST", self.url("/chat"), headers=self.headers(), json=self.body(request), timeout=control.remaining()
        )

    def lines(self, response):
        return response.aiter_lines()

    def last(self, piece):
        if "usage" in piece:
            yield Usage(input_tokens=piece["usage"][0], output_tokens=piece["usage"][1])
        yield Finish(reason=piece["end"])

    def url(self, path):
        return self.config.text("base_url") + path

    def headers(self):
        return {"Authorization": f"Bearer {self.config.secret('key').reveal()}"}

    def body(self, request) -> dict[str, Any]:
        return {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "limit": request.max_output,
            "stop": list(request.stop),
            "schema": request.json_schema,
        }

    async def check(self, response):
        if response.status_code != 200:
            said = self.parsed(await response.aread())["error"]
            raise self.error(response.status_code, said, response.headers.get("retry-after"))

    def error(self, status, said, wait) -> BackendError:
        if status == 401:
            return AuthFailed(said)
        if said == "quota":
            return QuotaExceeded(said)
        if status == 429:
            return RateLimited(said, retry_after=float(wait) if wait else None)
        if said == "context":
            return ContextTooLong(said)
        return Unavailable(said) if status >= 500 else InvalidRequest(said)

    def parsed(self, data):
        try:
            return json.loads(data)
        except ValueError as error:
            raise Unavailable("The answer is not JSON.") from error
