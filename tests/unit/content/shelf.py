"""Sources with vectors for tests of retrieval, embedded by the lexical embedder: quick, and the same on every machine."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from aiwriter_model_offline import lexical

from aiwriter_sdk import EmbedResult
from apps.content.markup.chunks import chunk_document
from apps.content.models import Source, SourceChunk
from apps.content.retrieval import index
from apps.content.retrieval.chroma_server import server_command, server_environment
from apps.content.retrieval.chroma_wire import ChromaError, ChromaWire
from apps.users.models import Workspace
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[3]


def embed(texts: str | Sequence[str]) -> EmbedResult:
    """The lexical embedder as the host calls one."""
    rows = lexical.embed([texts] if isinstance(texts, str) else list(texts))
    return EmbedResult(vectors=rows.tolist(), dimensions=lexical.DIMENSIONS, fingerprint=lexical.FINGERPRINT)


def shelve(workspace: Workspace, title: str, *paragraphs: str, vectors: bool = True) -> Source:
    """A source of the workspace with one passage for each paragraph."""
    text = "\n\n".join(paragraphs)
    source = Source.objects.create(workspace=workspace, title=title, text=text, kind=Source.Kind.TEXT, state="ready")
    chunks = [chunk for paragraph in paragraphs for chunk in chunk_document(paragraph, target_words=10_000)]
    placed = []
    at = 0
    for number, chunk in enumerate(chunks):
        start = text.index(chunk.text, at)
        at = start + len(chunk.text)
        placed.append(type(chunk)(number, chunk.text, chunk.heading_path, None, start, at, chunk.words))
    rows = index.replace_chunks(source, placed)
    if vectors:
        index.store_vectors(rows, embed([index.embedding_text(row) for row in rows]))
    return source


def ids(source: Source) -> set[uuid.UUID]:
    """Ids of a source's passages."""
    return set(SourceChunk.objects.filter(source=source).values_list("id", flat=True))


class ChromaProcess:
    """The product's own vector store server, in a process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        self.process = subprocess.Popen(
            server_command(self.path, "127.0.0.1", self.port),
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", **server_environment()},
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        wire = ChromaWire(self.url)
        while True:
            try:
                wire.call("GET", "/api/v2/heartbeat")
                return
            except ChromaError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start: {self.end()}") from None
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def end(self) -> str:
        """Stop it. Returns what it complained about."""
        if self.process is None:
            return ""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=20)
        return errors


def run_server_once(path: Path) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to refuse."""
    command = [*server_command(path, "127.0.0.1", free_port())]
    assert command[0] == sys.executable
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
