"""Under Compose the agent brings a new version and the old one back without a failed request, and after a kill -9 in the middle.

A real Docker engine as in `compose-up`, with deploy/compose/compose.agent.yml: blue/green to 2.0 under load with streams open,
the agent killed while people are being moved and its successor going on, rollback, a canary of people, then flip.py on what
the agent left and the agent on what flip.py left. Needs root and Debian's docker.io, debootstrap, iproute2, openssl;
RATE=n and STREAMS=n change the sizes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from aiwriter import __version__
from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.engine import Engine
from tests.lab.models import connect_models, writer_token
from tests.lab.rollout import AGENT, Crowd, Streams
from tests.lab.stack import Stack, build_images
from tests.proofs import expect, until
from tests.proofs.compose_up import REQUESTS, VARIABLES, WORDS

ROLES = ("worker", "scheduler", "watch", "healthd", "vectors")
CANARY = ("--strategy", "canary", "--no-rehearse", "--stages", "25", "--stage-seconds", "8", "--max-seconds", "90")
BEFORE = ("", "planned", "gating", "preparing")
GIVE_UP_SECONDS = 420.0


class Agent:
    """The agent of the installation, as an operator sets it up."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.folder = stack.folder.parent / "agent"
        for version in (__version__, "2.0"):
            (self.folder / "releases" / version).mkdir(parents=True)
            manifest = {"version": version, "image": f"aiwriter:{version}"}
            self._manifest(version).write_text(json.dumps(manifest))
        private, public = re.findall(r"(?:private|public)\s+(\S+)", self.say("keygen").stdout)
        self.key = self.folder / "plan.key"
        self.key.write_text(private)
        self._head = (
            f'name = "lab"\nstate = "{self.folder}/state"\nreleases = "{self.folder}/releases"\nruntime = "compose"\n'
            f'trusted_keys = ["{public}"]\nhost_header = "localhost"\ndrain_seconds = 60\nstart_seconds = 180\n'
        )
        self._tables = (
            f'[options]\nfolder = "{stack.folder}"\n[[slots]]\nname = "blue"\naddress = "127.0.0.1:8001"\n'
            '[[slots]]\nname = "green"\naddress = "127.0.0.1:8002"\n[scale]\nworker = [0, 3]\n'
        )
        self._write(self._head)

    def _write(self, head: str) -> None:
        (self.folder / "lab.toml").write_text(head + self._tables)

    def _manifest(self, version: str) -> Path:
        return self.folder / "releases" / version / "release.json"

    def use_token(self, token: str) -> None:
        """The probes also work as a writer."""
        (self.folder / "probe.token").write_text(token)
        self._write(f'{self._head}probe_token = "{self.folder}/probe.token"\n')

    def pin(self, version: str) -> None:
        """Know the release by the id of its image."""
        manifest = {"version": version, "image": f"aiwriter:{version}", "digest": self.good("digest", version).strip()}
        self._manifest(version).write_text(json.dumps(manifest))

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "aw_deployd", "-e", str(self.folder / "lab.toml"), *words]

    def _environment(self) -> dict[str, str]:
        return {**self._stack.environment(), "PYTHONPATH": str(AGENT)}

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A verb, to its end."""
        return subprocess.run(
            self._command(*words), capture_output=True, text=True, env=self._environment(), check=False
        )

    def good(self, *words: str) -> str:
        """A verb that must succeed; what it said."""
        done = self.say(*words)
        expect(done.returncode == 0, f"aw-deployd {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def plan(self, version: str, *options: str) -> str:
        """A signed plan, in a file."""
        path = self.folder / f"plan-{time.monotonic_ns()}.json"
        path.write_text(self.good("plan", version, "--key", str(self.key), "--bake", "0", *options))
        return str(path)

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """A verb, and do not wait."""
        with (self.folder / "agent.log").open("ab") as log:
            return subprocess.Popen(self._command(*words), stdout=log, stderr=log, env=self._environment())

    def status(self) -> dict[str, Any]:
        """What it sees."""
        found: dict[str, Any] = json.loads(self.good("status", "--json"))
        return found

    def state(self) -> str:
        """Of the deployment that is under way; "" for none."""
        with sqlite3.connect(self.folder / "state" / "journal.sqlite3") as journal:
            row = journal.execute("SELECT state FROM deployment ORDER BY begun_at DESC LIMIT 1").fetchone()
        return str(row[0]) if row else ""

    def serving(self, version: str, slot: str) -> None:
        """Everybody is served by it, all parts are of it, and so it is after the next start of everything."""
        found = self.status()
        percents = {each["release"]: each["percent"] for each in found["slots"].values() if each["percent"]}
        expect(percents == {version: 100.0}, f"instead of {version} serves {percents}")
        expect(set(found["roles"].values()) == {version}, f"parts of other versions: {found['roles']}")
        expect(self._stack.live == slot, f".env names {self._stack.live} instead of {slot}")
        kept = (self._stack.folder / ".env").read_text()
        for name in ("AIWRITER_IMAGE", f"AIWRITER_{slot.upper()}_IMAGE"):
            expect(f"\n{name}=aiwriter:{version}\n" in kept, f".env has another {name} than {version}")
        parts = (*ROLES, f"web-{slot}", "proxy")
        before = {part: self._stack.inspect(part)["Id"] for part in parts}
        self._stack.compose("up", "-d", "--no-build", "--no-deps", *parts)
        after = {part: self._stack.inspect(part)["Id"] for part in parts}
        expect(before == after, f"the next start exchanges {[part for part in parts if before[part] != after[part]]}")


def prove() -> str:
    """Build, up, out, killed, back, canary, flip."""
    with Engine() as engine, engine.joined():
        build_images(engine, "2.0")
        with (
            Stack(engine, f"aiwriter:{__version__}", VARIABLES, files=("compose.yml", "compose.agent.yml")) as stack,
            FakeProvider(process=True, words=WORDS, tps=6.0, host="0.0.0.0") as fake,
        ):
            print(f"  healthy after {stack.seconds_to_healthy:.0f} s", flush=True)
            token = writer_token(stack.as_portal())
            url = fake.openai_url.replace("127.0.0.1", stack.gateway())
            connect_models(stack.as_portal(), [{"name": "Paced", "base_url": url, "model": "fake-large"}])
            agent = Agent(stack)
            agent.use_token(token)
            agent.pin("2.0")
            agent.serving(__version__, "blue")
            proxy = stack.inspect("proxy")["Id"]
            seen = _out_and_back(stack, agent, token)
            share = _canary(stack, agent, token)
            _with_flip(stack, agent)
            waited = _in_place(stack, agent)
            expect(stack.inspect("proxy")["Id"] == proxy, "the proxy's container was exchanged")
    return (
        f"0 of {seen['total']} requests failed at {seen['rate']:.0f} a second over a roll-out whose agent was killed in the "
        f"middle ({seen['killed']}) and a rollback; {seen['streams']} streams whole, {len(seen['written'])} writes each there; "
        f"everybody on the old version {seen['switch']:.2f} s after the rollback was asked; a canary answered {share} requests "
        f"of people before everybody came, 0 failed; flip.py went on from there and the agent from flip.py; "
        f"in place somebody waited {waited:.0f} s, and nobody was refused"
    )


def _out_and_back(stack: Stack, agent: Agent, token: str) -> dict[str, Any]:
    """2.0 by blue/green with a kill in the middle, then back, under load with streams open."""
    rate, streams = float(os.environ.get("RATE", "100")), int(os.environ.get("STREAMS", "6"))
    expected = "".join(words("numbers", WORDS)).split()
    plan = agent.plan("2.0")
    begun = time.monotonic()
    with Crowd(stack, rate, token=token) as crowd:  # type: ignore[arg-type]
        first = agent.begin("deploy", plan)
        # What comes before takes a minute; the streams are open when people are moved.
        until(lambda: agent.state() not in BEFORE, GIVE_UP_SECONDS, f"nothing was started: {_log(agent)}")
        reading = Streams(stack, token, streams)  # type: ignore[arg-type]
        until(
            lambda: agent.state() in ("swapping_workers", "baking", "failed", "rolled_back"),
            GIVE_UP_SECONDS, f"nobody was moved: {_log(agent)}",
        )  # fmt: skip
        first.send_signal(signal.SIGKILL)
        first.wait()
        killed = agent.state()
        expect(killed == "swapping_workers", f"the agent was killed too late or it failed: {killed} {_log(agent)}")
        print("  " + agent.good("continue").strip().replace("\n", "\n  "), flush=True)
        agent.serving("2.0", "green")
        print("  " + agent.good("rollback", "--key", str(agent.key)).strip().replace("\n", "\n  "), flush=True)
        switch = _switch_seconds(agent)
        agent.serving(__version__, "blue")
        texts = reading.finish()
        while (time.monotonic() - begun) * rate < REQUESTS * 1.05:
            time.sleep(0.5)
    seen = crowd.seen
    print(f"  half within {seen['p50']} ms, 95 % {seen['p95']} ms, the longest {seen['longest']} ms", flush=True)
    expect(not seen["failed"], f"{seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}")
    expect(seen["total"] >= REQUESTS, f"only {seen['total']} requests")
    expect(len(texts) == streams, f"{len(texts)} of {streams} streams ended")
    expect(all(text.split() == expected for text in texts), "a stream has another text")
    there = stack.shell(
        f"from apps.content.models import Document\nanswer = Document.objects.filter(pk__in={seen['written']!r}).count()"
    )
    expect(there == len(seen["written"]), f"{there} of {len(seen['written'])} documents are there")
    return {**seen, "streams": streams, "killed": killed, "switch": switch}


def _switch_seconds(agent: Agent) -> float:
    """From the rollback's acceptance until the proxy was seen to serve the old version only, by the journal."""
    with sqlite3.connect(agent.folder / "state" / "journal.sqlite3") as journal:
        [identifier, begun] = journal.execute(
            "SELECT id, begun_at FROM deployment ORDER BY begun_at DESC LIMIT 1"
        ).fetchone()
        [at] = journal.execute(
            "SELECT at FROM transition WHERE deployment = ? AND old = 'promoting'", [identifier]
        ).fetchone()
    return float(at - begun)


def _canary(stack: Stack, agent: Agent, token: str) -> int:
    """A quarter of the people first, found good by them; how many of their requests 2.0 answered in that time."""
    rate = float(os.environ.get("RATE", "100")) / 4
    with Crowd(stack, rate, token=token) as crowd:  # type: ignore[arg-type]
        time.sleep(2)
        print("  " + agent.good("deploy", agent.plan("2.0", *CANARY)).strip().replace("\n", "\n  "), flush=True)
        agent.serving("2.0", "green")
    expect(not crowd.seen["failed"], f"canary: {crowd.seen['failed']} failed: {crowd.seen['failures'][:5]}")
    with sqlite3.connect(agent.folder / "state" / "journal.sqlite3") as journal:
        [n] = journal.execute("SELECT max(n) FROM sample WHERE slot = 'new' AND kind = 'real' AND stage = 0").fetchone()
    # In eight seconds a quarter of the people, at a quarter of the rate.
    expect(n and n >= rate / 4, f"the canary saw {n} requests of people")
    return int(n)


def _with_flip(stack: Stack, agent: Agent) -> None:
    """flip.py goes back from what the agent left; the agent goes on from what flip.py left."""
    print("  " + stack.flip("--back").strip().replace("\n", "\n  "), flush=True)
    agent.serving(__version__, "blue")
    agent.good("deploy", agent.plan("2.0", "--no-rehearse"))
    agent.serving("2.0", "green")


def _in_place(stack: Stack, agent: Agent) -> float:
    """The only slot gets another version while somebody asks for pages: each is answered; the longest wait in seconds."""
    over, waits, wrong = threading.Event(), [0.0], list[str]()

    def ask() -> None:
        with stack.browser() as client:
            while not over.is_set():
                begun = time.monotonic()
                try:
                    said = str(client.get("/accounts/login/", timeout=180).status_code)
                except Exception as error:  # noqa: BLE001 - whatever the client calls it
                    said = str(error)
                waits.append(time.monotonic() - begun)
                if said != "200":
                    wrong.append(f"{said} after {waits[-1]:.1f} s")
                time.sleep(0.2)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    agent.good("deploy", agent.plan(__version__, "--strategy", "recreate"))
    over.set()
    asking.join(200)
    agent.serving(__version__, "green")
    expect(not wrong, f"in place: {wrong[:5]}")
    return max(waits)


def _log(agent: Agent) -> str:
    return (agent.folder / "agent.log").read_text(errors="replace")[-1500:]
