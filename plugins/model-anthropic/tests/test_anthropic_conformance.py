"""The conformance suite on this plugin; the answers are Anthropic's as its reference shows them."""

from __future__ import annotations

from aiwriter_model_anthropic.plugin import descriptor

from aiwriter_sdk.testing.models import ModelConformance, Scene
from aiwriter_sdk.testing.wire import WireReply, WireRequest

_FAULTS = {
    "auth": (401, "authentication_error", "invalid x-api-key"),
    "quota": (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
    "rate": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "server": (500, "api_error", "Internal server error"),
    "context": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
}
_REASONS = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal"}


class TestAnthropic(ModelConformance):
    descriptor = descriptor

    def options(self) -> dict[str, object]:
        return {"base_url": self.url}

    def wire(self, request: WireRequest, scene: Scene) -> WireReply:
        if scene.fault:
            status, kind, message = _FAULTS[scene.fault]
            return WireReply.json({"type": "error", "error": {"type": kind, "message": message}}, status=status)
        if request.path.startswith("/v1/models"):
            entry = {"type": "model", "id": "claude-sonnet-5-5", "display_name": "Claude Sonnet 5.5"}
            return WireReply.json({"data": [entry], "has_more": False})
        if request.path == "/v1/messages/count_tokens":
            return WireReply.json({"input_tokens": len(request.text()) // 4})
        return WireReply.sse([(str(event["type"]), event) for event in self._events(request, scene)])

    @staticmethod
    def _events(request: WireRequest, scene: Scene) -> list[dict[str, object]]:
        sent, written = scene.usage or (0, 0)
        message: dict[str, object] = {"id": "msg_01", "type": "message", "model": request.json()["model"]}
        if scene.usage:
            message["usage"] = {"input_tokens": sent - 4, "cache_read_input_tokens": 4, "output_tokens": 1}
        end: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": _REASONS[scene.reason]}}
        if scene.usage:
            end["usage"] = {"output_tokens": written}
        deltas = [{"type": "text_delta", "text": piece} for piece in scene.pieces]
        if "tools" in request.json():
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in scene.pieces]
        return [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": 0},
            end,
            {"type": "message_stop"},
        ]
