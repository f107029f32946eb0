"""The backend: what the portal asks for, in the words of the provider, and its answer back again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    CallControl,
    ContextTooLong,
    Event,
    Finish,
    GenerateRequest,
    Health,
    HttpResponse,
    InvalidRequest,
    ModelBackend,
    ModelInfo,
    NotFound,
    QuotaExceeded,
    RateLimited,
    ReasoningDelta,
    Start,
    TextDelta,
    Unavailable,
    Usage,
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
        async with self.context.http.stream(
            "GET", self._url("/api/tags"), headers=self._headers(), timeout=control.remaining()
        ) as response:
            await _check(response)
            answer = _parsed(await response.aread())
        return [ModelInfo(id=model["name"], capabilities=frozenset({"generate"})) for model in answer["models"]]

    async def stream(self, request: GenerateRequest, *, control: CallControl) -> AsyncIterator[Event]:
        """Write. Leaving this generator, in whatever way, closes the connection, and the server stops."""
        async with self.context.http.stream(
            "POST",
            self._url("/api/chat"),
            headers=self._headers(),
            json=_body(request),
            timeout=control.remaining(),
        ) as response:
            await _check(response)
            yield Start(model=request.model)
            async for line in response.aiter_lines():
                if not line.strip():
                    continue
                piece = _parsed(line.encode())
                if "error" in piece:
                    raise Unavailable(f"The server stopped: {str(piece['error'])[:200]}")
                message = piece.get("message") or {}
                if message.get("thinking"):
                    yield ReasoningDelta(text=message["thinking"])
                if message.get("content"):
                    yield TextDelta(text=message["content"])
                if piece.get("done"):
                    if "eval_count" in piece:
                        yield Usage(input_tokens=piece.get("prompt_eval_count", 0), output_tokens=piece["eval_count"])
                    yield Finish(reason="length" if piece.get("done_reason") == "length" else "stop")
                    return
        # The provider's last line never came: without this error a text that broke off would look finished.
        raise Unavailable("The server ended its answer in the middle.")

    def _url(self, path: str) -> str:
        return self.config.text("base_url").rstrip("/") + path

    def _headers(self) -> dict[str, str]:
        # The key is revealed here, where the request is built, and kept in no attribute.
        key = self.config.secret("api_key")
        return {"Authorization": f"Bearer {key.reveal()}"} if key else {}


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


async def _check(response: HttpResponse) -> None:
    """Raise the error of the SDK that says what the provider's status means."""
    if response.status_code == 200:
        return
    try:
        reason = str(_parsed(await response.aread()).get("error", ""))[:200]
    except BackendError:
        reason = ""
    said = f"The server answers {response.status_code}{': ' if reason else ''}{reason}"
    if response.status_code in (401, 403):
        raise AuthFailed(said, remedy="Check the key.")
    if response.status_code == 402:
        raise QuotaExceeded(said)
    if response.status_code == 404:
        raise NotFound(said, remedy="Load the model on the server, or choose another one.")
    if response.status_code == 429:
        raise RateLimited(said, retry_after=_seconds(response.headers))
    if response.status_code == 400 and "context" in reason:
        raise ContextTooLong(said)
    if response.status_code < 500:
        raise InvalidRequest(said)
    raise Unavailable(said)


def _seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise Unavailable("The server's answer is not JSON.", remedy="Is this the address of the server?") from error
    if not isinstance(answer, dict):
        raise Unavailable("The server's answer is not a JSON object.")
    return answer
