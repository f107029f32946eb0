"""The conformance suite on this plugin; the answers are OpenAI's as its reference shows them."""

from __future__ import annotations

from aiwriter_model_openai.plugin import descriptor

from aiwriter_sdk.testing.models import FAULT_STATUS, ModelConformance, Scene
from aiwriter_sdk.testing.wire import WireReply, WireRequest

_CODES = {
    "auth": "invalid_api_key",
    "quota": "insufficient_quota",
    "rate": "rate_limit_exceeded",
    "server": None,
    "context": "context_length_exceeded",
}
_REASONS = {"stop": "stop", "length": "length", "filter": "content_filter"}


class TestOpenAI(ModelConformance):
    descriptor = descriptor

    def options(self) -> dict[str, object]:
        return {"base_url": f"{self.url}/v1"}

    def wire(self, request: WireRequest, scene: Scene) -> WireReply:
        if scene.fault:
            error = {"message": "As the scene wants it.", "type": "error", "param": None, "code": _CODES[scene.fault]}
            return WireReply.json({"error": error}, status=FAULT_STATUS[scene.fault])
        if request.path == "/v1/models":
            entries = [{"id": "gpt-5.4-mini", "object": "model"}, {"id": "text-embedding-3-small", "object": "model"}]
            return WireReply.json({"object": "list", "data": entries})
        if request.path == "/v1/embeddings":
            texts = request.json()["input"]
            data = [{"object": "embedding", "index": i, "embedding": scene.vector(t)} for i, t in enumerate(texts)]
            return WireReply.json({"object": "list", "data": data[::-1], "usage": {"prompt_tokens": len(texts)}})
        return WireReply.sse([*map(_chunk, self._choices(scene)), *self._usage(scene), "[DONE]"])

    @staticmethod
    def _choices(scene: Scene) -> list[dict[str, object]]:
        first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        pieces = [{"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in scene.pieces]
        return [first, *pieces, {"index": 0, "delta": {}, "finish_reason": _REASONS[scene.reason]}]

    @staticmethod
    def _usage(scene: Scene) -> list[dict[str, object]]:
        if scene.usage is None:
            return []
        sent, written = scene.usage
        usage = {"prompt_tokens": sent, "completion_tokens": written, "total_tokens": sent + written}
        return [{"id": "chatcmpl-1", "model": "gpt-5.4-mini", "choices": [], "usage": usage}]


def _chunk(choice: dict[str, object]) -> dict[str, object]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5.4-mini", "choices": [choice]}
