"""A portal for development sleeps when nobody is there and is woken by the first request, which waits and does not fail.

On a Debian with systemd (a container without a network) `install.sh --asleep 1` installs topology basic. Needs root and Debian's
docker.io, debootstrap, iproute2.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.lab.engine import Engine, context, wheels
from tests.lab.machine import Machine
from tests.lab.portal import ROOT
from tests.proofs import expect, until

AT_ONCE, LIMIT = 20, 60.0
# Ask so many times at once; prints the statuses, and seconds until the last answer.
_ASK = """
import sys, time, urllib.request
from concurrent.futures import ThreadPoolExecutor
# As Caddy would ask, which has the certificate.
HEADERS = {"Host": "localhost", "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
def ask(_):
    try:
        request = urllib.request.Request("http://127.0.0.1:8000/accounts/login/", headers=HEADERS)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return str(answer.status if b'name="password"' in answer.read() else 0)
    except Exception as error:
        return repr(error)
begun = time.monotonic()
with ThreadPoolExecutor(int(sys.argv[1])) as pool:
    found = sorted(set(pool.map(ask, range(int(sys.argv[1])))))
print(*found, round(time.monotonic() - begun, 2))
"""


def prove() -> str:
    """Install, wake, let fall asleep, wake again; production refuses."""
    with Engine() as engine, tempfile.TemporaryDirectory(prefix="aiwriter-context-") as scratch:
        machine = Machine(engine, "aiwriter-nap", wheels("plugins", ROOT / "requirements" / "plugins.txt"))
        context(Path(scratch))
        engine.run("cp", scratch, f"{machine.name}:/src")
        install = ("sh", "/src/deploy/host/install.sh", "--site", "localhost", "--wheels", "/wheels")
        first = machine.done(*install, "--asleep", "1")
        expect(first.returncode == 0, f"the installation ended with {first.returncode}: {first.stdout}{first.stderr}")
        again = machine.done(*install, "--asleep", "1")
        expect("changed" not in again.stdout, f"a second run changed something: {again.stdout}")
        expect(not _runs(machine), f"before the first request runs: {_runs(machine)}")
        woken = [_wake(machine)]
        begun = time.monotonic()
        until(lambda: not _runs(machine), 240, "it does not fall asleep")
        print(f"  asleep again {time.monotonic() - begun:.0f} s after the last request", flush=True)
        expect(not machine.is_active("aiwriter-portal"), "systemd calls it active")
        woken.append(_wake(machine))
        machine.said(
            "sed", "-i", "s/^AIWRITER_ENVIRONMENT=.*/AIWRITER_ENVIRONMENT=production/", "/etc/aiwriter/aiwriter.env"
        )
        refused = machine.done(*install, "--asleep", "1")
        expect(refused.returncode == 78, f"production was put to sleep: {refused.returncode} {refused.stdout}")
        ended = machine.done(*install, "--asleep", "0")
        expect(ended.returncode == 0, f"--asleep 0 ended with {ended.returncode}: {ended.stderr}")
        until(lambda: "200" in _ask(machine, 1), 90, "after --asleep 0 nobody answers")
        expect(machine.is_active("aiwriter-portal"), "after --asleep 0 it does not stay")
    return (
        f"nothing ran before the first request; woken twice, {AT_ONCE} of {AT_ONCE} requests answered each time, within "
        f"{woken[0]:.1f} and {woken[1]:.1f} s (limit {LIMIT:.0f}); asleep again without a process; production refuses"
    )


def _ask(machine: Machine, count: int) -> str:
    return machine.said("python3", "-c", _ASK, str(count)).strip()


def _wake(machine: Machine) -> float:
    said = _ask(machine, AT_ONCE)
    status, _, seconds = said.rpartition(" ")
    expect(status == "200", f"requests that woke it: {said}\n{machine.said('journalctl', '-n', '40', '--no-pager')}")
    expect(float(seconds) <= LIMIT, f"it took {seconds} s")
    print(f"  {AT_ONCE} requests at once woke it: answered after {seconds} s", flush=True)
    return float(seconds)


def _runs(machine: Machine) -> str:
    """Processes of the portal's user."""
    return machine.said("ps", "-u", "aiwriter", "-o", "args=").strip()
