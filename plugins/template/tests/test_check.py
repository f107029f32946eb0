"""AI-Writer's conformance suite for the health check, played on a server that answers as Ollama does."""

from collections.abc import Mapping

from aiwriter_example.plugin import check

from aiwriter_sdk.testing.health import CheckConformance
from aiwriter_sdk.testing.wire import WireReply, WireRequest


class TestExampleCheck(CheckConformance):
    """All rules of a health check."""

    descriptor = check

    def options(self) -> Mapping[str, object]:
        """The suite's own server."""
        return {"base_url": self.url, "most_gib": 8.0}

    def answer(self, request: WireRequest) -> WireReply:
        """One model is loaded; a large one while the suite wants a fault."""
        assert request.path == "/api/ps"
        return WireReply.json({"models": [{"name": "demo:latest", "size": (4 if self.well else 40) * 2**30}]})
