"""The backend: what the portal asks for, in the words of the provider, and its answer back again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiwriter_sdk import (
    CallControl,
    ContextTooLong,
    Event,
    Finish,
    GenerateRequest,
    Health,
    HttpResponse,
    ModelBackend,
    ModelInfo,
    ReasoningDelta,
    Start,
    TextDelta,
    Unavailable,
    Usage,
)
from aiwriter_sdk.calls import (
    count,
    header_value,
    items,
    mapping,
    opened,
    parse_json,
    quoted,
    read_fault,
    read_json,
    status_error,
    text,
)


class ExampleBackend(ModelBackend):
    """One server. It keeps no state between calls, so threads and event loops may share it."""

    async def health(self, *, control: CallControl) -> Health:
        """Ask for the list of models, which costs nothing."""
        found = await self.models(control=control)
        if not found:
            return Health(status="warn", detail="The server answers and has no model yet.")
        return Health(status="ok", detail=f"{len(found)} models.", data={"models": float(len(found))})

    async def models(self, *, control: CallControl) -> Sequence[ModelInfo]:
        """The models that the server has loaded."""
        url = self._url("/api/tags")
        async with opened(self.context.http, "GET", url, control=control, headers=self._headers()) as response:
            await _check(response, control)
            answer = mapping(await read_json(response, control=control))
        names = [text(model.get("name")) for model in items(answer.get("models"))]
        return [ModelInfo(id=name, capabilities=frozenset({"generate"})) for name in names if name]

    async def stream(self, request: GenerateRequest, *, control: CallControl) -> AsyncIterator[Event]:
        """Write. Leaving this generator, in whatever way, closes the connection, and the server stops."""
        url, body = self._url("/api/chat"), _body(request)
        async with opened(
            self.context.http, "POST", url, control=control, headers=self._headers(), json=body
        ) as response:
            await _check(response, control)
            yield Start(model=request.model)
            async for line in response.aiter_lines():
                if not line.strip():
                    continue
                piece = mapping(parse_json(line))
                if "error" in piece:
                    raise Unavailable(f"The server stopped: {text(piece['error'])[:200]}")
                message = mapping(piece.get("message"))
                if thought := text(message.get("thinking")):
                    yield ReasoningDelta(text=thought)
                if words := text(message.get("content")):
                    yield TextDelta(text=words)
                if piece.get("done"):
                    if "eval_count" in piece:
                        yield Usage(
                            input_tokens=count(piece.get("prompt_eval_count")),
                            output_tokens=count(piece["eval_count"]),
                        )
                    yield Finish(reason="length" if piece.get("done_reason") == "length" else "stop")
                    return
        # The server's last line never came: without this error a text that broke off would look finished.
        raise Unavailable("The server ended its answer in the middle.")

    def _url(self, path: str) -> str:
        return self.config.text("base_url").rstrip("/") + path

    def _headers(self) -> dict[str, str]:
        # The key is revealed here, where the request is built, and kept in no attribute.
        key = self.config.secret("api_key")
        return {"Authorization": f"Bearer {header_value(key)}"} if key else {}


def _body(request: GenerateRequest) -> dict[str, Any]:
    options: dict[str, Any] = {
        "num_predict": request.max_output,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop) or None,
    }
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "stream": True,
        "options": {name: value for name, value in options.items() if value is not None},
    }
    if request.json_schema is not None:
        body["format"] = request.json_schema
    return body


async def _check(response: HttpResponse, control: CallControl) -> None:
    """Raise the error of the SDK that says what the provider's answer means."""
    if response.status_code == 200:
        return
    said = text(mapping(await read_fault(response, control=control)).get("error"))
    if response.status_code == 400 and "context length" in said:
        raise ContextTooLong("The request is longer than the model's context window.")
    raise status_error(response.status_code, headers=response.headers, quote=quoted(said))
