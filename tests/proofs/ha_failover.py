"""The primary database is moved without a failed request; killed, writes go on within 5 s and none that was acknowledged is lost.

Two PostgreSQL servers behind pgbouncer with the product's own files, a portal on them that also reads from the standby, and
Redis by three sentinels. Planned: deploy/host/postgres/takeover.py under load. Crash: kill -9 of the primary while it watches;
afterwards the old one comes back by pg_rewind. Redis: kill -9 of the master. Needs Debian's pgbouncer, postgresql-client and
redis-server. RATE=n.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import httpx2

from tests.lab.failover import Databases, Redises
from tests.lab.models import writer_token
from tests.lab.portal import Portal
from tests.lab.rollout import Crowd
from tests.proofs import Failed, expect, until

WRITE_SECONDS, REDIS_SECONDS = 5.0, 10.0
_START = 300.0


def prove() -> str:
    """Reading, planned, crash, rejoin, sentinels."""
    with Databases() as servers, Redises() as redises:
        redises.ready()
        variables = {
            "DATABASE_URL": servers.url,
            "AIWRITER_DATABASE_DIRECT_URL": servers.direct_url,
            "AIWRITER_REPLICA_URL": servers.read_url,
            "REDIS_URL": redises.url,
            "AIWRITER_API_TOKEN_RATE": "100000",
            "AIWRITER_API_USER_RATE": "100000",
        }
        with Portal(variables, within=_START) as portal:
            token = writer_token(portal)
            told = [_reads(portal, servers, token), _planned(portal, servers, token), _crash(portal, servers, token)]
            told.append(_redis(portal, redises, token))
    return "; ".join(told)


class Users(Crowd):
    """More of them write than elsewhere."""

    def __init__(self, portal: Portal, rate: float, token: str) -> None:
        super().__init__(portal, rate, token=token)  # type: ignore[arg-type]
        self._options["writes"] = 0.2


def _there(servers: Databases, name: str, identifiers: list[str]) -> int:
    found: int = servers.ask(name, "SELECT count(*) FROM content_document WHERE id = ANY(%s::uuid[])", identifiers)
    return found


def _reads(portal: Portal, servers: Databases, token: str) -> str:
    """What is written is read at once, 200 times, and the standby answers a part of it."""
    before = _looks(portal)
    missed = 0
    with portal.api(token) as client:
        for number in range(200):
            made = client.post("/content", json={"title": f"Read {number}", "body_markdown": "text"})
            made.raise_for_status()
            missed += client.get(f"/content/{made.json()['id']}").status_code != 200
    after = _looks(portal)
    there = after.get("replica", 0) - before.get("replica", 0)
    expect(not missed, f"{missed} of 200 documents were missed right after they had been written")
    expect(there >= 20, f"the standby was read by {there} of 200 requests only: {after}")
    return f"200 of 200 read after they were written, {there:.0f} of these requests from the standby"


def _looks(portal: Portal) -> dict[str, float]:
    found = {}
    for line in httpx2.get(f"{portal.probes}/metrics", timeout=10, trust_env=False).text.splitlines():
        if line.startswith("aiw_replica_looks_total{"):
            name = line.partition('answer="')[2].partition('"')[0]
            found[name] = found.get(name, 0.0) + float(line.rpartition(" ")[2])
    return found


def _planned(portal: Portal, servers: Databases, token: str) -> str:
    rate = float(os.environ.get("RATE", "40"))
    with Users(portal, rate, token) as crowd:
        time.sleep(5)
        said = servers.takeover("planned")
        time.sleep(8)
    print("  " + said.strip().replace("\n", "\n  "), flush=True)
    seen = crowd.seen
    expect(
        not seen["failed"],
        f"planned: {seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}\n{portal.logs(8)}",
    )
    written = _there(servers, "db2", seen["written"])
    expect(written == len(seen["written"]) > 0, f"planned: {written} of {len(seen['written'])} are there")
    servers.rejoin("db1", "db2", rewind=False)
    return f"planned: 0 of {seen['total']} requests failed, {written} writes, the longest waited {seen['longest'] / 1000:.1f} s"


class Writer:
    """Writes a document every 50 ms, and notes which were acknowledged and when."""

    def __init__(self, portal: Portal, token: str) -> None:
        self._portal, self._token, self._over = portal, token, threading.Event()
        self.acknowledged: list[tuple[float, str]] = []
        self.failed = 0
        self._threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(2)]

    def __enter__(self) -> Writer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self, number: int) -> None:
        count = 0
        while not self._over.wait(0.05):
            count += 1
            body = {"title": f"Crash {number}.{count}", "body_markdown": "text"}
            try:
                with self._portal.api(self._token) as client:
                    answer = client.post("/content", json=body, timeout=10)
            except httpx2.TransportError:
                self.failed += 1
                continue
            if answer.status_code == 201:
                self.acknowledged.append((time.monotonic(), answer.json()["id"]))
            else:
                self.failed += 1


def _crash(portal: Portal, servers: Databases, token: str) -> str:
    watching = servers.watch()
    try:
        with Writer(portal, token) as writer:
            time.sleep(6)
            expect(len(writer.acknowledged) > 10, f"only {len(writer.acknowledged)} writes before the crash")
            begun = time.monotonic()
            servers.servers["db2"].kill()
            until(
                lambda: any(at > begun + 0.5 for at, _ in writer.acknowledged), 60, "nobody can write after the crash"
            )
            time.sleep(3)
        after = [at for at, _ in writer.acknowledged if at > begun + 0.5]
        # What was on its way at the moment of the kill is not yet the new primary's.
        first = min(after) - begun
        said, _ = watching.communicate(timeout=30)
    finally:
        watching.kill()
        watching.wait()
    print("  " + said.strip().replace("\n", "\n  "), flush=True)
    acknowledged = [each for _, each in writer.acknowledged]
    there = _there(servers, "db1", acknowledged)
    expect(
        there == len(acknowledged),
        f"crash: {len(acknowledged) - there} of {len(acknowledged)} acknowledged writes are lost",
    )
    expect(first <= WRITE_SECONDS, f"crash: the first write came after {first:.1f} s, not within {WRITE_SECONDS:.0f} s")
    servers.rejoin("db2", "db1", rewind=True)
    until(lambda: _standby_has(servers, acknowledged), 30, "the rewound server lacks rows")
    return (
        f"crash: first write after {first:.1f} s, 0 of {there} acknowledged lost, {writer.failed} refused meanwhile; the old "
        f"primary is back by pg_rewind"
    )


def _standby_has(servers: Databases, identifiers: list[str]) -> bool:
    in_recovery = servers.ask("db2", "SELECT pg_is_in_recovery()")
    return bool(in_recovery and _there(servers, "db2", identifiers) == len(identifiers))


def _redis(portal: Portal, redises: Redises, token: str) -> str:
    from aiwriter.core import redis_addresses

    client = redis_addresses.client(redises.url, seconds=0.5)
    until(client.ping, 10, "Redis does not answer")
    rate = float(os.environ.get("RATE", "40"))
    with Users(portal, rate, token) as crowd:
        time.sleep(3)
        redises.kill_master()
        begun = time.monotonic()
        asked = _ask_for_text(portal, token)
        while not _set(client):
            expect(time.monotonic() - begun < 60, "the sentinels name no new master")
            time.sleep(0.1)
        took = time.monotonic() - begun
        done = _text_done(portal, token, asked, begun)
        time.sleep(3)
    seen = crowd.seen
    expect(took <= REDIS_SECONDS, f"Redis: {took:.1f} s until the new master took a write, not {REDIS_SECONDS:.0f} s")
    expect(not seen["failed"], f"Redis: {seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}")
    until(lambda: "ok" in _broker(portal), 60, f"the portal does not find the new master: {_broker(portal)}")
    return (
        f"Redis: new master after {took:.1f} s, 0 of {seen['total']} requests failed, a text that was asked for meanwhile was "
        f"written after {done:.1f} s"
    )


def _set(client: Any) -> bool:
    import redis

    try:
        return bool(client.set("proof", "1"))
    except redis.RedisError:
        return False


def _ask_for_text(portal: Portal, token: str) -> str:
    with portal.api(token) as client:
        made = client.post("/generate/content", json={"topic": "Written while Redis is away", "source_ids": []})
        made.raise_for_status()
        return str(made.json()["id"])


def _text_done(portal: Portal, token: str, identifier: str, begun: float) -> float:
    with portal.api(token) as client:
        while True:
            row = client.get(f"/generations/{identifier}").json()
            if row["state"] == "succeeded":
                return time.monotonic() - begun
            if row["state"] in ("failed", "stopped") or time.monotonic() - begun > 120:
                raise Failed(f"the text that was asked for meanwhile: {row['state']} {row['error']}")
            time.sleep(0.2)


def _broker(portal: Portal) -> str:
    found: str = portal.shell(
        "from apps.monitoring.health.parts import broker\nresult = broker.run()\nanswer = f'{result.status}: {result.message}'"
    )
    return found
