#!/usr/bin/env python3
"""Bring a version into the slot that rests, give it the traffic, and let the other one finish: no request fails.

    ./flip.py IMAGE          the new version
    ./flip.py --back         the version before, in the other slot

Nothing that people see has changed until the proxy itself has found the new slot UP. What is decided is written to .env and
to run/, so that the next start of anything, the machine too, goes on with it. Only Python's standard library; run it as root.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import fcntl
import io
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
BACKEND = "app"
# The same slots without checks, for when the checks find nobody.
ANYWAY = "anyway"
# As the proxy calls it.
MAP = "/usr/local/etc/haproxy/pct.map"
OTHER = {"blue": "green", "green": "blue"}
# All other parts, with the version that serves. Jobs are rows: a new worker goes on with what the old one had.
PARTS = ("worker", "scheduler", "vectors", "watch", "healthd")


class Stopped(Exception):
    """It goes no further; the text says why, and what serves."""


def compose() -> list[str]:
    """The command, as a plugin of docker or by itself."""
    for command in (["docker", "compose"], ["docker-compose"]):
        with contextlib.suppress(OSError):
            if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
                return command
    raise Stopped("Neither `docker compose` nor `docker-compose` works here. Install Compose 2.24 or newer.")


class Variables:
    """The file .env."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> str:
        """A value; "" when it is not there."""
        found = re.findall(rf"(?m)^{name}=(.*)$", self._path.read_text())
        return found[-1].strip() if found else ""

    def put(self, **values: str) -> None:
        """Change values, all in one step."""
        text = self._path.read_text()
        for name, value in values.items():
            line = f"{name}={value}"
            changed, count = re.subn(rf"(?m)^{name}=.*$", lambda _, line=line: line, text)  # type: ignore[misc]
            text = changed if count else f"{text.rstrip()}\n{line}\n"
        fresh = self._path.with_name(".env.new")
        fresh.write_text(text)
        fresh.chmod(self._path.stat().st_mode & 0o777)
        fresh.replace(self._path)


class Proxy:
    """HAProxy, by the socket in run/."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def say(self, command: str) -> str:
        """One command."""
        try:
            with socket.socket(socket.AF_UNIX) as wire:
                wire.settimeout(5)
                wire.connect(str(self._folder / "admin.sock"))
                wire.sendall(command.encode() + b"\n")
                parts = []
                while part := wire.recv(65536):
                    parts.append(part)
        except OSError as error:
            raise Stopped(f"The proxy does not answer at {self._folder}/admin.sock: {error}. Is it up?") from error
        return b"".join(parts).decode()

    def servers(self) -> dict[str, dict[str, str]]:
        """What it counts of each slot."""
        rows = csv.DictReader(io.StringIO(self.say("show stat").removeprefix("# ")))
        return {row["svname"]: row for row in rows if row["pxname"] == BACKEND and row["svname"] in OTHER}

    def canary(self) -> bool:
        """Whether an agent sends a part of the people to a slot."""
        return any(
            line.split()[2] != "0" for line in self.say(f"show map {MAP}").splitlines() if len(line.split()) == 3
        )

    def wait_up(self, slot: str, seconds: float) -> None:
        """Until the proxy has found it well: its own view is what counts."""
        end = time.monotonic() + seconds
        while not self.servers()[slot]["status"].startswith("UP"):
            if time.monotonic() > end:
                raise Stopped(f"The proxy does not find {slot} well: {self.servers()[slot]['status']}.")
            time.sleep(0.2)

    def give(self, slot: str) -> None:
        """All traffic to one slot: add before taking away; kept for the next start."""
        for name, weight in ((slot, 100), (OTHER[slot], 0)):
            for backend in (BACKEND, ANYWAY):
                if said := self.say(f"set server {backend}/{name} weight {weight}").strip():
                    raise Stopped(f"The proxy refused the weight of {name}: {said}")
        self.keep()

    def keep(self) -> None:
        """Its state, to the file that it reads at its start."""
        fresh = self._folder / "server-state.new"
        fresh.write_text(self.say("show servers state"))
        fresh.chmod(0o644)
        fresh.replace(self._folder / "server-state")

    def _open(self, slot: str) -> int:
        rows = csv.DictReader(io.StringIO(self.say("show stat").removeprefix("# ")))
        ours = [row for row in rows if row["pxname"] in (BACKEND, ANYWAY) and row["svname"] == slot]
        return sum(int(row["scur"] or 0) for row in ours)

    def drained(self, slot: str, seconds: float) -> int:
        """Wait for a slot's last requests. Returns how many are left."""
        end = time.monotonic() + seconds
        while (left := self._open(slot)) and time.monotonic() < end:
            time.sleep(0.2)
        return left


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Of two at once, the second is refused."""
    with (folder / "flip.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Stopped("Another flip.py is at work on this installation.") from None
        yield


class Flip:
    """One exchange.

    Args:
        files: words for Compose, such as -f compose.ha.yml.
        drain: seconds that the last requests and streams of the old slot get.
    """

    def __init__(self, files: list[str], drain: float) -> None:
        self._compose, self._drain = [*compose(), *files], drain
        self._variables, self._proxy = Variables(HERE / ".env"), Proxy(HERE / "run")
        self._begun = time.monotonic()
        profiles = [each.strip() for each in self._variables.get("COMPOSE_PROFILES").split(",")]
        live = [each for each in profiles if each in OTHER]
        if len(live) != 1:
            raise Stopped(
                f"COMPOSE_PROFILES in .env names {live or 'no slot'}. Name the one that serves: blue or green."
            )
        self.live, self.next = live[0], OTHER[live[0]]
        self._profiles = ",".join(self.next if each == self.live else each for each in profiles)

    def _tell(self, text: str) -> None:
        print(f"{time.monotonic() - self._begun:6.1f} s  {text}", flush=True)

    def _run(self, *words: str, image: str, check: bool = True) -> int:
        images = {"AIWRITER_IMAGE": image, f"AIWRITER_{self.next.upper()}_IMAGE": image}
        done = subprocess.run(
            [*self._compose, *words],
            cwd=HERE,
            env={**os.environ, **images},
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise Stopped(
                f"compose {' '.join(words)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-1500:]}"
            )
        return done.returncode

    def before(self) -> str:
        """The image that the resting slot had."""
        return self._variables.get(f"AIWRITER_{self.next.upper()}_IMAGE")

    def go(self, image: str, *, migrate: bool) -> None:
        """From the start of the slot to the end of the other one.

        Raises:
            Stopped: what serves then is what served before, unless the text says otherwise.
        """
        if self._proxy.canary():
            raise Stopped("A canary is under way: `aw-deployd status`, then `abort` or wait for its end.")
        self._tell(f"{self.live} serves; {image} comes into {self.next}")
        if migrate:
            self._run("run", "--rm", "-T", "migrate", image=image)
            self._tell("the database is ready for both versions")
        web = f"web-{self.next}"
        try:
            self._run("up", "-d", "--wait", "--no-deps", web, image=image)
            self._proxy.wait_up(self.next, 60)
        except Stopped:
            self._run("stop", web, image=image, check=False)
            raise
        self._tell(f"the proxy finds {self.next} well")
        self._proxy.give(self.next)
        images = {"AIWRITER_IMAGE": image, f"AIWRITER_{self.next.upper()}_IMAGE": image}
        self._variables.put(COMPOSE_PROFILES=self._profiles, **images)
        self._tell(f"{self.next} has the traffic")
        running = subprocess.run(
            [*self._compose, "ps", "--services", "--status", "running"],
            cwd=HERE, capture_output=True, text=True, check=False,
        ).stdout.split()  # fmt: skip
        parts = [part for part in PARTS if part in running]
        if parts:
            self._run("up", "-d", "--no-deps", *parts, image=image)
            self._tell(f"the other parts are of the same version: {', '.join(parts)}")
        left = self._proxy.drained(self.live, self._drain)
        self._run("stop", f"web-{self.live}", image=image)
        self._proxy.keep()
        self._tell(f"{self.live} is stopped" + (f"; {left} requests were still open" if left else ""))


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", default="", help="name of the new version's image")
    parser.add_argument("--back", action="store_true", help="the version before, without a migration")
    parser.add_argument("-f", "--file", action="append", default=[], help="Compose file, as of compose itself")
    parser.add_argument("--drain", type=float, default=60.0, help="seconds for the last requests of the old slot")
    given = parser.parse_args()
    if bool(given.image) == given.back:
        parser.error("say either an image or --back")
    try:
        with alone(HERE / "run"):
            flip = Flip([word for name in given.file for word in ("-f", name)], given.drain)
            image = given.image or flip.before()
            if not image:
                raise Stopped(f"There is no version before: AIWRITER_{flip.next.upper()}_IMAGE in .env is empty.")
            flip.go(image, migrate=not given.back)
    except (Stopped, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
