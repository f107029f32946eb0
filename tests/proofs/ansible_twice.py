"""The play installs topology standard on a Debian with systemd; the portal answers, and a second run changes nothing.

The machine is a container whose first process is systemd, without a network; PostgreSQL, Redis and HAProxy are Debian's, the
wheels were fetched before. Needs root and Debian's docker.io, debootstrap, iproute2.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from tests.lab.deploytools import tools
from tests.lab.engine import Engine, wheels
from tests.lab.machine import Machine
from tests.lab.portal import ROOT
from tests.proofs import Failed, expect, until

HOST, SITE = "aiwriter-host", "portal.example.org"
# The packages are in the image: the container has no network.
GIVEN = {"site": SITE, "packages": False, "wheels": "/wheels"}
UNITS = (
    "aiwriter-vectors", "aiwriter-web@blue", "aiwriter-worker@blue", "aiwriter-scheduler", "aiwriter-watch", "aiwriter-healthd",
    "postgresql@15-main", "redis-server", "haproxy",
)  # fmt: skip
_ASK = """
import ssl, sys, urllib.request
tls = ssl.create_default_context(cafile="/etc/haproxy/tls/portal.pem")
tls.check_hostname = False
request = urllib.request.Request("https://127.0.0.1" + sys.argv[1], headers={"Host": "portal.example.org"})
try:
    with urllib.request.urlopen(request, context=tls, timeout=10) as answer:
        print(answer.status, answer.read(20000).decode())
except Exception as error:
    print(error)
"""


def prove() -> str:
    """Twice, then look, then a change that must be seen."""
    with Engine() as engine:
        machine = Machine(engine, HOST, wheels("plugins", ROOT / "requirements" / "plugins.txt"))
        with tempfile.TemporaryDirectory(prefix="aiwriter-play-") as scratch:
            folder = Path(scratch)
            first, took = _play(engine, folder)
            expect(first["changed"] > 20, f"the first run changed {first}")
            print(f"  first run: {first['ok']} ok, {first['changed']} changed, {took:.0f} s", flush=True)
            _works(machine)
            second, took = _play(engine, folder)
            print(f"  second run: {second['ok']} ok, {second['changed']} changed, {took:.0f} s", flush=True)
            expect(second["changed"] == 0, f"the second run changed {second['changed']}:\n{second['tail']}")
            # A play that sees nothing would change nothing, too.
            third, _ = _play(engine, folder, "-e", "worker_concurrency=5")
            expect(third["changed"] >= 2, f"a changed setting was not noticed: {third}")
            _works(machine)
            said = machine.said("aiwriter", "doctor", "--topology", "standard")
            expect(re.search(r"(?m)^ok\s+database", said), f"the doctor says: {said}")
    return (
        f"first run changed {first['changed']} of {first['ok']} tasks, second run changed=0; {len(UNITS)} units active, sign-in "
        f"page through HAProxy with TLS; a changed setting changed {third['changed']}"
    )


def _play(engine: Engine, folder: Path, *more: str) -> tuple[dict[str, object], float]:
    """Run it; what its last line says."""
    inventory = folder / "host.yml"
    if not inventory.exists():
        inventory.write_text(
            "all:\n  vars: {ansible_connection: docker_exec}\n"
            "  children:\n"
            + "".join(f"    {group}: {{hosts: {{{HOST}: {{}}}}}}\n" for group in ("edge", "app", "data"))
        )
    variables = {
        **os.environ,
        "DOCKER_HOST": engine.host,
        "PATH": f"{tools()}:{Path(engine.docker).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests" / "lab" / "ansible"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    begun = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "site.yml", "-e", json.dumps(GIVEN), *more],
        cwd=ROOT / "deploy" / "ansible", env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    expect(done.returncode == 0, f"the play ended with {done.returncode}:\n{said[-4000:]}")
    found = re.findall(r"(ok|changed|failed|unreachable)=(\d+)", said.rpartition("PLAY RECAP")[2])
    changed = "\n".join(
        line for block in said.split("\n\n") if "\nchanged:" in block for line in block.splitlines()[:2]
    )
    return {**{name: int(value) for name, value in found}, "tail": changed}, time.monotonic() - begun


def _works(machine: Machine) -> None:
    for unit in UNITS:
        try:
            until(lambda unit=unit: machine.is_active(unit), 60, "")  # type: ignore[misc]
        except Failed:
            said = machine.said("systemctl", "status", "--no-pager", "-l", unit)
            expect(False, f"{unit} is not active:\n{said[-2000:]}")
    seen = ""

    def answers() -> bool:
        nonlocal seen
        seen = machine.said("python3", "-c", _ASK, "/accounts/login/")
        return seen.startswith("200") and 'name="password"' in seen

    until(answers, 90, f"no page for signing in: {seen[:500]}")
