"""The conformance suite on this plugin; the answers are Google's as its reference shows them."""

from __future__ import annotations

from aiwriter_model_gemini.plugin import descriptor

from aiwriter_sdk.testing.models import ModelConformance, Scene
from aiwriter_sdk.testing.wire import WireReply, WireRequest

_TYPE = "type.googleapis.com/google.rpc."
_FAULTS: dict[str, tuple[int, str, str, list[dict[str, object]]]] = {
    "auth": (
        400,
        "INVALID_ARGUMENT",
        "API key not valid.",
        [{"@type": f"{_TYPE}ErrorInfo", "reason": "API_KEY_INVALID"}],
    ),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota.",
        [{"@type": f"{_TYPE}QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}],
    ),
    "rate": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.", []),
    "server": (500, "INTERNAL", "An internal error has occurred.", []),
    "context": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (2100000) exceeds the maximum number of tokens allowed (1048576).",
        [],
    ),
}
_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}


class TestGemini(ModelConformance):
    descriptor = descriptor

    def options(self) -> dict[str, object]:
        return {"base_url": f"{self.url}/v1beta"}

    def wire(self, request: WireRequest, scene: Scene) -> WireReply:
        if scene.fault:
            status, word, message, details = _FAULTS[scene.fault]
            error = {"code": status, "message": message, "status": word, "details": details}
            return WireReply.json({"error": error}, status=status)
        path = request.path.partition("?")[0]
        if path == "/v1beta/models":
            writes = {
                "name": "models/gemini-3.8-flash",
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            }
            embeds = {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]}
            return WireReply.json({"models": [writes, embeds]})
        if path.endswith(":countTokens"):
            return WireReply.json({"totalTokens": len(request.text()) // 4})
        if path.endswith(":batchEmbedContents"):
            texts = [entry["content"]["parts"][0]["text"] for entry in request.json()["requests"]]
            return WireReply.json({"embeddings": [{"values": scene.vector(text)} for text in texts]})
        return WireReply.sse([*({"candidates": [_candidate(piece)]} for piece in scene.pieces), self._last(scene)])

    @staticmethod
    def _last(scene: Scene) -> dict[str, object]:
        last: dict[str, object] = {"candidates": [_candidate("") | {"finishReason": _REASONS[scene.reason]}]}
        if scene.usage is not None:
            sent, written = scene.usage
            counts = {"promptTokenCount": sent, "candidatesTokenCount": written - 2, "thoughtsTokenCount": 2}
            last["usageMetadata"] = counts | {"totalTokenCount": sent + written}
        return last


def _candidate(text: str) -> dict[str, object]:
    return {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
