"""AI-Writer's conformance suite, played on a server that answers as the provider would."""

from collections.abc import Mapping

from aiwriter_example.plugin import descriptor

from aiwriter_sdk.testing.models import FAULT_STATUS, ModelConformance, Scene, WireReply
from aiwriter_sdk.testing.wire import WireRequest


class TestExample(ModelConformance):
    """All rules that apply to a backend that speaks HTTP."""

    descriptor = descriptor
    expected_failures = {
        "test_the_filter_is_told": "the API has no filter",
    }

    def options(self) -> Mapping[str, object]:
        """The suite's own server."""
        return {"base_url": self.url}

    def wire(self, request: WireRequest, scene: Scene) -> WireReply:
        """Ollama's API, as far as the backend uses it."""
        if scene.fault:
            words = {"context": "input exceeds the context length"}.get(scene.fault, scene.fault)
            status = 402 if scene.fault == "quota" else FAULT_STATUS[scene.fault]
            return WireReply.json({"error": words}, status=status)
        if request.path == "/api/tags":
            return WireReply.json({"models": [{"name": "small:latest"}]})
        assert (request.method, request.path) == ("POST", "/api/chat")
        last: dict[str, object] = {"done": True, "done_reason": scene.reason, "message": {"content": ""}}
        if scene.usage:
            last |= {"prompt_eval_count": scene.usage[0], "eval_count": scene.usage[1]}
        return WireReply.lines([*({"message": {"content": piece}} for piece in scene.pieces), last])
