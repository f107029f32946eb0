"""More people come and go: a slot is added and taken away without a failed request, and workers wake up from none for one text.

A real portal behind HAProxy, its agent asking its own console, where the policies are. BUSY requests a second (default 60) call
for a second slot, QUIET (default 8) let it go again with streams open in both; then the workers, which go by the queue, are at
none, and a text is asked for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

from tests.fakes.provider import FakeProvider
from tests.lab.rollout import Crowd, Host, Streams
from tests.proofs import expect, until
from tests.proofs._rollout import WORDS, prepared

BUSY, QUIET = float(os.environ.get("BUSY", "60")), float(os.environ.get("QUIET", "8"))
STREAMS = 4
_CONSOLE = """
from django.contrib.auth import get_user_model
from apps.deployments.models import Environment
from apps.deployments.services import environments, scaling
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.tokens import create_token
me = Actor.system_actor("proof")
Environment.objects.filter(own=True).update(own=False)
place = environments.create_environment(actor=me, slug="lab", title="Lab", kind="development", own=True)
scaling.create_policy(actor=me, environment_id=place.pk, part="web", metric="requests", target=TARGET, minimum=1, maximum=2,
    cooldown_seconds=15, acts=True)
scaling.create_policy(actor=me, environment_id=place.pk, part="worker", metric="queue", target=4, minimum=1, maximum=2,
    cooldown_seconds=15, acts=True)
user = create_user(actor=me, email="rolls@example.org", full_name="Rolls")
grant_role(actor=me, user=user, role="admin", reason="proof")
_, secret = create_token(actor=Actor.for_user(user), name="agent", scopes=["deployments.report"])
answer = {"key": place.public_key, "token": secret.reveal()}
"""
_SLEEP = """
from apps.deployments.models import ScalePolicy
from apps.deployments.services import scaling
from apps.users.selectors.access import Actor
row = ScalePolicy.objects.get(part="worker")
scaling.update_policy(actor=Actor.system_actor("proof"), policy_id=row.pk, minimum=0, zero_after_seconds=10)
answer = True
"""
_EVENTS = """
from apps.deployments.models import ScaleEvent
answer = [[row.part, row.old, row.new] for row in ScaleEvent.objects.order_by("at", "number")]
"""


def _serving(host: Host) -> int:
    return sum(1 for slot in host.status()["slots"].values() if slot["percent"])


def prove() -> str:
    """Out, in, to none and back."""
    with FakeProvider(process=True, words=WORDS, tps=12.0) as fake, Host("haproxy", slots=3) as host:
        token = prepared(host, fake)
        told: dict[str, Any] = host.shell(_CONSOLE.replace("TARGET", str(BUSY * 0.6)))
        secret = host.folder / "console.token"
        secret.write_text(told["token"])
        host.trust_console(told["key"], secret)
        host.allow_scaling(web=(1, 2), worker=(0, 2))
        agent = host.begin("serve")
        try:
            return _walk(host, token)
        finally:
            agent.send_signal(signal.SIGTERM)
            try:
                agent.wait(20)
            except subprocess.TimeoutExpired:
                agent.kill()


def _walk(host: Host, token: str) -> str:
    begun = time.monotonic()
    with Crowd(host, BUSY, token=token) as busy:
        more = (
            until(lambda: _serving(host) == 2, 180, f"no second slot under {BUSY:.0f} a second: {host.logs()}") - begun
        )
        reading = Streams(host, token, STREAMS)
        time.sleep(3)
    begun = time.monotonic()
    with Crowd(host, QUIET, token=token, seed=2) as quiet:
        fewer = until(lambda: _serving(host) == 1, 180, f"the slot stays at {QUIET:.0f} a second") - begun
        texts = reading.finish()
        until(lambda: not host.status()["slots"]["green"]["release"], 120, "what serves nobody still runs")
    total, failed = busy.seen["total"] + quiet.seen["total"], busy.seen["failed"] + quiet.seen["failed"]
    expect(not failed, f"{failed} of {total} failed: {busy.seen['failures'][:3]} {quiet.seen['failures'][:3]}")
    expect(len(texts) == STREAMS and len({len(text.split()) for text in texts}) == 1, "a stream is not whole")
    expect(all(len(text.split()) == WORDS for text in texts), "a stream has another length")

    host.shell(_SLEEP)
    until(lambda: not host.status()["roles"]["worker"], 120, "the worker stays although there is nothing to do")
    with host.api(token) as client:
        asked = time.monotonic()
        made = client.post(
            "/generate/content", json={"topic": "Waking", "source_ids": []}, headers={"Idempotency-Key": "wake"}
        )
        made.raise_for_status()
        woken = until(lambda: host.status()["roles"]["worker"], 60, "no worker wakes up") - asked
        address = f"/generations/{made.json()['id']}"
        until(
            lambda: client.get(address).json()["state"] in ("succeeded", "failed", "stopped"),
            180,
            "the text does not come",
        )
        state = client.get(address).json()["state"]
    expect(state == "succeeded", f"the text is {state}")
    events = host.shell(_EVENTS)
    for wanted in (["web", 1, 2], ["web", 2, 1], ["worker", 1, 0], ["worker", 0, 1]):
        expect(wanted in events, f"the console does not tell {wanted}: {events}")
    return (
        f"0 of {total} requests failed while a slot came ({more:.0f} s after the load) and went ({fewer:.0f} s after it) with "
        f"{STREAMS} streams whole; a worker from none {woken:.1f} s after a text was asked for, and the text came"
    )
