"""The configured vector store: its client, and whether it is worth asking at the moment. One per process and address."""

from __future__ import annotations

import threading
import time

from django.conf import settings

from aiwriter.core.errors import Unavailable
from apps.content.models import EmbeddingIndex
from apps.content.retrieval.chroma import ChromaClient

_PAUSE_SECONDS = 5.0


class Server:
    """The client, and whether it is worth asking at the moment."""

    def __init__(self, url: str) -> None:
        self.client = ChromaClient(url)
        self.quiet_until = 0.0
        self.counted: dict[str, tuple[int, float]] = {}

    def rest(self) -> None:
        """Do not ask again for a few seconds: a search must not wait for a server that is gone."""
        self.quiet_until = time.monotonic() + _PAUSE_SECONDS


_servers: dict[str, Server] = {}
_lock = threading.Lock()


def server() -> Server | None:
    url = str(getattr(settings, "AIWRITER_CHROMA_URL", "") or "")
    if not url:
        return None
    with _lock:
        if url not in _servers:
            _servers[url] = Server(url)
        return _servers[url]


def client() -> ChromaClient:
    """The client of the configured server.

    Raises:
        Unavailable: none is configured.
    """
    found = server()
    if found is None:
        raise Unavailable(
            "No vector store is configured; exact search answers.",
            remedy="Set AIWRITER_CHROMA_URL, or start the portal with `make run`, which brings one.",
        )
    return found.client


def collection_name(row: EmbeddingIndex, generation: int) -> str:
    """The name of one generation's collection."""
    # Chroma allows 3 to 512 of [a-zA-Z0-9._-]. The row's id stands for workspace and embedder together.
    return f"ws-{row.workspace_id.hex}-{row.pk.hex[-8:]}-g{generation}"


def collection_metadata(row: EmbeddingIndex) -> dict[str, str]:
    """What the collection says about itself, for whoever looks into the store."""
    return {"workspace": str(row.workspace_id), "embedder": row.embedder_id}
