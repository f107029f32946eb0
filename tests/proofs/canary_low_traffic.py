"""With one request a second, probes find a bad version before anybody meets it; without probes it is paused, never promoted."""

from __future__ import annotations

from tests.lab.rollout import Host
from tests.proofs import expect
from tests.proofs._rollout import SMOKE_REQUESTS, canary, prepared, stage_seconds

SECONDS = 15.0
STAGES = ("--stages", "5,50", "--stage-seconds", "4", "--max-seconds", "15", "--min-samples", "40")


def prove() -> str:
    """Once with probes, once without."""
    with Host("haproxy") as host:
        token = prepared(host)
        host.release("2.0", errors=0.2, after=SMOKE_REQUESTS)
        done, seen = canary(host, *STAGES, "--probes", "10", rate=1, token=token)
        expect(done.returncode == 1 and "rolled_back" in done.stdout, f"not taken back: {done.stdout}{done.stderr}")
        took = stage_seconds(host)
        expect(took <= SECONDS, f"taken back after {took:.1f} s")
        expect(not seen["hurt"], f"{len(seen['hurt'])} people met an error")
        done, _ = canary(host, *STAGES, "--probes", "0", rate=1, token=token)
        expect(done.returncode == 3 and "is paused" in done.stdout, f"without samples: {done.stdout}{done.stderr}")
        expect(host.serving() == {"1.0": 95.0, "2.0": 5.0}, f"while paused: {host.serving()}")
        done = host.agent("abort")
        expect("rolled_back" in done.stdout, f"abort: {done.stdout}{done.stderr}")
        expect(host.serving() == {"1.0": 100.0}, f"after the abort: {host.serving()}")
    return (
        f"at 1 request a second: 20 % errors found by probes {took:.1f} s after the first stage began, 0 of {seen['people']} "
        f"people met one; without probes paused at 5 %, not promoted, and taken back by hand"
    )
