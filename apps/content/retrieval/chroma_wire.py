"""One HTTP connection per thread to the Chroma server. Knows neither Django nor what is stored."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any
from urllib.parse import urlsplit

_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 30.0


class ChromaError(Exception):
    """The server cannot be reached or refuses. `missing`: the collection does not exist."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


class ChromaWire:
    """Calls to one server. Safe in several threads: each has a connection of its own.

    Args:
        url: "http://127.0.0.1:8001".

    Raises:
        ChromaError: the address is not one.
    """

    base = "/api/v2/tenants/default_tenant/databases/default_database"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ChromaError("The address of the vector store is not an http address.")
        self.url = url
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._local = threading.local()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request; the answer's JSON.

        Raises:
            ChromaError: no answer, or a refusal.
        """
        payload = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"} if payload is not None else {}
        for fresh in (False, True):
            connection = self._connection(fresh=fresh)
            try:
                connection.request(method, path, payload, headers)
                response = connection.getresponse()
                data = response.read()
                break
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # The server closes connections that were idle; one new connection tells that from a server that is gone.
                if fresh or isinstance(error, TimeoutError):
                    self._local.connection = None
                    raise ChromaError(f"The vector store at {self.url} does not answer.") from error
        if response.status >= 400:
            raise ChromaError(
                f"The vector store answered {response.status}: {_message(data)}", missing=response.status == 404
            )
        try:
            return json.loads(data) if data else None
        except ValueError as error:
            raise ChromaError(f"{self.url} is not a vector store.") from error

    def _connection(self, *, fresh: bool) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None or fresh:
            kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
            connection = kind(self._host, self._port, timeout=_CONNECT_SECONDS)
            try:
                connection.connect()
            except OSError as error:
                raise ChromaError(f"The vector store at {self.url} cannot be reached.") from error
            connection.sock.settimeout(_ANSWER_SECONDS)
            self._local.connection = connection
        return connection


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data).get("message", ""))[:300]
    except (ValueError, AttributeError):
        return ""
