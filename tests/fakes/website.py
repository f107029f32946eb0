"""A small web site on the loopback address: pages that change, redirects, refusals, and what was asked of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass
class Answer:
    """One answer: status, body, more headers; a page without `etag=False` has one made of its body."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    etag: bool = True


class Website:
    """Serves `pages` by path; `asked` holds (path, status) of every request."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: list[tuple[str, int]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = site.pages.get(self.path, Answer(b"nothing here", 404))
                answer = found() if callable(found) else found
                tag = f'"{hashlib.sha256(answer.body).hexdigest()[:12]}"'
                status = answer.status
                if answer.etag and status == 200 and self.headers.get("If-None-Match") == tag:
                    status = 304
                site.asked.append((self.path, status))
                self.send_response(status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.etag and status in (200, 304):
                    self.send_header("ETag", tag)
                body = b"" if status == 304 else answer.body
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Website:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
