"""How the agent asks over TLS, and what the portal counts of it."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.test import Client

from aiwriter.core import metrics
from aw_deployd import web


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """For a name that no name server knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return public, private


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
