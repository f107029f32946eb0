"""Workers are exchanged while jobs run: each job is done, and none twice; one that is killed is taken over.

30 generations wait and run while a new version goes live; then 6 more, and the new worker is killed with them. JOBS=n.
"""

from __future__ import annotations

import os
import signal
import time

from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.rollout import Host
from tests.proofs import expect
from tests.proofs._rollout import prepared

WORDS = 120
GIVE_UP_SECONDS = 300


def prove() -> str:
    """Exchange, then kill."""
    jobs, killed = int(os.environ.get("JOBS", "30")), 6
    expected = "".join(words("numbers", WORDS)).split()
    with FakeProvider(process=True, words=WORDS, tps=8.0) as fake, Host("haproxy") as host:
        token = prepared(host, fake)
        host.release("2.0")
        plan = host.plan("2.0", "--bake", "0")
        first = _start(host, token, jobs, "swap")
        done = host.agent("deploy", str(plan))
        expect(done.returncode == 0, f"not deployed: {done.stdout}{done.stderr}")
        running = host.status()["roles"]["worker"]
        expect(running == "2.0", f"the worker is {running}")
        rows = _until_done(host, first)
        again = sum(row["attempts"] != 1 for row in rows)
        expect(not again, f"{again} of {jobs} jobs were begun twice")
        second = _start(host, token, killed, "kill")
        time.sleep(3)
        agent = host.begin("serve")
        os.killpg(host.pid("worker"), signal.SIGKILL)
        begun = time.monotonic()
        rows += _until_done(host, second)
        took = time.monotonic() - begun
        agent.terminate()
        agent.wait()
        expect(all(row["text"].split() == expected for row in rows), "a text is not whole")
    return (
        f"{jobs} of {jobs} jobs done, none begun twice, while the workers were exchanged; {killed} of {killed} of a killed "
        f"worker whole within {took:.0f} s"
    )


def _start(host: Host, token: str, count: int, name: str) -> list[str]:
    found = []
    with host.api(token) as client:
        for number in range(count):
            key = {"Idempotency-Key": f"{name}-{number}"}
            answer = client.post("/generate/content", json={"topic": f"{name} {number}", "source_ids": []}, headers=key)
            answer.raise_for_status()
            found.append(answer.json()["id"])
    return found


def _until_done(host: Host, identifiers: list[str]) -> list[dict[str, object]]:
    end = time.monotonic() + GIVE_UP_SECONDS
    while True:
        rows: list[dict[str, object]] = host.shell(
            f"""
from apps.content.models import Generation
answer = [{{"state": g.state, "attempts": g.attempts, "text": g.output_markdown}}
          for g in Generation.objects.filter(pk__in={identifiers!r})]
"""
        )
        if all(row["state"] == "succeeded" for row in rows) and len(rows) == len(identifiers):
            return rows
        expect(time.monotonic() < end, f"not done: {[row['state'] for row in rows]}")
        time.sleep(1)
