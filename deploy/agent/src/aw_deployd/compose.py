"""A Compose installation: its folder, its `.env`, its containers. What is asked goes to the engine, what is decided to `.env`.

`.env` is what every later start goes by, of the machine too, and what flip.py reads and writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused

OLDEST = (2, 24)
# An engine that is being started again, by an update of the machine for example, is back before this is over.
PATIENCE_SECONDS = 20.0
# Many questions are asked at once; each look at the engine starts two programs. What is done ends what was seen.
SNAPSHOT_SECONDS = 0.3
FLIP_SECONDS = 5.0
CALL_SECONDS = 120.0
KILLED = 137
_AWAY = (
    "Cannot connect to the Docker daemon",
    "error during connect",
    "failed to connect to the docker API",
)
_OURS = re.compile(r"AIWRITER_\w*IMAGE|AIWRITER_WORKERS|COMPOSE_PROFILES")


@dataclass(frozen=True, slots=True)
class Container:
    """One of them.

    Args:
        image: id of its image.
        name: by which the image was asked for.
        status: as the engine calls it: running, restarting, exited.
        health: healthy, unhealthy, starting; "" where nothing is asked.
        leaving: asked to end, so the engine does not start it again.
    """

    id: str
    service: str
    number: int
    image: str
    name: str
    status: str
    pid: int
    code: int
    created: tuple[str, str]
    health: str
    restarts: int
    leaving: bool

    @property
    def runs(self) -> bool:
        """Whether its program is there."""
        return self.status == "running"

    @property
    def may_run(self) -> bool:
        """Whether it runs, or the engine is about to start it again."""
        return self.status in ("running", "restarting", "paused")


@dataclass(frozen=True, slots=True)
class Image:
    """What the engine knows of an image."""

    id: str
    names: frozenset[str]
    digests: tuple[str, ...]


@cache
def _program() -> tuple[str, ...]:
    """Compose, as a plugin of docker or by itself; asked once.

    Raises:
        Refused: there is none, or it is too old.
    """
    found = ""
    for command in (("docker", "compose"), ("docker-compose",)):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                [*command, "version", "--short"], capture_output=True, text=True, timeout=30, check=False
            )
            numbers = re.match(r"v?(\d+)\.(\d+)", done.stdout.strip())
            if done.returncode or not numbers:
                continue
            if (int(numbers[1]), int(numbers[2])) >= OLDEST:
                return command
            found = done.stdout.strip()
    wanted = ".".join(map(str, OLDEST))
    raise Refused(
        f"`{'docker compose'}` is {found}." if found else "Neither `docker compose` nor `docker-compose` works here.",
        f"Install Compose {wanted} or newer.",
    )


class Project:
    """The installation in a folder.

    Args:
        environment: whose; `[options] folder` is the folder with compose.yml.
    """

    def __init__(self, environment: Environment) -> None:
        self.folder = Path(str(environment.options["folder"])).expanduser()
        self._slots = tuple(slot.name for slot in environment.slots)
        self._seen: tuple[float, list[Container]] = (0.0, [])
        self._images: dict[str, Image] = {}

    # ------------------------------------------------------------ .env
    def _text(self) -> str:
        try:
            return (self.folder / ".env").read_text(encoding="utf-8")
        except OSError as error:
            raise Refused(f"{self.folder}/.env cannot be read: {error.strerror}.", "prepare.sh makes it.") from error

    def get(self, name: str) -> str:
        """A value; "" when it is not there."""
        found = re.findall(rf"(?m)^{name}=(.*)$", self._text())
        return str(found[-1]).strip() if found else ""

    def put(self, **values: str) -> None:
        """Change values, all in one step; nothing when they are so."""
        before = text = self._text()
        for name, value in values.items():
            line = f"{name}={value}"
            changed, count = re.subn(rf"(?m)^{name}=.*$", lambda _, line=line: line, text)  # type: ignore[misc]
            text = changed if count else f"{text.rstrip()}\n{line}\n"
        if text == before:
            return
        path = self.folder / ".env"
        fresh = path.with_name(".env.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(path.stat().st_mode & 0o777)
        os.chown(fresh, path.stat().st_uid, path.stat().st_gid)
        fresh.replace(path)

    def profiles(self) -> list[str]:
        """COMPOSE_PROFILES: the slot that serves, and what the operator has there besides.

        Raises:
            Refused: no slot is named.
        """
        found = [each.strip() for each in self.get("COMPOSE_PROFILES").split(",") if each.strip()]
        if not set(found).intersection(self._slots):
            raise Refused(
                f"COMPOSE_PROFILES in {self.folder}/.env names no slot.",
                f"Name the one that serves, for example COMPOSE_PROFILES={self._slots[0]}.",
            )
        return found

    def serve(self, slots: list[str]) -> None:
        """Note which slots every later start brings, and their images."""
        kept = [each for each in self.profiles() if each not in self._slots]
        values = {"COMPOSE_PROFILES": ",".join([*slots, *kept])}
        for slot in slots:
            if running := [each for each in self.containers(f"web-{slot}") if each.may_run]:
                values[image_variable(slot)] = running[0].name
        self.put(**values)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """flip.py is not at work meanwhile, and is refused.

        Raises:
            DeployError: it is.
        """
        with (self.folder / "run" / "flip.lock").open("a") as file:
            end = time.monotonic() + FLIP_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > end:
                        raise DeployError("flip.py is at work on this installation.", "Wait for its end.") from None
                    time.sleep(0.1)
            yield

    # ------------------------------------------------------------ commands
    @staticmethod
    def variables(more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of a command: what `.env` decides is not decided by the agent's own environment."""
        kept = {name: value for name, value in os.environ.items() if not _OURS.fullmatch(name)}  # noqa: TID251
        return {**kept, **(more or {})}

    def call(
        self, *command: str, timeout: float = CALL_SECONDS, check: bool = True, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A program, in the folder, with variables.

        Raises:
            DeployError: it failed; or the engine does not answer.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                done = subprocess.run(
                    command,
                    cwd=self.folder,
                    env=self.variables(more),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=timeout,
                    check=False,
                )
            except FileNotFoundError as error:
                raise Refused(f"{error.filename} is not there.", "Install Docker; set [options] folder.") from error
            except subprocess.TimeoutExpired as error:
                raise DeployError(f"{_short(command)} did not end within {timeout:.0f} s.") from error
            said = (done.stderr + done.stdout).strip()
            away = bool(done.returncode) and any(word in done.stderr for word in _AWAY)
            if not away or time.monotonic() > end:
                break
            time.sleep(0.5)
        if away:
            raise DeployError(f"The Docker engine does not answer: {said[-200:]}", "systemctl status docker")
        if check and done.returncode:
            raise DeployError(f"{_short(command)} ended with {done.returncode}: {said[-800:]}")
        return done

    def docker(self, *words: str, timeout: float = CALL_SECONDS, check: bool = True) -> str:
        """`docker …`; what it said."""
        self._seen = (0.0, [])
        return self.call("docker", *words, timeout=timeout, check=check).stdout

    def compose(
        self, *words: str, timeout: float = CALL_SECONDS, check: bool = True, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`docker compose …`, with variables before those of `.env`."""
        self._seen = (0.0, [])
        return self.call(*_program(), "--progress", "quiet", *words, timeout=timeout, check=check, more=more)

    def up(self, service: str, *words: str, more: Mapping[str, str] | None = None) -> None:
        """Start a service, and nothing else; no image is built or fetched on the way."""
        self.compose("up", "-d", "--no-deps", "--no-build", "--pull", "never", *words, service, more=more)

    def described(self) -> dict[str, Any]:
        """What Compose makes of all files together."""
        found: dict[str, Any] = json.loads(self.compose("--profile", "*", "config", "--format", "json").stdout)
        return found

    # ------------------------------------------------------------ observing
    @property
    def name(self) -> str:
        """Under which the engine keeps the containers."""
        return self.get("COMPOSE_PROJECT_NAME") or "aiwriter"

    def containers(self, service: str) -> list[Container]:
        """Of a service, in whatever state, by number; those of jobs are not among them."""
        at, found = self._seen
        if time.monotonic() - at > SNAPSHOT_SECONDS:
            found = self._look()
            self._seen = (time.monotonic(), found)
            self._images.clear()
        return sorted((each for each in found if each.service == service), key=lambda each: each.number)

    def _look(self) -> list[Container]:
        label = "label=com.docker.compose"
        filters = ("--filter", f"{label}.project={self.name}", "--filter", f"{label}.oneoff=False")
        ids = self.call("docker", "ps", "-aq", "--no-trunc", *filters).stdout.split()
        if not ids:
            return []
        # One that is removed in between makes it end with 1; the others are told all the same.
        told = self.call("docker", "inspect", "--type", "container", *ids, check=False).stdout
        return [_container(each) for each in json.loads(told or "[]")]

    def image(self, name: str) -> Image | None:
        """By name or id; None when the engine has none."""
        if name not in self._images:
            told = self.call("docker", "image", "inspect", name, check=False)
            if told.returncode:
                return None
            (values,) = json.loads(told.stdout)
            digests = tuple(each.rpartition("@")[2] for each in values.get("RepoDigests") or ())
            names = frozenset(whole_name(each) for each in values.get("RepoTags") or ())
            self._images[name] = Image(values["Id"], names, digests)
        return self._images[name]


def _container(values: dict[str, Any]) -> Container:
    state, labels = values["State"], values["Config"]["Labels"]
    seconds, _, fraction = values["Created"].rstrip("Z").partition(".")
    return Container(
        id=values["Id"],
        service=labels.get("com.docker.compose.service", ""),
        number=int(labels.get("com.docker.compose.container-number", "1")),
        image=values["Image"],
        name=values["Config"]["Image"],
        status=state["Status"],
        pid=_of_the_program(int(state.get("Pid") or 0)),
        code=int(state.get("ExitCode") or 0),
        created=(seconds, fraction.ljust(9, "0")),
        health=(state.get("Health") or {}).get("Status", ""),
        restarts=int(values.get("RestartCount") or 0),
        leaving=values["HostConfig"]["RestartPolicy"]["Name"] in ("no", ""),
    )


def _of_the_program(pid: int) -> int:
    """The engine's own first process (`init: true`) computes nothing: what is measured is its child."""
    try:
        if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() in ("docker-init", "tini"):
            return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()[0])
    except (OSError, IndexError):
        pass
    return pid


def whole_name(image: str) -> str:
    """As the engine lists it: without the default registry, with a tag."""
    short = image.removeprefix("docker.io/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] or "@" in short else f"{short}:latest"


def image_variable(slot: str) -> str:
    """The variable of a slot's image."""
    return f"AIWRITER_{slot.upper()}_IMAGE"


def _short(command: tuple[str, ...]) -> str:
    return " ".join(command)[:200]
