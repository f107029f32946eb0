"""Vectors that were deleted come back from the database with the same answers, and a second owner of the store is refused.

Real documents are indexed through the portal. Then the store's folder is emptied while it runs killed; search answers all
the while, the rebuilt index gives the same passages in the same order, and nothing is embedded again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import Any

import httpx2

from tests.lab.corpus import documents
from tests.lab.models import writer_token
from tests.lab.portal import Portal
from tests.proofs import expect
from tests.servers import free_port

QUESTIONS = (
    "How do I undo the last commit without losing my changes?",
    "Which command finds the commit that introduced a bug?",
    "How is a lost branch recovered?",
    "What does a bare repository not have?",
    "How can a patch be sent by mail?",
)
FILES = 30
WAIT_SECONDS = 240


def _search(client: httpx2.Client, question: str) -> dict[str, Any]:
    answer = client.post("/sources/search", json={"query": question, "limit": 10})
    expect(answer.status_code == 200, f"search: {answer.status_code} {answer.text}")
    result: dict[str, Any] = answer.json()
    return result


def _answers(client: httpx2.Client) -> list[list[str]]:
    return [[hit["chunk_id"] for hit in _search(client, question)["data"]] for question in QUESTIONS]


def _wait_for_engine(client: httpx2.Client, engine: str) -> float:
    begun = time.monotonic()
    while time.monotonic() - begun < WAIT_SECONDS:
        if _search(client, QUESTIONS[0])["engine"] == engine:
            return time.monotonic() - begun
        time.sleep(1)
    raise AssertionError(f"search is not answered by {engine} after {WAIT_SECONDS} s")


def _upload(client: httpx2.Client) -> None:
    files = [("file", (path.name, path.read_bytes())) for path in documents()[:FILES]]
    answer = client.post("/sources", files=files)
    expect(answer.status_code in (201, 202, 207), f"upload: {answer.status_code} {answer.text[:500]}")
    begun = time.monotonic()
    while time.monotonic() - begun < WAIT_SECONDS:
        states = [row["state"] for row in client.get("/sources", params={"limit": 100}).json()["data"]]
        if len(states) == FILES and set(states) == {"ready"}:
            return
        time.sleep(1)
    raise AssertionError(f"the sources are not ready after {WAIT_SECONDS} s: {states}")


def prove() -> str:
    """Index, delete, compare, rebuild, compare; try a second owner."""
    with Portal() as portal, portal.api(writer_token(portal)) as client:
        _upload(client)
        _wait_for_engine(client, "chroma")
        before = _answers(client)
        expect(all(len(hits) >= 5 for hits in before), f"too few hits to compare: {[len(h) for h in before]}")
        stored = portal.shell(
            "from apps.content.models import SourceChunk\nanswer = SourceChunk.objects.exclude(vector=None).count()"
        )
        second = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "apps.content.retrieval.chroma_server",
                    "--path",
                    str(portal.folder / "chroma"),
                ),
                *("--host", "127.0.0.1", "--port", str(free_port())),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = second.stdout + second.stderr
        expect(second.returncode != 0, "a second process opened the store")
        expect("already" in said or "owns" in said or "in use" in said, f"the refusal gives no reason: {said}")
        print(f"  second owner: exit code {second.returncode}: {said.strip().splitlines()[-1]}", flush=True)

        for path in (portal.folder / "chroma").iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif "lock" not in path.name:
                path.unlink()
        portal.kill("vectors")
        meanwhile = _answers(client)
        expect(meanwhile == before, "answers differ while the vectors are gone")
        portal.pid("vectors")
        portal.manage("rebuild_vectors")
        seconds = _wait_for_engine(client, "chroma")
        after = _answers(client)
        expect(after == before, "answers differ after the rebuild")
        calls = portal.shell(
            "from apps.content.models import SourceChunk\nanswer = SourceChunk.objects.exclude(vector=None).count()"
        )
        expect(calls == stored, f"{stored} vectors were stored before, {calls} after")
    return f"{stored} vectors rebuilt, search by Chroma again after {seconds:.0f} s, {len(QUESTIONS)} questions with the same hits in the same order"
