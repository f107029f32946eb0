"""How the agent asks over TLS, and what the portal counts of it."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.test import Client

from aiwriter.core import metrics
from aw_deployd import web
from tests.servers.certificates import certificate


class Answering(BaseHTTPRequestHandler):
    """Says for which name it was asked."""

    def do_GET(self) -> None:
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_gateway_with_tls_is_asked_by_address_and_known_by_the_sites_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, private = certificate(tmp_path, "portal.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"https://127.0.0.1:{server.server_address[1]}"
    found = web.ask(address, "/", headers={"Host": "portal.example.org"})
    assert (found.status, found.body) == (200, b"portal.example.org")
    # A certificate for another name is none.
    assert web.ask(address, "/", headers={"Host": "shop.example.org"}).status == 0
    server.shutdown()
    server.server_close()


def test_what_the_agent_marks_is_counted_beside_all_and_its_health_probes_are_not(db: None) -> None:
    def counted() -> tuple[float, float]:
        found = {"aiw_http_requests_total": 0.0, "aiw_http_probe_seconds_count": 0.0}
        for metric in (*metrics.requests.collect(), *metrics.probe_seconds.collect()):
            for sample in metric.samples:
                if sample.name in found:
                    found[sample.name] += sample.value
        return found["aiw_http_requests_total"], found["aiw_http_probe_seconds_count"]

    client, before = Client(), counted()
    client.get("/accounts/login/", headers={"X-AW-Probe": "secret:green"})
    client.get("/accounts/login/")
    client.get("/livez", headers={"X-AW-Probe": "secret:green"})
    after = counted()
    assert (after[0] - before[0], after[1] - before[1]) == (3, 1)
