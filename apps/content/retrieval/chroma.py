"""The client of the Chroma server: the part of its HTTP interface that the index needs.

The Python package of Chroma is not imported: it costs 73 MB and two seconds of processor time in every process that
talks to the server, these pages cost 11 MB and 0.1 s. Nothing else in the product knows how Chroma is spoken to.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import quote

from apps.content.retrieval.chroma_wire import ChromaError, ChromaWire
from apps.content.retrieval.exact import VectorHit
from apps.content.retrieval.vectors import Matrix

__all__ = ["BATCH", "ChromaClient", "ChromaError"]

BATCH = 1000


class ChromaClient:
    """The collections of one server. Safe in several threads.

    Args:
        url: "http://127.0.0.1:8001".
    """

    def __init__(self, url: str) -> None:
        self._wire = ChromaWire(url)
        self._base = self._wire.base
        self._ids: dict[str, str] = {}

    def heartbeat(self) -> float:
        """Seconds that the server needed to answer.

        Raises:
            ChromaError: it does not.
        """
        begun = time.perf_counter()
        self._wire.call("GET", "/api/v2/heartbeat")
        return time.perf_counter() - begun

    def create(self, name: str, *, metadata: dict[str, str]) -> None:
        """Make a collection; quiet when it exists.

        Vectors wait in Chroma's own log until `sync_threshold` of them are there. With Chroma's default of 1,000 a
        kill -9 broke three collections of 49, with 50,000 none of 41.
        """
        answer = self._wire.call(
            "POST",
            f"{self._base}/collections",
            {
                "name": name,
                "get_or_create": True,
                "metadata": metadata,
                "configuration": {
                    "hnsw": {"space": "cosine", "sync_threshold": 50_000, "ef_construction": 128, "ef_search": 128}
                },
            },
        )
        self._ids[name] = answer["id"]

    def names(self) -> list[str]:
        """Names of all collections."""
        return [row["name"] for row in self._wire.call("GET", f"{self._base}/collections?limit=100000")]

    def drop(self, name: str) -> None:
        """Delete a collection; quiet when it does not exist."""
        self._ids.pop(name, None)
        try:
            self._wire.call("DELETE", f"{self._base}/collections/{quote(name, safe='')}")
        except ChromaError as error:
            if not error.missing:
                raise

    def add(self, name: str, ids: Sequence[uuid.UUID], vectors: Matrix, source_ids: Sequence[uuid.UUID]) -> None:
        """Put vectors in; an id that is there already gets the new vector."""
        for at in range(0, len(ids), BATCH):
            self._on(
                name,
                "upsert",
                {
                    "ids": [str(each) for each in ids[at : at + BATCH]],
                    "embeddings": vectors[at : at + BATCH].tolist(),
                    "metadatas": [{"source": str(each)} for each in source_ids[at : at + BATCH]],
                },
            )

    def remove(self, name: str, ids: Sequence[uuid.UUID]) -> None:
        """Take vectors out; quiet about ids that are not there."""
        for at in range(0, len(ids), BATCH):
            self._on(name, "delete", {"ids": [str(each) for each in ids[at : at + BATCH]]})

    def ids(self, name: str) -> set[uuid.UUID]:
        """Ids of all vectors in a collection."""
        found: set[uuid.UUID] = set()
        while True:
            page = self._on(name, "get", {"include": [], "limit": 10_000, "offset": len(found)})["ids"]
            found.update(uuid.UUID(each) for each in page)
            if len(page) < 10_000:
                return found

    def count(self, name: str) -> int:
        """How many vectors a collection holds."""
        return int(self._on(name, "count", None, method="GET"))

    def query(
        self, name: str, vector: Matrix, *, limit: int, source_ids: Collection[uuid.UUID] | None = None
    ) -> list[VectorHit]:
        """The nearest vectors, best first."""
        body: dict[str, Any] = {
            "query_embeddings": [vector.tolist()],
            "n_results": limit,
            "include": ["distances"],
        }
        if source_ids is not None:
            body["where"] = {"source": {"$in": [str(each) for each in source_ids]}}
        answer = self._on(name, "query", body)
        found = zip(answer["ids"][0], answer["distances"][0], strict=True)
        return [VectorHit(uuid.UUID(chunk_id), 1.0 - float(distance)) for chunk_id, distance in found]

    def _on(self, name: str, verb: str, body: dict[str, Any] | None, *, method: str = "POST") -> Any:
        try:
            return self._wire.call(method, f"{self._base}/collections/{self._id(name)}/{verb}", body)
        except ChromaError as error:
            if not error.missing:
                raise
        # The collection may have been made anew under its name, by another process or after a loss.
        self._ids.pop(name, None)
        return self._wire.call(method, f"{self._base}/collections/{self._id(name)}/{verb}", body)

    def _id(self, name: str) -> str:
        if name not in self._ids:
            self._ids[name] = str(self._wire.call("GET", f"{self._base}/collections/{quote(name, safe='')}")["id"])
        return self._ids[name]
