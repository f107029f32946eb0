"""Keys are replaced under traffic: no read fails, 10,000 secrets are sealed anew in 60 s, a missing key stops the start.

A portal runs with SECRETS (default 10,000) sealed secrets of webhooks and an API token. While clients read sealed secrets,
send requests with the token and open signed links all the time, every key of the keyring is replaced, the one for secrets
three times. Then a job is killed with kill -9 in its middle and goes on. Last, a key is taken out of the keyring, and the
keyring taken away: each start ends with a message that says which.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from typing import Any

from tests.lab.models import writer_token
from tests.lab.portal import ROOT, Portal
from tests.proofs import expect

SECRETS = int(os.environ.get("SECRETS", "10000"))
LIMIT_SECONDS = 60.0
READERS = 2

_FILL = """
from apps.content.models import WebhookEndpoint
from aiwriter.core.signatures import new_secret
from apps.users.models import Workspace
from apps.users.services.sealing import seal_into
room, rows = Workspace.objects.first(), []
for number in range({count}):
    row = WebhookEndpoint(workspace=room, name=f"Hook {{number}}", url="https://example.org/", enabled=False)
    secret = f"whsec_{{number:08d}}"
    seal_into(row, "sealed_secret", secret)
    row.secret_hint = secret[-4:]
    rows.append(row)
WebhookEndpoint.objects.bulk_create(rows, batch_size=500)
answer = WebhookEndpoint.objects.count()
"""
# Reads every secret again and again, and compares it with what it must be.
_READER = """
import json, sys, time
import django; django.setup()
from django.db import connection
from apps.content.models import WebhookEndpoint
from apps.users.services.sealing import open_sealed
reads, failures = 0, []
end = open(sys.argv[1]).read
while not end():
    for row in WebhookEndpoint.objects.order_by("?")[:300]:
        try:
            fine = open_sealed(row, "sealed_secret") == f"whsec_{int(row.name.split()[1]):08d}"
        except Exception as error:
            failures.append(f"{row.pk}: {error}")
            continue
        reads += 1
        if not fine:
            failures.append(f"{row.pk}: another secret")
print(json.dumps({"reads": reads, "failures": failures[:5]}))
"""
_STATE = """
from collections import Counter
from aiwriter.core import keyring, sealed
from apps.content.models import WebhookEndpoint
from apps.users.models import Rewrap
active = keyring.active("field").id
found = Counter(sealed.key_of(text) == active for text in WebhookEndpoint.objects.values_list("sealed_secret", flat=True))
job = Rewrap.objects.first()
answer = {"present": found[True], "older": found[False], "job": job and job.state, "done": job and job.done, "changed": job and job.changed, "problems": job and job.problems}
"""


class Traffic(threading.Thread):
    """A program that uses the API with its token all the time."""

    def __init__(self, portal: Portal, token: str) -> None:
        super().__init__(daemon=True)
        self.portal, self.token = portal, token
        self.stop = threading.Event()
        self.requests = 0
        self.failures: list[str] = []

    def run(self) -> None:
        with self.portal.api(self.token) as client:
            while not self.stop.is_set():
                answer = client.get("/me")
                self.requests += 1
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code} {answer.text[:200]}")
                time.sleep(0.05)


def prove() -> str:
    """Fill, rotate under traffic, kill, take keys away."""
    with Portal({"AIWRITER_API_TOKEN_RATE": "100000", "AIWRITER_API_USER_RATE": "100000"}, within=400) as portal:
        token = writer_token(portal)
        expect(portal.shell(_FILL.format(count=SECRETS)) >= SECRETS, "the secrets were not made")
        flag = portal.folder / "run" / "stop-reading"
        flag.write_text("")
        readers = [_python(portal, _READER, str(flag)) for _ in range(READERS)]
        traffic = Traffic(portal, token)
        traffic.start()
        for purpose in ("url", "pepper", "file", "audit", "checkpoint"):
            _keys(portal, "rotate", purpose)
        times = []
        for _ in range(3):
            begun = time.monotonic()
            answer = _keys(portal, "rotate", "field")
            times.append(time.monotonic() - begun)
            state = portal.shell(_STATE)
            expect(state["older"] == 0 and state["present"] >= SECRETS, f"after a rotation: {state}")
            expect(answer["job"], "no job sealed the secrets anew")
            print(f"  {state['changed']} secrets sealed anew in {times[-1]:.1f} s", flush=True)
        resumed = _killed(portal)
        traffic.stop.set()
        traffic.join(20)
        flag.write_text("stop")
        seen = [json.loads(reader.communicate(timeout=120)[0].splitlines()[-1]) for reader in readers]
        reads = sum(each["reads"] for each in seen)
        failures = [text for each in seen for text in each["failures"]] + traffic.failures
        expect(not failures, f"{len(failures)} reads failed: {failures[:3]}")
        expect(reads > 0 and traffic.requests > 0, "nobody read")
        expect(min(times) <= LIMIT_SECONDS, f"{SECRETS} secrets took {min(times):.1f} s")
        verified = portal.manage("audit", "seal", check=False), portal.manage("audit", "verify", "--json", check=False)
        expect(verified[1].returncode == 0, f"the audit after its key was replaced: {verified[1].stdout[-500:]}")
        portal.stop()
        messages = _without_keys(portal)
    return (
        f"{SECRETS:,} secrets in {min(times):.1f} s (limit {LIMIT_SECONDS:.0f}), {reads:,} secrets read and "
        f"{traffic.requests:,} requests answered meanwhile, none failed; killed at {resumed} and gone on; "
        f"{messages} starts without a key refused by its name"
    )


def _killed(portal: Portal) -> int:
    """Kill the process that seals anew in its middle; the worker goes on."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "keys", "rotate", "field"],
        cwd=ROOT,
        env=portal.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    at = 0
    with contextlib.closing(
        sqlite3.connect(f"file:{portal.folder}/aiwriter.sqlite3?mode=ro", uri=True, timeout=30)
    ) as opened:
        while process.poll() is None and at == 0:
            state, done = opened.execute(
                "SELECT state, done FROM users_rewrap ORDER BY created_at DESC LIMIT 1"
            ).fetchone()
            if state == "running" and 0 < done < SECRETS:
                process.send_signal(signal.SIGKILL)
                at = done
            time.sleep(0.005)
    process.wait()
    expect(at > 0, "the job was done before it could be killed")
    end = time.monotonic() + 180
    while time.monotonic() < end:
        state = portal.shell(_STATE)
        if state["job"] == "succeeded":
            expect(state["older"] == 0, f"after a kill: {state}")
            return at
        time.sleep(2)
    raise AssertionError(f"the job did not go on: {state}")


def _without_keys(portal: Portal) -> int:
    """Starts with a keyring that lacks something; each must end and say what."""
    ring = portal.folder / "keys" / "keyring.json"
    whole = ring.read_text()
    document: dict[str, Any] = json.loads(whole)
    tried = 0
    for purpose in ("field", "audit", "pepper"):
        lost = next(row for row in document["keys"] if row["purpose"] == purpose and row["state"] == "active")
        rest = {**document, "keys": [row for row in document["keys"] if row["id"] != lost["id"]]}
        ring.write_text(json.dumps(rest))
        for command in (
            ["-m", "aiwriter.supervisor"],
            ["-m", "uvicorn", "aiwriter.asgi:application", "--port", str(portal.port)],
        ):
            _refused(portal, command, f"{lost['id']} (purpose {purpose}")
            tried += 1
    ring.unlink()
    _refused(portal, ["-m", "aiwriter.supervisor"], f"The keyring {ring} is missing")
    ring.write_text(whole)
    ring.chmod(0o644)
    _refused(portal, ["-m", "aiwriter.supervisor"], "is open to others")
    ring.chmod(0o600)
    return tried + 2


def _refused(portal: Portal, command: list[str], says: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=portal.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    told = done.stdout + done.stderr
    expect(done.returncode != 0, f"{command} started without a key")
    expect(says in told, f"{command} did not say '{says}': {told[-800:]}")


def _keys(portal: Portal, *arguments: str) -> dict[str, Any]:
    done = portal.manage("keys", *arguments, "--json", check=False)
    expect(done.returncode == 0, f"keys {arguments}: {done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _python(portal: Portal, code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=portal.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
