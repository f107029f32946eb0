"""A server with the shape of the WordPress REST API, and with the faults that real ones have.

Paths, status codes and error bodies follow the REST API handbook: wp/v2 posts, pages, media, tags, categories, users/me.
"""

from __future__ import annotations

import base64
import contextlib
import html
import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "wanda", "abcd efgh ijkl mnop qrst uvwx"


@dataclass
class Site:
    """What the site holds."""

    posts: dict[int, dict[str, Any]] = field(default_factory=dict)
    media: dict[int, dict[str, Any]] = field(default_factory=dict)
    terms: dict[str, dict[int, str]] = field(default_factory=lambda: {"tags": {}, "categories": {1: "Uncategorized"}})
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)


class FakeWordPress:
    """Serves on a free loopback port for the time of a `with` block.

    `fail(method_and_path, kind)` makes the next fitting request fail: "drop" writes and then breaks the connection,
    "hang" writes and never answers, "500", "429" and "401" answer so and write nothing.
    """

    def __init__(self) -> None:
        self.site = Site()
        site = self.site
        numbers = itertools.count(11)

        class Handler(_Handler):
            pass

        Handler.site, Handler.numbers = site, numbers
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Handler.address = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> FakeWordPress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(self, request: str, kind: str, times: int = 1) -> None:
        """Let the next requests that begin with "POST /posts" or the like fail."""
        self.site.faults += [(request, kind)] * times

    @property
    def live(self) -> list[dict[str, Any]]:
        """The posts that everybody sees."""
        return [post for post in self.site.posts.values() if post["status"] == "publish"]

    def post(self, number: str | int) -> dict[str, Any]:
        """One post."""
        return self.site.posts[int(number)]


class _Handler(BaseHTTPRequestHandler):
    site: Site
    numbers: Iterator[int]
    address: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/wp-json/wp/v2")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.site.lock:
            self.site.requests.append((method, path))
            fault = next((f for f in self.site.faults if f"{method} {path}".startswith(f[0])), None)
            if fault:
                self.site.faults.remove(fault)
        kind = fault[1] if fault else ""
        if kind.isdigit():
            headers = {"Retry-After": "1"} if kind == "429" else {}
            return self._answer(int(kind), {"code": f"fake_{kind}", "message": "As the test wants it."}, headers)
        if not parts.path.startswith("/wp-json/wp/v2/"):
            return self._answer(404, {"code": "rest_no_route", "message": "No route was found."})
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            return self._answer(401, {"code": "incorrect_password", "message": "Unknown user or wrong password."})
        with self.site.lock:
            status, answer = self._route(method, path.strip("/").split("/"), query, content)
        if kind == "drop":
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return None
        if kind == "hang":
            time.sleep(30)
        return self._answer(status, answer)

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def _route(self, method: str, path: list[str], query: dict[str, str], content: bytes) -> tuple[int, Any]:
        match (method, path):
            case ("GET", ["users", "me"]):
                rights = {"publish_posts": True, "publish_pages": True, "upload_files": True}
                return 200, {"id": 1, "name": "Wanda", "slug": USER, "capabilities": rights}
            case ("GET", ["tags" | "categories" as kind]):
                found = self.site.terms[kind].items()
                words = query.get("search", "").casefold()
                return 200, [{"id": i, "name": html.escape(n)} for i, n in found if words in n.casefold()]
            case ("POST", ["tags" | "categories" as kind]):
                number, name = next(self.numbers), json.loads(content)["name"]
                self.site.terms[kind][number] = name
                return 201, {"id": number, "name": html.escape(name)}
            case ("GET", ["media"]):
                return 200, [m for m in self.site.media.values() if m["slug"] == query.get("slug", m["slug"])]
            case ("POST", ["media"]):
                return self._upload(content)
            case ("POST", ["media", number]):
                self.site.media[int(number)]["alt_text"] = json.loads(content)["alt_text"]
                return 200, self.site.media[int(number)]
            case (_, ["posts" | "pages" as kind, *rest]):
                return self._posts(method, kind, rest, query, content)
        return 404, {"code": "rest_no_route", "message": "No route was found."}

    def _upload(self, content: bytes) -> tuple[int, Any]:
        found = re.search(r'filename="([^"]+)"', self.headers.get("Content-Disposition", ""))
        if not found or not content:
            return 400, {"code": "rest_upload_no_data", "message": "No data supplied."}
        number, name = next(self.numbers), found[1]
        entry = {
            "id": number,
            "slug": name.rpartition(".")[0],
            "source_url": f"{self.address}/wp-content/uploads/{name}",
            "mime_type": self.headers.get("Content-Type"),
            "size": len(content),
            "alt_text": "",
        }
        self.site.media[number] = entry
        return 201, entry

    def _posts(self, method: str, kind: str, rest: list[str], query: dict[str, str], content: bytes) -> tuple[int, Any]:
        posts = self.site.posts
        if not rest and method == "GET":
            wanted = query.get("status", "publish").split(",")
            found = [p for p in posts.values() if p["kind"] == kind and p["status"] in wanted]
            if "slug" in query:
                found = [p for p in found if p["slug"] == query["slug"]]
            if "search" in query:
                found = [p for p in found if query["search"] in p["content"]["raw"] + p["title"]["raw"]]
            return 200, found
        if rest and (not rest[0].isdigit() or int(rest[0]) not in posts):
            return 404, {"code": "rest_post_invalid_id", "message": "Invalid post ID."}
        if method == "GET":
            return 200, posts[int(rest[0])]
        if method == "DELETE":
            posts[int(rest[0])]["status"] = "trash"
            return 200, posts[int(rest[0])]
        number = int(rest[0]) if rest else next(self.numbers)
        post = posts.setdefault(number, {"id": number, "kind": kind, "slug": "", "status": "draft"})
        for name, value in json.loads(content).items():
            post[name] = {"raw": value, "rendered": value} if name in ("title", "content", "excerpt") else value
        post["slug"] = self._free(post["slug"], number)
        post["link"] = f"{self.address}/{post['slug'] or f'?p={number}'}/"
        return 200 if rest else 201, post

    def _free(self, slug: str, number: int) -> str:
        """WordPress gives a taken address a number at its end."""
        taken = {p["slug"] for p in self.site.posts.values() if p["id"] != number}
        free, count = slug, 1
        while free and free in taken:
            count += 1
            free = f"{slug}-{count}"
        return free
