"""The old version has everybody again 2 s after the rollback was asked when it still runs, and 10 s when it was stopped.

Two real versions behind HAProxy under load; the times are the journal's, until the proxy was seen to send everybody there.
RATE=n changes the load, TIMES=n how often each is done.
"""

from __future__ import annotations

import os
import time

from tests.lab.rollout import Crowd, Host
from tests.proofs import expect
from tests.proofs._rollout import prepared, switch_seconds

WARM_SECONDS, COLD_SECONDS = 2.0, 10.0


def prove() -> str:
    """Forward and back, with the old version kept and not kept."""
    rate, times = float(os.environ.get("RATE", "40")), int(os.environ.get("TIMES", "3"))
    took: dict[str, list[float]] = {"warm": [], "cold": []}
    with Host("haproxy") as host:
        token = prepared(host)
        host.release("2.0")
        with Crowd(host, rate, token=token) as crowd:
            for number in range(times):
                for kind, options in (("warm", ()), ("cold", ("--stop-old",))):
                    done = host.deploy("2.0", "--bake", "0", *options)
                    expect(done.returncode == 0, f"2.0 was not deployed: {done.stdout}{done.stderr}\n{host.logs()}")
                    expect(_stopped(host) is (kind == "cold"), f"the old version, {kind}: {host.status()['slots']}")
                    done = host.agent("rollback", "--key", str(host.key))
                    expect(done.returncode == 0, f"{kind} rollback: {done.stdout}{done.stderr}\n{host.logs()}")
                    expect(host.serving() == {"1.0": 100.0}, f"after the {kind} rollback: {host.serving()}")
                    took[kind].append(switch_seconds(host))
                    print(f"  {number + 1}: {kind} {took[kind][-1]:.2f} s", flush=True)
                    time.sleep(1)
        seen = crowd.seen
        expect(not seen["failed"], f"{seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}")
        expect(max(took["warm"]) <= WARM_SECONDS, f"warm took {max(took['warm']):.2f} s")
        expect(max(took["cold"]) <= COLD_SECONDS, f"cold took {max(took['cold']):.2f} s")
    return (
        f"everybody on the old version at most {max(took['warm']):.2f} s after the rollback was asked when it still ran (limit "
        f"{WARM_SECONDS:.0f} s) and {max(took['cold']):.2f} s when it had been stopped (limit {COLD_SECONDS:.0f} s), {times} "
        f"times each; 0 of {seen['total']} requests failed"
    )


def _stopped(host: Host) -> bool:
    return "1.0" not in {slot["release"] for slot in host.status()["slots"].values()}
