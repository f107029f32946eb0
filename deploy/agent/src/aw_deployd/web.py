"""HTTP over TCP, TLS or a UNIX socket: the agent asks its own proxies and versions, nobody else."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What came; status 0 when nothing did."""

    status: int
    body: bytes
    seconds: float
    headers: Mapping[str, str]

    @property
    def failed(self) -> bool:
        """No answer, or an error of the server."""
        return self.status == 0 or self.status >= 500


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _NamedConnection(http.client.HTTPSConnection):
    """TLS to one address, for the name that the request is for: the certificate is that one's."""

    def __init__(self, host: str, port: int, name: str, timeout: float) -> None:
        self._trusting = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout, context=self._trusting)
        self._name = name

    def connect(self) -> None:
        wire = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._trusting.wrap_socket(wire, server_hostname=self._name)


def ask(
    address: str,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5.0,
) -> Answer:
    """One request on a connection of its own.

    Args:
        address: host:port, https://host:port, or the path of a socket.
    """
    begun = time.monotonic()
    connection: http.client.HTTPConnection
    if address.startswith("/"):
        connection = _UnixConnection(address, timeout)
    elif address.startswith("https://"):
        host, _, port = address.removeprefix("https://").rpartition(":")
        connection = _NamedConnection(host, int(port), (headers or {}).get("Host", host), timeout)
    else:
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request(method, path, body=body, headers={"Connection": "close", **(headers or {})})
        answer = connection.getresponse()
        data = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, data, time.monotonic() - begun, found)
    except (OSError, http.client.HTTPException):
        return Answer(0, b"", time.monotonic() - begun, {})
    finally:
        connection.close()
