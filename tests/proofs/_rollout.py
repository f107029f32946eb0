"""What the proofs of roll-outs have in common."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any

from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.models import connect_models, writer_token
from tests.lab.rollout import Crowd, Host, Streams
from tests.proofs import expect

REQUESTS = 3000
# What the agent asks a version before anybody is sent there, but for /readyz.
SMOKE_REQUESTS = 9
WORDS = 300


def prepared(host: Host, fake: FakeProvider | None = None) -> str:
    """A first version that serves, with a model, a writer's token for the load and the probes; the token."""
    host.release("1.0")
    host.first("1.0")
    if fake is not None:
        connect_models(host, [{"name": "Paced", "base_url": fake.openai_url, "model": "fake-large"}])  # type: ignore[arg-type]
    token = writer_token(host)  # type: ignore[arg-type]
    host.use_token(token)
    return token


def documents(host: Host, identifiers: list[str]) -> int:
    """How many of these are in the database, each once."""
    found: int = host.shell(
        f"from apps.content.models import Document\nanswer = Document.objects.filter(pk__in={identifiers!r}).count()"
    )
    return found


def blue_green(proxy: str) -> str:
    """Forward by blue/green and back by rollback under load, with streams; both counted to the last request."""
    rate, streams = float(os.environ.get("RATE", "100")), int(os.environ.get("STREAMS", "6"))
    expected = "".join(words("numbers", WORDS)).split()
    with FakeProvider(process=True, words=WORDS, tps=12.0) as fake, Host(proxy) as host:
        token = prepared(host, fake)
        host.release("2.0")
        plan = host.plan("2.0", "--bake", "3")
        begun = time.monotonic()
        with Crowd(host, rate, token=token) as crowd:
            reading = Streams(host, token, streams)
            done = host.agent("deploy", str(plan))
            expect(done.returncode == 0, f"2.0 was not deployed:\n{done.stdout}{done.stderr}\n{host.logs()}")
            expect(host.serving() == {"2.0": 100.0}, f"after the roll-out: {host.serving()}")
            back = time.monotonic()
            done = host.agent("rollback", "--key", str(host.key))
            expect(done.returncode == 0, f"the rollback: {done.stdout}{done.stderr}\n{host.logs()}")
            took = time.monotonic() - back
            expect(host.serving() == {"1.0": 100.0}, f"after the rollback: {host.serving()}")
            texts = reading.finish()
            while (time.monotonic() - begun) * rate < REQUESTS * 1.05:
                time.sleep(0.5)
        seen = crowd.seen
        print(f"  {seen['rate']:.0f} a second, half within {seen['p50']} ms, 95 % {seen['p95']} ms", flush=True)
        expect(not seen["failed"], f"{seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}")
        expect(seen["total"] >= REQUESTS, f"only {seen['total']} requests")
        expect(len(texts) == streams, f"{len(texts)} of {streams} streams ended")
        expect(all(text.split() == expected for text in texts), "a stream has another text")
        written = documents(host, seen["written"])
        expect(written == len(seen["written"]), f"{written} of {len(seen['written'])} documents are there")
        switch = switch_seconds(host)
    return (
        f"{proxy}: 0 of {seen['total']} requests failed at {seen['rate']:.0f} a second over roll-out and rollback; "
        f"{streams} streams of {WORDS} words whole; {written} writes, each there; everybody on the old version "
        f"{switch:.2f} s after the rollback was asked ({took:.0f} s with the workers)"
    )


def switch_seconds(host: Host) -> float:
    """From the rollback's acceptance until the proxy was seen to serve the old version only, by the journal."""
    with sqlite3.connect(host.folder / "state" / "journal.sqlite3") as journal:
        [identifier, begun] = journal.execute(
            "SELECT id, begun_at FROM deployment ORDER BY begun_at DESC LIMIT 1"
        ).fetchone()
        [at] = journal.execute(
            "SELECT at FROM transition WHERE deployment = ? AND old = 'promoting'", [identifier]
        ).fetchone()
    return float(at - begun)


def canary(host: Host, *options: str, rate: float, token: str, seconds: float = 0.0) -> tuple[Any, dict[str, Any]]:
    """A canary of 2.0 with people at a rate; what the agent answered, and what the people saw.

    Args:
        options: of the plan.
        rate: requests a second.
        seconds: how long people came before, so that the old version has answered some.
    """
    plan = host.plan("2.0", "--strategy", "canary", "--bake", "0", *options)
    with Crowd(host, rate, token=token) as crowd:
        time.sleep(seconds)
        done = host.agent("deploy", str(plan))
    print("  " + done.stdout.strip().replace("\n", "\n  "), flush=True)
    return done, crowd.seen


def stage_seconds(host: Host) -> float:
    """From the first person sent to the new version until everybody was on the old one again, by the journal."""
    with sqlite3.connect(host.folder / "state" / "journal.sqlite3") as journal:
        rows = journal.execute("SELECT at, old, new FROM transition ORDER BY rowid").fetchall()
    begun = next(at for at, old, new in reversed(rows) if new == "analysing" and old == "shifting")
    first = next(at for at, old, new in rows if new == "analysing" and old == "shifting" and at <= begun)
    ended = next(at for at, old, new in reversed(rows) if new == "rolling_back")
    return float(ended - first)
