"""List endpoints against a bare Django JSON view on the same query, in the same server."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

import httpx2

from tests.benchmarks import Row
from tests.lab.portal import ROOT
from tests.servers import free_port

ROUNDS, SIZES = 60, (10, 2000)


def _median_ms(client: httpx2.Client, path: str) -> float:
    times = []
    for number in range(ROUNDS + 10):
        begun = time.perf_counter()
        answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
        if number >= 10:
            times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def _measure(size: int) -> tuple[dict[str, float], float]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="aiwriter-bench-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_")}
        environment |= {
            "AIWRITER_DATA_DIR": folder,
            "AIWRITER_PORT": str(port),
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks._bare.settings",
            # Requests are counted all the same; the limit alone is out of the way.
            "AIWRITER_API_TOKEN_RATE": "1000000",
            "AIWRITER_API_USER_RATE": "1000000",
        }
        filled = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks._bare.fill", str(size)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        token = filled.stdout.strip().splitlines()[-1]
        web = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "aiwriter.asgi:application", "--port", str(port), "--log-level", "error"],
            cwd=ROOT,
            env=environment,
        )
        try:
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(
                base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False
            ) as client:
                for _ in range(150):
                    try:
                        client.get("/livez")
                        break
                    except httpx2.TransportError:
                        time.sleep(0.1)
                else:
                    raise RuntimeError(f"The web process did not answer; it ended with {web.poll()}.")
                bare = _median_ms(client, "/bare/documents")
                lists = ("content", "sources", "generations")
                return {name: _median_ms(client, f"/api/v1/{name}?limit=50") for name in lists}, bare
        finally:
            web.terminate()
            web.wait(20)


def measure() -> list[Row]:
    """Lists of few and of many rows."""
    rows = []
    figures = {size: _measure(size) for size in SIZES}
    for size, (ours, bare) in figures.items():
        against = "bare Django JSON view, same query"
        rows.append(Row(f"GET /api/v1/content, 50 of {size:,} documents", ours["content"], bare, "ms", against, 3.0))
    few, many = figures[SIZES[0]][0], figures[SIZES[1]][0]
    for name in many:
        rows.append(
            Row(
                f"GET /api/v1/{name} of {SIZES[1]:,} against {SIZES[0]}",
                many[name],
                few[name],
                "ms",
                f"{SIZES[0]} rows",
                2.5,
            )
        )
    return rows
