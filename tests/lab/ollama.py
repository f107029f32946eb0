"""A small server with Ollama's API, for the plugin that the template makes."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

TEXT = "This text comes from a server with the API of Ollama, word by word."


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, *documents: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        for document in documents:
            self.wfile.write(json.dumps(document).encode() + b"\n")

    def do_GET(self) -> None:
        self._answer({"models": [{"name": "demo:latest"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        words = [{"message": {"content": word}} for word in TEXT.replace(" ", " \0").split("\0")]
        self._answer(*words, {"done": True, "done_reason": "stop", "prompt_eval_count": 10, "eval_count": len(words)})


class OllamaLike:
    """The server for the time of a `with` block; always writes `text`."""

    text = TEXT

    def __enter__(self) -> OllamaLike:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
