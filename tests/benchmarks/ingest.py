"""Reading real documents in through the portal, against the same parser and embedder called directly."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.benchmarks import Row
from tests.lab.corpus import documents
from tests.lab.models import writer_token
from tests.lab.portal import ROOT, Portal

FILES = 40
PAGE = 3_000
PATIENCE_SECONDS = 400


def _direct_seconds(paths: list[str]) -> tuple[float, int]:
    """Seconds for parsing, chunking and embedding without a portal, and how many passages came out."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks._bare.ingest", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, chunks = done.stdout.split()[-2:]
    return float(seconds), int(chunks)


def measure() -> list[Row]:
    """Upload, wait until all are ready; then the same without the portal."""
    files = documents()[:FILES]
    with Portal() as portal, portal.api(writer_token(portal)) as client:
        begun = time.perf_counter()
        answer = client.post("/sources", files=[("file", (f.name, f.read_bytes())) for f in files])
        if answer.status_code >= 400:
            raise RuntimeError(answer.text)
        accepted = time.perf_counter() - begun
        while time.perf_counter() - begun < PATIENCE_SECONDS:
            states = [row["state"] for row in client.get("/sources", params={"limit": 100}).json()["data"]]
            if len(states) == FILES and set(states) <= {"ready", "failed"}:
                break
            time.sleep(0.3)
        else:
            raise RuntimeError(f"not ready after {PATIENCE_SECONDS} s: {states}")
        ours = time.perf_counter() - begun
    direct, chunks = _direct_seconds([str(f) for f in files])
    pages = sum(len(f.read_bytes()) for f in files) / PAGE
    return [
        Row(
            "documents read in, parsed, embedded and indexed",
            FILES / ours,
            FILES / direct,
            "/s",
            "parser and embedder called directly",
            1.6,
            more_is_better=True,
        ),
        Row(
            f"pages of {PAGE:,} characters read in, parsed, embedded and indexed",
            pages / ours,
            pages / direct,
            "/s",
            "parser and embedder called directly",
            1.6,
            more_is_better=True,
        ),
        Row(
            "upload accepted, per document",
            accepted / FILES * 1000,
            266,
            "ms",
            "Open WebUI 0.12.4, upload and index (research figure)",
            1.0,
        ),
        Row("passages embedded", chunks / ours, 28, "/s", "the embedder's rate on two cores (research figure)"),
    ]
