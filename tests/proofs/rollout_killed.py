"""kill -9 in the middle of a canary, of the new version, the old one, the agent and the proxy: it goes on or back, rightly.

At most 1 % of the requests fail; when the proxy itself dies, only those of the time until it runs again. RATE=n.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

from tests.lab.rollout import Crowd, Host
from tests.proofs import expect
from tests.proofs._rollout import prepared

# Migrations are the concern of others.
STAGES = ("--no-rehearse", "--stages", "20,50", "--stage-seconds", "8", "--max-seconds", "60", "--min-samples", "40")
FAILED_SHARE = 0.01
PROXY_AWAY = 1.0
GIVE_UP_SECONDS = 300.0
Agent = subprocess.Popen[bytes]


def prove() -> str:
    """Kill one after another."""
    rate = float(os.environ.get("RATE", "40"))
    said = []
    with Host("haproxy") as host:
        token = prepared(host)
        host.release("2.0")
        for name, kill, ends in (
            ("new version", _kill_slot("2.0"), {"1.0"}),
            ("old version", _kill_slot("1.0"), {"1.0", "2.0"}),
            ("agent", _kill_agent, {"2.0"}),
            ("proxy", _kill_proxy, {"1.0", "2.0"}),
        ):
            with Crowd(host, rate, token=token) as crowd:
                time.sleep(2)
                agent = host.begin(
                    "deploy", str(host.plan("2.0", "--strategy", "canary", "--bake", "0", *STAGES, "--probes", "2"))
                )
                _until_people_come(host)
                kill(host, agent)
                _finish(host, agent)
                served = host.serving()
                time.sleep(2)
            expect(len(served) == 1 and set(served) <= ends, f"{name} killed: {served}\n{host.logs()}")
            expect(host.status()["deployment"] is None, f"{name} killed: still under way")
            seen, [version] = crowd.seen, served
            away = rate * (PROXY_AWAY + 1.5) if name == "proxy" else 0.0
            most = away + seen["total"] * FAILED_SHARE
            expect(
                seen["failed"] <= most, f"{name}: {seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}"
            )
            said.append(f"{name}: {seen['failed']} of {seen['total']} failed, {version} serves")
            print(f"  {said[-1]}", flush=True)
            if version == "2.0":
                done = host.agent("rollback", "--key", str(host.key))
                expect(done.returncode == 0, f"back for the next: {done.stdout}{done.stderr}")
    return "killed in the middle of a canary: " + "; ".join(said)


def _until_people_come(host: Host) -> None:
    end = time.monotonic() + GIVE_UP_SECONDS
    while (found := host.status()["deployment"]) is None or found["state"] != "analysing":
        expect(time.monotonic() < end, f"no stage began: {found}\n{host.logs()}")
        time.sleep(0.2)
    time.sleep(1)


def _kill_slot(version: str) -> Callable[[Host, Agent], None]:
    def kill(host: Host, agent: Agent) -> None:
        slots = host.status()["slots"].items()
        os.killpg(host.pid(next(name for name, slot in slots if slot["release"] == version)), signal.SIGKILL)

    return kill


def _kill_agent(host: Host, agent: Agent) -> None:
    agent.kill()
    agent.wait()


def _kill_proxy(host: Host, agent: Agent) -> None:
    before = host.status()["slots"]
    host.kill_proxy()
    time.sleep(PROXY_AWAY)
    host.start_proxy()
    shares = {name: slot["percent"] for name, slot in before.items()}
    # What it was told last, or what the agent, who has missed it meanwhile, has told it since: everybody on the old version.
    back = {name: 0.0 if slot["release"] == "2.0" else 100.0 for name, slot in before.items()}
    again = {name: slot["percent"] for name, slot in host.status()["slots"].items()}
    expect(again in (shares, back), f"the proxy came back with {again}, before it were {shares}")


def _finish(host: Host, agent: Agent) -> None:
    """Let whoever works on it end; the successor of a dead agent goes on."""
    try:
        agent.wait(GIVE_UP_SECONDS)
    except subprocess.TimeoutExpired:
        expect(False, f"the agent does not end\n{host.logs()}")
    if agent.returncode == -signal.SIGKILL:
        done = host.agent("continue")
        expect(done.returncode == 0, f"the successor: {done.stdout}{done.stderr}")
