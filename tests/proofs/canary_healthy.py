"""Twenty canaries of good versions go live: none is taken back, none is paused. TIMES=n, RATE=n.

Another crowd each time; the same version under two names goes out again and again behind HAProxy.
"""

from __future__ import annotations

import os

from tests.lab.rollout import Crowd, Host
from tests.proofs import expect
from tests.proofs._rollout import prepared

STAGES = ("--stages", "5,25,50", "--stage-seconds", "3", "--max-seconds", "60", "--min-samples", "40", "--probes", "4")


def prove() -> str:
    """Go out again and again."""
    times, rate = int(os.environ.get("TIMES", "20")), float(os.environ.get("RATE", "60"))
    total = 0
    with Host("haproxy", roles=()) as host:
        token = prepared(host)
        host.release("2.0")
        for number in range(times):
            version = ("2.0", "1.0")[number % 2]
            plan = host.plan(version, "--strategy", "canary", "--bake", "0", "--no-rehearse", *STAGES)
            with Crowd(host, rate, token=token, seed=number) as crowd:
                done = host.agent("deploy", str(plan))
            expect(done.returncode == 0, f"canary {number + 1}: {done.stdout}{done.stderr}\n{host.logs()}")
            expect(host.serving() == {version: 100.0}, f"after canary {number + 1}: {host.serving()}")
            seen = crowd.seen
            expect(not seen["failed"], f"{seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}")
            total += seen["total"]
            print(f"  {number + 1}: {seen['total']} requests, 95 % within {seen['p95']} ms", flush=True)
    return f"{times} of {times} healthy canaries went live, 0 false alarms; 0 of {total} requests failed"
