"""A version that answers every fifth request wrongly is taken back within 10 s, and at most 1.5 % of the people meet it.

80 requests a second from 400 people; the canary begins with 5 % of them. RATE=n changes the load.
"""

from __future__ import annotations

import os

from tests.lab.rollout import Host
from tests.proofs import expect
from tests.proofs._rollout import SMOKE_REQUESTS, canary, prepared, stage_seconds

SECONDS, SHARE = 10.0, 0.015
STAGES = ("--stages", "5,25,50", "--stage-seconds", "8", "--max-seconds", "60", "--min-samples", "40", "--probes", "0")


def prove() -> str:
    """Send the bad version out and count who was hit."""
    with Host("haproxy") as host:
        token = prepared(host)
        # The smoke test might find it before anybody is sent there; here the people's requests must.
        host.release("2.0", errors=0.2, after=SMOKE_REQUESTS)
        done, seen = canary(host, *STAGES, rate=float(os.environ.get("RATE", "80")), token=token, seconds=5)
        expect(done.returncode == 1 and "rolled_back" in done.stdout, f"not taken back: {done.stdout}{done.stderr}")
        expect(host.serving() == {"1.0": 100.0}, f"afterwards: {host.serving()}")
        took, share = stage_seconds(host), len(seen["hurt"]) / seen["people"]
        expect(took <= SECONDS, f"taken back after {took:.1f} s")
        expect(share <= SHARE, f"{len(seen['hurt'])} of {seen['people']} people met an error")
    return (
        f"20 % errors found and taken back {took:.1f} s after the first person (limit {SECONDS:.0f} s); {len(seen['hurt'])} of "
        f"{seen['people']} people met an error ({share:.1%}), {seen['failed']} of {seen['total']} requests"
    )
