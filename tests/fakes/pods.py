"""Pods that answer on 127.0.0.1, and a gateway that does what the rules of an HTTPRoute say: the part of a cluster that has traffic."""

from __future__ import annotations

import http.client
import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_ANSWERS = {"/readyz": 200, "/accounts/login/": 200, "/": 302, "/api/v1/content": 401}
_EDGES = (0.1, 0.25, 0.5)


class Listening:
    """A server on a free port of the loopback."""

    def __init__(self, answer: Callable[[str, str, dict[str, str]], tuple[int, bytes]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                status, body = answer(self.command, self.path, {n.lower(): v for n, v in self.headers.items()})
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            do_GET = _do

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class Pod:
    """A portal of some version: counts as the real one does, without the counts of its health routes being worth anything.

    Args:
        version: what it says to whoever asks `/version`.
        failing: of how many requests for `/work` one fails; 0 for none.
    """

    def __init__(self, version: str, failing: int = 0) -> None:
        self.version, self.failing = version, failing
        self.counted: Counter[tuple[str, str]] = Counter()
        self.probes: Counter[str] = Counter()
        self.seconds = 0.05
        self.streams = 0
        self._lock = threading.Lock()
        self._listening = Listening(self._answer)
        self.port = self._listening.port
        self.address = self._listening.address
        self.close = self._listening.close

    def _answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        if path == "/metrics":
            return 200, self.metrics().encode()
        with self._lock:
            if path == "/version":
                return 200, self.version.encode()
            status = _ANSWERS.get(path, 200)
            route = path.strip("/")
            if (
                path == "/work"
                and self.failing
                and not (self.counted["work", "5xx"] + self.counted["work", "2xx"]) % self.failing
            ):
                status = 500
            self.counted[route, f"{status // 100}xx"] += 1
            if "x-aw-probe" in headers and path != "/readyz":
                self.probes[f"{status // 100}xx"] += 1
        return status, b""

    def metrics(self) -> str:
        """As prometheus-client writes it."""
        lines = ["# TYPE aiw_http_requests counter"]
        for (route, status), count in sorted(self.counted.items()):
            lines.append(f'aiw_http_requests_total{{route="{route}",status="{status}",surface="web"}} {float(count)}')
        routes = sorted({route for route, _ in self.counted})
        for route in routes:
            count = sum(n for (name, _), n in self.counted.items() if name == route)
            lines += [
                f'aiw_http_request_seconds_bucket{{le="{edge}",route="{route}",surface="web"}} '
                f"{float(count if self.seconds <= edge else 0)}"
                for edge in _EDGES
            ]
            lines.append(f'aiw_http_request_seconds_bucket{{le="+Inf",route="{route}",surface="web"}} {float(count)}')
        for status, count in sorted(self.probes.items()):
            lines.append(f'aiw_http_probe_seconds_count{{status="{status}"}} {float(count)}')
            lines += [
                f'aiw_http_probe_seconds_bucket{{le="{edge}",status="{status}"}} '
                f"{float(count if self.seconds <= edge else 0)}"
                for edge in _EDGES
            ]
            lines.append(f'aiw_http_probe_seconds_bucket{{le="+Inf",status="{status}"}} {float(count)}')
        lines.append(f'aiw_streams_open{{kind="events"}} {float(self.streams)}')
        return "\n".join(lines) + "\n"


def forward(address: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """To a pod."""
    host, _, port = address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        connection.request(method, path, headers={k: v for k, v in headers.items() if k != "connection"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 502, b""
    finally:
        connection.close()


def service(pods: Callable[[], list[str]]) -> Listening:
    """Sends each request to one of the pods that are ready now."""

    def answer(method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        ready = pods()
        # S311: who gets it is no secret.
        return forward(random.choice(ready), method, path, headers) if ready else (503, b"")

    return Listening(answer)


def matches(rule: dict[str, Any], headers: dict[str, str], whole: bool) -> bool:
    """Whether a rule is for a request. Of patterns some gateways want that they fit all of a header, some a part."""
    for wanted in rule["matches"][0].get("headers") or []:
        value = headers.get(wanted["name"].lower())
        if value is None:
            return False
        if wanted["type"] == "RegularExpression":
            if not (re.fullmatch if whole else re.search)(wanted["value"], value):
                return False
        elif value != wanted["value"]:
            return False
    return True


def chosen(rules: list[dict[str, Any]], headers: dict[str, str], whole: bool = True) -> dict[str, Any] | None:
    """The rule that the Gateway API prefers: the one with most headers, of equal ones the first."""
    fitting = [rule for rule in rules if matches(rule, headers, whole)]
    return max(fitting, key=lambda rule: len(rule["matches"][0].get("headers") or []), default=None)


def gateway(
    rules: Callable[[], list[dict[str, Any]]], pods: Callable[[str], list[str]], whole: bool = True
) -> Listening:
    """Works by the rules; `pods` are the ready ones of a Service."""

    def answer(method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        rule = chosen(rules(), headers, whole)
        if rule is None:
            return 404, b""
        refs = [ref for ref in rule["backendRefs"] if ref.get("weight", 1)]
        (ref,) = random.choices(refs, [ref.get("weight", 1) for ref in refs])
        for each in rule.get("filters") or []:
            for name in each["requestHeaderModifier"].get("remove") or []:
                headers.pop(name.lower(), None)
        ready = pods(ref["name"])
        return forward(random.choice(ready), method, path, headers) if ready else (503, b"")

    return Listening(answer)
